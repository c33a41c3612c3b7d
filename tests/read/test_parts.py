"""What a runtime cut apart: joined by writer and stamp, given out whatever happens, never made up."""

from __future__ import annotations

import pytest

from tests.read.test_any_envelope import PLAIN, read
from ztflow.model.provenance import NOBODY, Origin
from ztflow.read.unwrap import parts
from ztflow.read.unwrap.content import Content, Cut
from ztflow.read.unwrap.parts import Part, Parts

BEGINNING, END = PLAIN[:300], PLAIN[300:]


def part(text: str, cut: Cut, stamp: str, *, pod: str | None = None, number: int = 1) -> Part:
    origin = NOBODY if pod is None else Origin(pod=pod)
    return Part(Content(text, part=cut, stream="stdout", stamp=stamp), number, origin, True, 1)


def texts(given: list[Part]) -> list[str]:
    return [one.content.text for one in given]


@pytest.mark.parametrize("pod", [None, "ztunnel-4k7rb"])
def test_an_end_written_before_the_beginning_is_of_another_line(pod):
    held = Parts()
    assert held.take(part(BEGINNING, Cut.MORE, "2026-11-23T00:37:31.2Z", pod=pod)) == []
    assert texts(held.take(part(END, Cut.END, "2026-11-23T00:37:31.1Z", pod=pod))) == [END]
    assert texts(held.take(part(END, Cut.END, "2026-11-23T00:37:31.2Z", pod=pod))) == [PLAIN]
    assert (held.joined, bool(held)) == (1, False)


def test_what_is_held_past_the_bound_comes_out(monkeypatch):
    monkeypatch.setattr(parts, "STREAMS", 3)
    held = Parts()
    given = [
        text
        for number in range(10)
        for text in texts(held.take(part(f"{number}{BEGINNING}", Cut.MORE, "", pod=f"ztunnel-{number}")))
    ]
    given += texts(held.finish())
    assert given == [f"{number}{BEGINNING}" for number in range(10)]


def test_no_part_past_the_bound_is_on_no_count(monkeypatch):
    monkeypatch.setattr(parts, "STREAMS", 3)
    lines = [f"ztunnel-4k7r{letter} istio-proxy 2026-11-23T00:37:31.2Z stdout P {BEGINNING}\n" for letter in "bcdfghjk"]
    _, parser = read("".join(lines))
    assert parser.stats.lines == parser.stats.problems == len(lines)
