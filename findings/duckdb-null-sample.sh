#!/usr/bin/env bash
# DuckDB gives a JSON column that is null in all sampled lines the type NULL, and reads every later value of it as null.
# Needs bash, python3 and a package index; installs duckdb==2.0.1 into a temporary folder, which it removes. Takes some 20 s.
# Exits 1 when the behaviour is not the one described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys

import duckdb

SAMPLE = 20_480  # lines DuckDB looks at unless told otherwise
with open("nulls.jsonl", "w") as file:
    file.writelines(json.dumps({"port": number, "error": None}) + "\n" for number in range(2 * SAMPLE))
    file.write(json.dumps({"port": 1, "error": "denied"}) + "\n")
ask = "select typeof(any_value(error)), count(*), count(error) from read_json_auto('nulls.jsonl'{})"

print("duckdb", duckdb.__version__)
sampled = duckdb.sql(ask.format("")).fetchall()[0]
print("type, lines, values of `error`:", sampled)
whole = duckdb.sql(ask.format(", sample_size=-1")).fetchall()[0]
print("with sample_size=-1:", whole)
found = duckdb.sql("select * from 'nulls.jsonl' where error = 'denied'").fetchall()
print("where error = 'denied':", found)
as_described = sampled[1:] == (2 * SAMPLE + 1, 0) and whole[1:] == (2 * SAMPLE + 1, 1) and found == []
sys.exit(0 if as_described else "the behaviour has changed")
PYTHON
