"""The join of a waypoint's log with flows, judged by the truth of a run with a real Envoy."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pytest

import ztflow
from tests.waypoint.support import ENVOY, ZTUNNEL, envoy_lines, judged, truth
from ztflow.errors import SourceError, UsageError
from ztflow.read import read_inputs
from ztflow.waypoint.formats import ISTIO_TEXT, layout_of
from ztflow.writers import open_writer

TRUTH = truth()
LINES = sum(map(len, TRUTH.values()))


@pytest.fixture(scope="module")
def flows():
    return ztflow.read_flows(ZTUNNEL, waypoint=ENVOY)


def test_most_is_decided_and_nothing_wrong(flows):
    decided, wrong, lost = judged(flows, TRUTH)
    assert len(flows) == len(TRUTH)
    assert decided >= 0.75 * LINES
    assert (wrong, lost) == (0, 0)


def test_lines_among_the_inputs_are_joined_alike(flows):
    found = ztflow.read_flows(ZTUNNEL, ENVOY)
    assert found.to_arrow().equals(flows.to_arrow())
    assert found.stats.lines == found.stats.access + found.stats.other + found.stats.not_ours + found.stats.problems
    assert (found.stats.waypoint, found.stats.waypoint_problems) == (372, 0)
    assert flows.stats.waypoint == 373, "of a log that was named, every line counts as its own"


def test_without_a_log_the_columns_are_empty():
    table = ztflow.read_flows(ZTUNNEL).to_arrow()
    for name in ("requests", "waypoint_file", "waypoint_lines", "waypoint_candidates"):
        assert table[name].null_count == len(table)


def test_a_log_with_gaps_decides_only_what_is_clear_by_time(flows):
    lines = [line if number % 12 else "" for number, line in enumerate(envoy_lines())]
    gaps = ztflow.read_flows(ZTUNNEL, "\n".join(lines))
    left = {line: {one for one in true if (one - 1) % 12} for line, true in TRUTH.items()}
    decided, wrong, _ = judged(gaps, left)
    assert wrong == 0
    assert 0 < decided < judged(flows, TRUTH)[0] / 2


def test_connections_missing_from_the_log_do_not_mislead_the_others(tmp_path):
    some = tmp_path / "ztunnel.log"
    lines = gzip.decompress(ZTUNNEL.read_bytes()).decode().splitlines()
    some.write_text("\n".join(line if number % 5 else "" for number, line in enumerate(lines)))
    decided, wrong, lost = judged(ztflow.read_flows(some, waypoint=ENVOY), TRUTH)
    assert decided > 0.5 * LINES
    assert (wrong, lost) == (0, 0)


KEYS = (
    "start_time", "method", "path", "protocol", "response_code", "response_flags", "bytes_received", "bytes_sent",
    "duration", "upstream_service_time", "user_agent", "authority", "upstream_host", "upstream_cluster",
    "downstream_local_address", "downstream_remote_address", "response_code_details",
)  # fmt: skip
FIELDS = (
    "start", "method", "path", "protocol", "code", "flags", "received", "sent", "duration", "service_time", "agent",
    "authority", "upstream", "cluster", "local", "remote", "details",
)  # fmt: skip
OWN = (
    "%START_TIME%|%DURATION%ms|%BYTES_RECEIVED%/%BYTES_SENT%|%REQ(:METHOD)%|%PROTOCOL%|%RESPONSE_CODE%|"
    "%RESPONSE_FLAGS%|%REQ(:PATH)%|%UPSTREAM_HOST%|%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%"
)


def parsed():
    layout = layout_of(ISTIO_TEXT)
    return [layout.fields(line, None) for line in envoy_lines()]


def as_json(fields):
    numbers = {"code", "received", "sent", "duration"}
    values = {
        key: int(fields[field]) if field in numbers and fields[field] is not None else fields[field]
        for key, field in zip(KEYS, FIELDS, strict=True)
    }
    return json.dumps(values)


def said(text):
    """What lines of a waypoint's log say, without where they were."""
    tables = [batch.requests for batch in read_inputs([io.BytesIO(text.encode())]) if batch.requests]
    return pa.concat_tables(tables).drop_columns(["file", "line", "pod"]).to_pylist()


@pytest.fixture(scope="module")
def plainly():
    return said("\n".join(envoy_lines()))


def test_istios_json_says_the_same(plainly):
    text = "\n".join("Envoy's own" if fields is None else as_json(fields) for fields in parsed())
    assert said(text) == plainly


def test_a_format_of_ones_own_is_read(tmp_path):
    log = tmp_path / "way.log"
    with log.open("w") as out:
        for fields in parsed():
            known = {field: "-" if value is None else value for field, value in (fields or {}).items()}
            out.write("{start}|{duration}ms|{received}/{sent}|{method}|{protocol}|{code}|{flags}|{path}|{upstream}|"
                      "{local} {remote}\n".format(**known) if fields else "Envoy's own\n")  # fmt: skip
    found = ztflow.read_flows(ZTUNNEL, waypoint=log, envoy_format=OWN)
    decided, wrong, lost = judged(found, TRUTH)
    assert decided >= 0.75 * LINES
    assert (wrong, lost) == (0, 0)
    assert found.stats.waypoint_problems == 2, "lines of a log with a format of its own that are not in it"


@pytest.mark.parametrize("wrap", ["way-7d9c8b6f5-t4t4t istio-proxy {}", "2026-11-29T08:40:20.000001Z stdout F {}"])
def test_wrappers_are_taken_off(wrap, plainly):
    assert said("\n".join(map(wrap.format, envoy_lines()))) == plainly


def test_what_is_no_waypoints_log_is_refused(tmp_path):
    (tmp_path / "else.log").write_text("hello\n")
    with pytest.raises(SourceError, match="no line of a waypoint's access log"):
        ztflow.read_flows(ZTUNNEL, waypoint=tmp_path / "else.log")
    with pytest.raises(SourceError, match="access lines of ztunnel"):
        ztflow.read_flows(ZTUNNEL, waypoint=ZTUNNEL)
    with pytest.raises(UsageError, match="--waypoint"):
        ztflow.read_flows(ZTUNNEL, envoy_format=OWN)


def test_flows_with_requests_come_back_from_every_form(tmp_path, flows):
    columns = ["requests", "waypoint_lines", "waypoint_candidates"]
    for suffix in ("jsonl", "csv", "parquet"):
        path = tmp_path / f"flows.{suffix}"
        with path.open("wb") as stream:
            writer = open_writer(suffix, stream, flows.schema)
            writer.write(flows.to_arrow())
            writer.close()
        assert ztflow.read_flows(path).to_arrow().select(columns).equals(flows.to_arrow().select(columns)), suffix
