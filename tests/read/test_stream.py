"""Start-up blocks, facts, unfinished records, parts of lines, and odd input on the way through the parser."""

import io
import json

import pytest

from tests.read.support import FIXTURES, column
from ztflow.model.provenance import Origin
from ztflow.model.tables import Halves
from ztflow.read import ReadReport, StreamParser, follow, limits

BLOCK = [
    "2024-06-16T12:26:01.989604Z\tinfo\tztunnel\trunning with config: proxy: true",
    "dnsProxy: true",
    "adminAddr: !Localhost",
    "- true",
    "poolUnusedReleaseTimeout:",
    "  secs: 300",
    "localNode: {}",
    "proxyArgs: proxy ztunnel",
    "\t",
]
ACCESS = [
    line
    for line in (FIXTURES / "wrappers" / "kubectl-plain.log").read_text().splitlines()
    if "connection complete" in line
]


def read(*chunks, **options):
    parser = StreamParser(**options)
    parts = [parser.feed(chunk if isinstance(chunk, bytes) else chunk.encode()) for chunk in chunks]
    halves = Halves.concat([*parts, parser.finish()])
    stats = parser.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    return halves, parser


def block(node):
    return [line.format(node) for line in BLOCK]


def told(parser):
    return [
        (fact.origin.pod, fact.values["node"], fact.line_number)
        for fact in parser.take_facts()
        if fact.kind == "local_node"
    ]


def text(lines, prefix=""):
    return "".join(f"{prefix}{line}\n" for line in lines)


def test_a_start_up_block_is_other_lines_and_one_fact():
    halves, parser = read(text([*block("node-a"), ACCESS[0]]), origin=Origin(pod="ztunnel-4k7rb"))
    assert (len(halves), parser.stats.other, parser.stats.not_ours) == (1, len(BLOCK), 0)
    assert told(parser) == [("ztunnel-4k7rb", "node-a", 1)]


def test_blocks_of_two_pods_interleaved():
    first, second = block("node-a"), block("node-b")
    lines = [
        line
        for one, two in zip(first, second, strict=True)
        for line in (f"ztunnel-4k7rb istio-proxy {one}", f"ztunnel-9xw2d istio-proxy {two}")
    ]
    _, parser = read(text(lines))
    assert sorted(told(parser)) == [("ztunnel-4k7rb", "node-a", 1), ("ztunnel-9xw2d", "node-b", 2)]
    assert parser.stats.other == len(lines)


@pytest.mark.parametrize("cut", [7, 8])
def test_a_block_whose_end_was_trimmed_is_told_by_what_follows(cut):
    _, parser = read(text([*block("node-a")[:cut], ACCESS[0], ACCESS[1]]))
    assert told(parser) == [(None, "node-a", 1)]
    assert parser.stats.other == cut


def test_a_restart_in_one_stream_gives_two_facts():
    _, parser = read(text([*block("node-a")[:8], *block("node-b"), ACCESS[0]]))
    assert [node for _, node, _ in told(parser)] == ["node-a", "node-b"]


def test_a_capture_that_ends_inside_a_block():
    _, parser = read(text(block("node-a")[:7]))
    assert told(parser) == [(None, "node-a", 1)]


def test_a_block_without_end_is_bounded():
    _, parser = read(text([*block("node-a")[:8], *("key: value" for _ in range(2 * limits.BLOCK_LINES)), ACCESS[0]]))
    assert parser.stats.access == 1
    assert parser.stats.not_ours > limits.BLOCK_LINES // 2


def test_what_is_no_yaml_ends_a_block():
    _, parser = read(text([*block("node-a")[:7], "$ kubectl get pods!", "NAME READY", ACCESS[0]]))
    assert parser.stats.not_ours == 2
    assert told(parser) == [(None, "node-a", 1)]


def test_facts_are_taken_once_and_come_at_once():
    parser = StreamParser()
    parser.feed(text(block("node-a")).encode())
    assert len(told(parser)) == 1
    assert parser.take_facts() == []


def test_an_error_line_without_its_error_waits_for_it():
    whole = ACCESS[0].replace("\tinfo\t", "\terror\t")
    halves, _ = read(f'{whole}\nerror="http status: 401"\n')
    assert column(halves, "error") == ["http status: 401"]


def test_an_error_line_whose_error_never_comes_is_no_trap():
    whole = ACCESS[0].replace("\tinfo\t", "\terror\t")
    parser = StreamParser()
    parser.feed(f"{whole}\n".encode())
    assert parser.waiting
    parser.flush_idle()
    parser.feed(f"{whole}\n{ACCESS[1]}\n".encode())
    parser.finish()
    assert (parser.stats.access, parser.stats.problems) == (1, 2)


def test_a_character_cut_by_the_runtime_is_whole_again():
    line = ACCESS[0].replace('src.workload="', 'src.workload="é€').encode()
    at = line.index("€".encode()) + 1
    data = b"".join(
        b"2024-06-16T12:40:48.1+00:00 stdout " + tag + b" " + part + b"\n"
        for tag, part in ((b"P", line[:at]), (b"F", line[at:]))
    )
    halves, parser = read(data)
    assert column(halves, "src_workload")[0].startswith("é€")
    assert parser.stats.access == 1


def test_a_bad_byte_in_a_wrappers_name():
    halves, parser = read(b"ztunnel-\xff istio-proxy " + ACCESS[0].encode() + b"\n")
    assert column(halves, "ztunnel_pod") == ["ztunnel-\ufffd"] or column(halves, "ztunnel_pod") == [None]
    assert parser.stats.repaired == 1


def test_bad_bytes_beside_parts_of_lines():
    line = ACCESS[0].replace('src.workload="', 'src.workload="\x00').encode().replace(b"\x00", b"\xff\xfe")
    halves, _ = read(
        b"2024-06-16T12:40:48.1Z stdout P " + line[:90] + b"\n2024-06-16T12:40:48.1Z stdout F " + line[90:] + b"\n"
    )
    assert "\ufffd" in column(halves, "src_workload")[0]


def test_half_characters_by_escape_in_json():
    inner = ACCESS[0].replace('src.workload="', 'src.workload="@')
    data = json.dumps({"message": inner, "podName": "p", "containerName": "c"}).replace("@", "\\ud800\\ud83d\\ude00")
    halves, _ = read(data)
    assert column(halves, "src_workload")[0].startswith("\ufffd😀")


def test_the_last_part_of_a_stopped_container():
    other = "2024-06-16T12:26:24.154500Z\tinfo\txds\tStream established\t"
    parser = StreamParser()
    assert len(parser.feed(f"2024-06-16T12:40:48.1Z stdout P {other}\n".encode())) == 0
    assert parser.waiting
    parser.flush_idle()
    assert not parser.waiting
    assert parser.stats.other == 1


def test_a_whole_record_tagged_as_a_part_came_joined():
    halves, parser = read(f"2024-06-16T12:40:48.1Z stdout P {ACCESS[0]}\n2024-06-16T12:40:48.2Z stdout F {ACCESS[1]}\n")
    assert len(halves) == 2
    assert (parser.stats.joined, parser.stats.came_joined) == (0, 1)


def test_parts_are_joined_per_stream_and_bounded():
    part = "2024-06-16T12:40:48.1Z stdout P " + "x" * 60_000 + "\n"
    halves, parser = read(
        part * 40, f"2024-06-16T12:40:48.1Z stdout F end\n2024-06-16T12:40:48.1Z stdout F {ACCESS[0]}\n"
    )
    assert len(halves) == 1
    assert parser.stats.problems == 0


def test_a_progress_display_before_a_line():
    halves, parser = read(f"downloading 10%\rdownloading 90%\r{ACCESS[0]}\n")
    assert len(halves) == 1
    assert parser.stats.physical_lines == 1


def test_labels_that_cannot_be_read_are_no_labels():
    halves, _ = read(
        f"Common labels: {{oops}}\nLine limit: 1\n\n1718541648707\t2024-06-16T12:40:48.707Z\t{ACCESS[0]}\n"
    )
    assert column(halves, "ztunnel_pod") == [None]


def test_an_open_file_without_descriptor_can_be_followed():
    report = ReadReport()
    data = text(ACCESS).encode()
    rows = sum(len(batch.halves) for batch in follow([io.BytesIO(data)], report=report))
    assert rows == report.stats.access == len(ACCESS)


def test_chunks_of_nothing():
    halves, parser = read(b"", b"", ACCESS[0].encode(), b"", b"\n", b"")
    assert len(halves) == 1
    assert parser.stats.bytes == len(ACCESS[0].encode()) + 1
