"""A record as a line of a given release; a line explained to a person."""

import json
import subprocess
import sys

import pytest

from ztflow import parse_line
from ztflow.errors import UsageError
from ztflow.parse import explain, render_line, scan
from ztflow.parse.render import release_tuple

LINE = (
    '2024-11-05T12:00:01.013201Z\terror\taccess\tconnection complete\tsrc.addr=10.244.1.9:52344 src.workload="sleep-1" '
    'src.identity="spiffe://cluster.local/ns/client/sa/sleep" dst.addr=[2001:db8::1]:15008 dst.hbone_addr=10.244.2.14:8080 '
    'direction="outbound" bytes_sent=67 bytes_recv=490 duration="13ms" error="http status: 401 Unauthorized"'
)
FAILED = '2024-11-05T12:00:01.013201Z\twarn\taccess\tconnection failed\tsrc.addr=10.0.0.1:1 dst.addr=10.0.0.2:2 direction="outbound" error="unknown source: 10.0.0.1"'


def test_names_are_bare_before_1_22_2():
    old = render_line(parse_line(LINE), "1.22.1")
    assert old == LINE.replace('"sleep-1"', "sleep-1")
    assert render_line(parse_line(LINE), "1.22.2") == LINE
    assert render_line(scan(LINE), "1.31.0-rc.0") == LINE


def test_the_error_of_a_failed_connection_is_bare_before_1_22_2():
    assert render_line(parse_line(FAILED), "1.22.0").endswith(" error=unknown source: 10.0.0.1")
    assert render_line(parse_line(FAILED), "1.22.2") == FAILED


@pytest.mark.parametrize("error", ['"quoted"', " led by a blank", "two\nlines"])
def test_what_cannot_stand_bare_is_quoted(error):
    row = list(scan(FAILED))
    row[26] = error
    assert scan(render_line(tuple(row), "1.22.0"))[26] == error


def test_the_two_json_shapes():
    istio = json.loads(render_line(parse_line(LINE), "1.24.0", "json"))
    assert list(istio)[:4] == ["level", "time", "scope", "message"]
    assert istio["bytes_sent"] == 67
    first = json.loads(render_line(parse_line(LINE), "1.22.0", "json"))
    assert (list(first)[:3], first["level"], first["target"]) == (["timestamp", "level", "message"], "ERROR", "access")


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_the_trace_id_of_1_22_0(direction):
    record = parse_line(LINE.replace('"outbound"', f'"{direction}"')).model_copy(
        update={"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    )
    assert parse_line(render_line(record, "1.22.0", "json")) == record
    assert parse_line(render_line(record, "1.24.0", "json")).trace_id is None


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace("10.244.1.9:52344", "10.0.x.x:52344"),
        lambda line: line.replace('"sleep-1"', '""'),
        lambda line: line.replace(" error=", ' code=200 path="/a b" error='),
        lambda line: line.replace("2024-11-05T12:00:01.013201Z", "12:00:01.013201Z"),
        lambda line: line.partition("\t")[2],
    ],
)
def test_what_only_extra_holds_is_written_back(change):
    assert render_line(parse_line(change(LINE))) == change(LINE)


@pytest.mark.parametrize("release", ["1.21.0", "1.18.0", "newest", ""])
def test_releases_without_an_access_log(release):
    with pytest.raises(UsageError):
        render_line(parse_line(LINE), release)


def test_formats():
    with pytest.raises(UsageError):
        render_line(parse_line(LINE), format="xml")
    assert release_tuple("1.22") == (1, 22, 0)


# ---- explain --------------------------------------------------------------------------------------------------------


def test_a_sound_line_is_explained_field_by_field():
    explanation = explain(LINE + "\n")
    assert (explanation.outcome, explanation.error, explanation.damaged) == ("access", None, False)
    assert explanation.record == parse_line(LINE)
    assert [field.key for field in explanation.fields][:2] == ["src.addr", "src.workload"]
    for field in explanation.fields:
        assert LINE[field.column - 1 :].startswith(field.key + "=")
    text = explanation.to_text()
    assert "http status: 401 Unauthorized" in text
    assert "peer_denied" in text


def caret_points_at(explanation):
    shown, caret = explanation.caret
    return shown[len(caret) - 1 :]


@pytest.mark.parametrize(
    ("change", "at", "expected"),
    [
        (lambda line: line.replace("=490", "=4x0"), "4x0 duration", "a whole number from 0 to 2^63 - 1"),
        (lambda line: line.replace("10.244.1.9:", "10.244.1.999:"), "10.244.1.999", "`ip:port`, IPv6 in brackets"),
        (
            lambda line: line.replace('direction="outbound"', "(node-a)"),
            "(node-a)",
            "`key=value` or the end of the line",
        ),
        (lambda line: line.replace('"sleep-1"', '"sleep-1"x'), "x src.identity", "a blank or the end of the line"),
        (lambda line: line[:-4], '"http status', 'a closing `"`'),
        (lambda line: line.replace('"sleep-1"', r'"sle\x41ep"'), r"\x41", "text"),
    ],
)
def test_a_broken_line_gets_a_caret(change, at, expected):
    explanation = explain(change(LINE))
    assert explanation.outcome == "problem"
    assert caret_points_at(explanation).startswith(at)
    assert explanation.expected == expected
    lines = explanation.to_text().split("\n")
    assert lines[0].startswith("problem: ")
    assert lines[2].strip() == "^"


def test_the_caret_stands_right_behind_wide_and_hidden_characters():
    line = LINE.replace(" dst.addr=", ' x="日本\x1b" dst.addr=').replace("[2001:db8::1]", "x.y.z")
    shown, caret = explain(line).caret
    assert "日本\\u{1b}" in shown
    assert shown.index("x.y.z") + 2 == len(caret) - 1, "two wide characters take two columns more"


def test_a_cut_line_shows_what_was_read_before_the_cut():
    explanation = explain(LINE[:200])
    assert explanation.column is not None
    assert explanation.hint
    assert [field.key for field in explanation.fields] == ["src.addr", "src.workload", "src.identity", "dst.addr"]


def test_damage_is_named():
    explanation = explain(LINE.replace("\t", " "))
    assert explanation.damaged
    assert "in spite of damage" in explanation.to_text()


def test_unknown_keys_are_named():
    assert "kept in `extra`" in explain(LINE.replace(" error=", " code=200 error=")).to_text()


def test_json_lines_are_explained():
    text = render_line(parse_line(LINE), format="json")
    explanation = explain(text)
    assert [field.key for field in explanation.fields][4] == "src.addr"
    assert text[explanation.fields[4].column - 1 :].startswith('"src.addr"')
    broken = explain(text.replace('"13ms"', '"13"'))
    assert (broken.outcome, caret_points_at(broken)[:2]) == ("problem", "13")


def test_other_lines_and_noise_are_explained():
    other = explain(
        '2024-11-05T12:00:01.013201Z\tinfo\tinpod::statemanager\tpod delete request, shutting down proxy\tuid="u-1"'
    )
    assert (other.outcome, other.scope, other.fact.kind) == ("other", "inpod::statemanager", "pod_gone")
    assert "pod_gone: uid=u-1" in other.to_text()
    assert explain("hello").to_text() == "not ours: no line of ztunnel"
    assert explain("  ").outcome == "not ours"


def test_a_problem_without_a_place_has_no_caret():
    explanation = explain(LINE.replace("src.addr=10.244.1.9:52344 ", ""))
    assert (explanation.column, explanation.caret) == (None, None)
    assert "`src.addr`" in explanation.to_text()


def test_only_explaining_loads_the_grammar():
    code = (
        "import sys, ztflow; ztflow.parse_line('x'); assert 'pyparsing' not in sys.modules;"
        "from ztflow.parse import explain; explain('x'); explain('y'); assert 'pyparsing' in sys.modules;"
        "assert not {'pandas', 'pyarrow', 'numba', 'networkx', 'hypothesis'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_line_that_a_waypoint_closed_says_when_it_is_no_failure():
    """Of an inbound line only: at the client's side the same words are the other side's doing."""
    text = 'error="send: io error: stream error received: unexpected internal error encountered"'
    lines = [
        "2026-11-29T08:33:54.340632Z\terror\taccess\tconnection complete\tsrc.addr=10.244.3.19:37520 "
        f'dst.addr=10.244.1.12:15008 dst.hbone_addr=10.244.1.12:8080 direction="{way}" bytes_sent=1 bytes_recv=2 '
        f'duration="3ms" {text}'
        for way in ("inbound", "outbound")
    ]
    assert ["waypoint_closed" in explain(line).to_text() for line in lines] == [True, False]
