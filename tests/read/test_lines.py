"""Line ends, encodings, and the limits of a line."""

import pytest

from ztflow.read import StreamParser, limits
from ztflow.read.framing.lines import LineSplitter, healed

LINE = (
    b'2024-06-16T12:40:48.707707Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:5 src.workload="a" '
    b'src.namespace="n" dst.addr=10.0.0.2:80 dst.workload="b" dst.namespace="n" direction="outbound" bytes_sent=1 '
    b'bytes_recv=2 duration="3ms"'
)


def split(*chunks):
    splitter = LineSplitter()
    texts, mended, overlong = [], [], []
    for lines in (*(splitter.feed(chunk) for chunk in chunks), splitter.finish()):
        mended += [len(texts) + at for at in lines.mended]
        overlong += [len(texts) + at for at in lines.overlong]
        texts += lines.texts
    return texts, sorted(mended), sorted(overlong)


@pytest.mark.parametrize(
    ("data", "texts", "mended"),
    [
        (b"", [], []),
        (b"a", ["a"], []),
        (b"a\nb\n", ["a", "b"], []),
        (b"\n\n", ["", ""], []),
        (b"a\r\nb\n", ["a", "b"], [0]),
        (b"\xef\xbb\xbfa\nb\n", ["a", "b"], [0]),
        (b"a\n\xef\xbb\xbfb\n", ["a", "b"], [1]),
        ("a⇥\nb\n".encode("utf-16"), ["a⇥", "b"], [0, 1]),
        ("ab\nc".encode("utf-16-le"), ["ab", "c"], [0, 1]),
        ("ab\nc".encode("utf-16-be"), ["ab", "c"], [0, 1]),
        (b"\0\0\0\0\0\0abc\nd\n", ["abc", "d"], []),
        (b"a\0b\nc\n", ["ab", "c"], [0]),
        ("é\n".encode(), ["é"], []),
    ],
)
def test_lines(data, texts, mended):
    assert split(data) == (texts, mended, [])
    assert split(*(data[at : at + 1] for at in range(len(data)))) == (texts, mended, [])


def test_halves_of_a_character_meet_again():
    (first, second), mended, _ = split(b"\xe2\x82\n\xac\n")
    assert mended == [0, 1]
    assert healed(first + second) == "€"
    assert healed(first) == "\ufffd"


@pytest.mark.parametrize("size", [limits.LINE_BYTES, limits.LINE_BYTES + 1, 10 * limits.LINE_BYTES])
@pytest.mark.parametrize("chunk", [1 << 16, 1 << 30])
def test_a_line_without_end_costs_one_line(size, chunk):
    data = LINE + b"\n" + b"x" * size + b"\n" + LINE + b"\n"
    parser = StreamParser()
    rows = sum(len(parser.feed(data[at : at + chunk])) for at in range(0, len(data), chunk)) + len(parser.finish())
    assert rows == 2
    assert (parser.stats.physical_lines, parser.stats.lines, parser.stats.not_ours) == (3, 3, 1)


def test_an_access_line_past_the_limit_is_a_problem():
    data = LINE.replace(b'src.workload="a"', b'src.workload="' + b"a" * limits.LINE_BYTES + b'"')
    parser = StreamParser()
    parser.feed(LINE + b"\n" + data + b"\n")
    parser.finish()
    assert (parser.stats.access, parser.stats.problems) == (1, 1)
    (problem,) = parser.problems
    assert (problem.reason, problem.line_number) == ("too long", 2)
    assert len(problem.text) <= limits.PROBLEM_CHARS


def test_the_hole_of_a_truncated_file_is_skipped():
    parser = StreamParser()
    data = b"\0" * (3 * limits.LINE_BYTES) + LINE + b"\n"
    rows = sum(len(parser.feed(data[at : at + 9999])) for at in range(0, len(data), 9999))
    assert rows == 1


def test_memory_of_an_endless_line_is_bounded():
    import tracemalloc

    parser = StreamParser()
    chunk = b"y" * (1 << 20)
    tracemalloc.start()
    for _ in range(40):
        parser.feed(chunk)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 3 * limits.LINE_BYTES


def test_a_whole_line_comes_out_at_once():
    parser = StreamParser()
    assert len(parser.feed(LINE)) == 0
    assert len(parser.feed(b"\n")) == 1
    assert len(parser.feed(b"ztunnel-fv5f8 istio-proxy " + LINE + b"\n")) == 1
    assert not parser.waiting


def test_binary_is_counted_and_harmless():
    parser = StreamParser()
    parser.feed(bytes(range(256)) * 400)
    parser.finish()
    assert parser.stats.access == parser.stats.problems == 0
    assert parser.stats.lines == parser.stats.not_ours == parser.stats.physical_lines


def test_problems_kept_are_bounded_and_all_are_counted():
    parser = StreamParser()
    cut = LINE[: LINE.index(b" bytes_recv")] + b"\n" + LINE + b"\n"
    parser.feed(cut * (limits.PROBLEMS_KEPT + 50))
    parser.finish()
    assert parser.stats.problems == limits.PROBLEMS_KEPT + 50
    assert len(parser.problems) == limits.PROBLEMS_KEPT


def test_nesting_is_bounded():
    import json

    text = LINE.decode()
    for _ in range(limits.NESTING - 2):
        text = json.dumps({"log": text, "stream": "stdout", "time": "t"})
    parser = StreamParser()
    assert len(parser.feed(text.encode() + b"\n")) + len(parser.finish()) == 1
    for _ in range(4):
        text = json.dumps({"log": text, "stream": "stdout", "time": "t"})
    parser = StreamParser()
    assert len(parser.feed(text.encode() + b"\n" + LINE + b"\n")) == 1
    parser.finish()
    assert parser.stats.problems == 1
    assert parser.problems[0].reason == "too deep"
