#!/usr/bin/env bash
# polars reads JSON lines without a key that first comes after 100 lines, and says nothing; a null there is an error.
# Needs bash, python3 and a package index; installs polars==2.1.0 into a temporary folder, which it removes. Takes some 20 s.
# Exits 1 when the behaviour is not the one described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys

import polars as pl

lines = [{"port": number} for number in range(100)]
with open("late-key.jsonl", "w") as file:
    file.writelines(json.dumps(line) + "\n" for line in [*lines, {"port": 100, "error": "denied"}])
with open("late-value.jsonl", "w") as file:
    file.writelines(json.dumps({**line, "error": None}) + "\n" for line in lines)
    file.write(json.dumps({"port": 100, "error": "denied"}) + "\n")

print("polars", pl.__version__)
eager, lazy = pl.read_ndjson("late-key.jsonl"), pl.scan_ndjson("late-key.jsonl").collect()
print("key first in line 101:", eager.shape, eager.columns, "lazily", lazy.columns)
whole = pl.read_ndjson("late-key.jsonl", infer_schema_length=None)
print("with infer_schema_length=None:", whole.shape, whole.columns)
try:
    said = str(pl.read_ndjson("late-value.jsonl").shape)
except pl.exceptions.ComputeError as error:
    said = f"ComputeError: {error}"
print("null in 100 lines, then a text:", said)
as_described = (
    eager.columns == lazy.columns == ["port"] and len(eager) == 101
    and whole.columns == ["port", "error"] and said.startswith("ComputeError")
)
sys.exit(0 if as_described else "the behaviour has changed")
PYTHON
