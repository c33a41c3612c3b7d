#!/usr/bin/env bash
# prometheus_client parses a counter declared without `_total` into a counter without samples and an unknown family, without an error.
# Needs bash, python3 and a package index; installs prometheus_client==0.26.0 into a temporary folder, which it removes. Takes some 20 s.
# Exits 1 when the behaviour is not the one described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prometheus_client==0.26.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from prometheus_client.parser import text_string_to_metric_families

# As OpenMetrics wants it, and as ztunnel exposes it: the family has no `_total`, its samples have.
TEXT = """\
# HELP istio_tcp_sent_bytes Bytes sent.
# TYPE istio_tcp_sent_bytes counter
istio_tcp_sent_bytes_total{reporter="source"} 77
"""
print("prometheus_client", version("prometheus_client"))
families = {one.name: (one.type, len(one.samples)) for one in text_string_to_metric_families(TEXT)}
print("family: (type, samples):", families)
as_described = families == {"istio_tcp_sent_bytes": ("counter", 0), "istio_tcp_sent_bytes_total": ("unknown", 1)}
sys.exit(0 if as_described else "the behaviour has changed")
PYTHON
