"""A line behind any syslog head is the line without it; its parts are joined per writer."""

from __future__ import annotations

import pytest

from tests.read.envelopes_for_lines import (
    SYSLOG,
)
from tests.read.lines_for_envelopes import ASIDE, FAILED, HEX, JSON, LINE, LINES, POD, holds, read

TELLING = (
    f"Nov 29 07:04:16 node-a {POD}: ",
    f"2026-11-29T06:49:21.641399+00:00 relay kube.{POD}: ",
    f"<14>1 2026-11-29T06:49:21.641399Z relay /var/log/{POD}.log - - - ",
    f'<14>1 2026-11-29T06:49:21Z relay a - - [k8s@1 pod_name="{POD}"] ',
)
SPELLED = {
    "tabs": lambda line: line,
    "blanks": lambda line: line.replace("\t", " " * 8),
    "rsyslog": lambda line: line.replace("\t", "#011"),
    "rsyslog, coloured": lambda line: line.replace("\tinfo\t", "#011#033[32minfo#033[0m#011").replace("\t", "#011"),
    "caret": lambda line: line.replace("\t", "^I"),
    "octal": lambda line: line.replace("\t", "\\011"),
    "C style": lambda line: line.replace("\t", "\\t"),
}


@pytest.mark.parametrize("spelling", SPELLED)
@pytest.mark.parametrize("head", SYSLOG)
def test_a_line_behind_a_syslog_head(head, spelling):
    said_so = SPELLED[spelling]
    alike = [line.replace("\t", " " * 8) if spelling == "blanks" else line for line in LINES]
    holds("\n".join(head + said_so(line) for line in LINES), *alike)


@pytest.mark.parametrize("head", SYSLOG)
def test_json_and_a_whole_runtime_line_behind_a_syslog_head(head):
    holds(head + JSON, JSON)
    holds(f"{head}2026-11-23T00:37:38.078762764Z stdout F {FAILED}", FAILED)


@pytest.mark.parametrize("cut", [5, 20, 30, 40, 150, 300, len(LINE) - 1])
@pytest.mark.parametrize("head", SYSLOG)
def test_parts_behind_a_syslog_head_are_joined_without_it(head, cut):
    first = f"{head}2026-11-23T00:37:38.078762764Z stdout P {LINE[:cut]}"
    second = f"{head}2026-11-23T00:37:38.078762764Z stdout F {LINE[cut:]}"
    holds(f"{first}\n{second}", LINE)


@pytest.mark.parametrize("head", TELLING)
def test_a_head_that_names_a_pod_or_its_file_tells_the_writer(head):
    holds(head + LINE, LINE, pod=POD)


def test_a_file_of_a_container_in_the_head_tells_all():
    path = f"/var/log/containers/{POD}_istio-system_istio-proxy-{HEX}.log"
    holds(f"Nov 29 07:04:16 relay {path}: {LINE}", LINE, pod=POD, namespace="istio-system")


def test_parts_of_two_writers_are_never_one_line():
    stamp = "2026-11-23T00:37:38.078762764Z stdout"
    heads = ("Nov 29 07:04:16 node-a ztunnel: ", "Nov 29 07:04:16 node-b ztunnel: ")
    other = LINE.replace("prober", "barber").replace("35692", "35693")
    parts = (
        f"{heads[0]}{stamp} P {LINE[:250]}", f"{heads[1]}{stamp} P {other[:250]}",
        f"{heads[0]}{stamp} F {LINE[250:]}", f"{heads[1]}{stamp} F {other[250:]}",
    )  # fmt: skip
    holds("\n".join(parts), LINE, other)


def test_escapes_of_a_relay_are_undone_only_where_they_are_escapes():
    (row,), *_ = read(f"Nov 29 07:04:16 node-a ztunnel: {FAILED}")
    assert "#011 of 3" in row["error"]
    (row,), *_ = read(FAILED)
    assert "#011 of 3" in row["error"]


def test_several_lines_in_one_message_of_a_relay():
    both = f"{LINE}\n{FAILED}\n".replace("\t", "#011").replace("\n", "#012")
    holds(f"2026-11-29T06:49:21.641399+00:00 node-a ztunnel: {both}", LINE, FAILED)


def test_bytes_that_a_relay_spelled_out():
    named = LINE.replace("prober-59f8c7d6b-h5j6k", "prober") + ' error="\u00e9\u20ac"'
    spelled = "".join(char if ord(char) < 128 else "".join(f"#{byte:o}" for byte in char.encode()) for char in named)
    holds(f"Nov 29 07:04:16 node-a ztunnel: {spelled}".replace("\t", "#011"), named)


RELAYED = (
    ("Nov 23 00:37:30 ", "Nov 23 00:37:30", None),
    ("Nov 23 00:37:30 node-a ", "Nov 23 00:37:30", None),
    ("Nov  3 00:37:30.077 node-a ", "Nov  3 00:37:30.077", None),
    ("<13>Nov 23 00:37:30 node-a ", "Nov 23 00:37:30", None),
    ("2026 Nov 23 00:37:30 node-a ", "2026 Nov 23 00:37:30", None),
    ("2026-11-23T00:37:30+00:00 node-a ", None, "2026-11-23T00:37:30"),
    ("2026-11-23T02:37:30+02:00 node-a ", None, "2026-11-23T00:37:30"),
)


@pytest.mark.parametrize(
    "between", ["\tinfo\taccess\t", "info access ", "info access: ", "#011info#011access#011", "access: ", ""]
)
@pytest.mark.parametrize(("head", "kept", "moment"), RELAYED)
def test_a_time_that_a_relay_took_is_read_as_what_is_left(head, kept, moment, between):
    rest = LINE.partition("access\t")[2]
    if "#011" in between:
        rest = rest.replace("\t", "#011")
    rows, stats, _ = read(head + between + rest)
    (row,) = rows
    (alone,), *_ = read(LINE)
    assert row["time"] is None if moment is None else row["time"].isoformat().startswith(moment)
    assert (row["extra"] or []) == ([] if kept is None else [("time", kept)])
    assert row["level"] == ("info" if "info" in between else None)
    left = ("time", "extra", "level", *ASIDE)
    assert {k: v for k, v in row.items() if k not in left} == {k: v for k, v in alone.items() if k not in left}
    assert row["ztunnel_node"] is row["ztunnel_pod"] is None
    assert (stats.cut_times, stats.problems) == (1, 0)


@pytest.mark.parametrize("tag", ["F", "P"])
@pytest.mark.parametrize("head", ["Nov 23 00:37:39 ", "Nov 23 00:37:39 node-a ", "2026-11-23T00:37:39+00:00 node-a "])
def test_a_runtime_head_whose_time_a_relay_took(head, tag):
    parts = (
        [f"{head}stdout F {LINE}"] if tag == "F" else [f"{head}stdout P {LINE[:300]}", f"{head}stdout F {LINE[300:]}"]
    )
    holds("\n".join(parts), LINE)


def test_parts_of_two_writers_that_nothing_tells_apart_are_problems():
    other = LINE.replace("prober", "barber").replace("35692", "35693")
    parts = [f"Nov 23 00:37:39 stdout {tag} {text}" for tag, text in (
        ("P", LINE[:250]), ("P", other[:250]), ("F", LINE[250:]), ("F", other[250:]),
    )]  # fmt: skip
    rows, stats, _ = read("\n".join(parts))
    assert rows == []
    assert stats.problems >= 2
    parts[1], parts[3] = (part.replace("37:39", "37:40") for part in (parts[1], parts[3]))
    holds("\n".join(parts), LINE, other)
