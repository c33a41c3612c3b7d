#!/usr/bin/env bash
# Dask promises the integers of the first JSON file and delivers floats from a file with a null; booleans it refuses.
# Needs bash, python3 and a package index; installs dask[dataframe]==2026.8.0 into a temporary folder, which it removes. Takes some 20 s.
# Exits 1 when the behaviour is not the one described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'dask[dataframe]==2026.8.0'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys

import dask
import dask.dataframe as dd


def written(name, *values):
    with open(name, "w") as file:
        file.writelines(json.dumps({"value": value}) + "\n" for value in values)
    return name


print("dask", dask.__version__)
ports = dd.read_json([written("a.jsonl", 80, 443), written("b.jsonl", 15008, None)], lines=True)
promised = str(ports["value"].dtype)
delivered = [str(ports.get_partition(number).compute()["value"].dtype) for number in range(2)]
print("integers: promised", promised, "delivered", delivered)
truths = dd.read_json([written("c.jsonl", True, False), written("d.jsonl", True, None)], lines=True)
try:
    said = str(truths.compute()["value"].dtype)
except ValueError as error:
    said = str(error).splitlines()[0]
print("booleans: promised", truths["value"].dtype, "- then:", said)
as_described = promised == "int64" and delivered == ["int64", "float64"] and "Metadata mismatch" in said
sys.exit(0 if as_described else "the behaviour has changed")
PYTHON
