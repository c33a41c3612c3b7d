"""Copies of lines: left out and counted where captures overlap, kept where one stream truly holds equal lines."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.read.support import column, read
from ztflow.read import StreamParser
from ztflow.read.duplicates import Counted, Fingerprints, Overlaps

LINE = (
    "2024-06-16T12:{:02}:{:02}.{:06}Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:{} dst.addr=10.0.0.2:80 "
    'direction="outbound" bytes_sent={} bytes_recv=2 duration="3ms"'
)


def lines(start: int, count: int, *, step: int = 100_000, port: int = 5000) -> list[str]:
    found = []
    for at in range(start, start + count):
        micros = at * step
        found.append(LINE.format(micros // 60_000_000, micros // 1_000_000 % 60, micros % 1_000_000, port + at, at))
    return found


def write(path, *parts):
    path.write_text("".join(f"{line}\n" for part in parts for line in part))
    return path


def counted(*inputs, **options):
    halves, report, _ = read(*inputs, **options)
    assert len(halves) == report.stats.access - report.stats.duplicates
    return sorted(column(halves, "bytes_sent")), report.stats.duplicates


def test_two_exports_that_overlap(tmp_path):
    first, second = write(tmp_path / "a.log", lines(0, 100)), write(tmp_path / "b.log", lines(60, 100))
    assert counted(first, second) == (list(range(160)), 40)
    assert counted(second, first) == (list(range(160)), 40)
    assert counted(first, second, drop_copies=False)[1] == 0


def test_rotated_and_current_file_of_one_pod(tmp_path):
    old, new = (
        write(tmp_path / "ztunnel-4k7rb.log.1", lines(0, 50)),
        write(tmp_path / "ztunnel-4k7rb.log", lines(50, 50)),
    )
    assert counted(old, new) == (list(range(100)), 0)


def test_the_same_line_by_two_known_pods_is_two_lines(tmp_path):
    first, second = (
        write(tmp_path / "ztunnel-4k7rb.log", lines(0, 5)),
        write(tmp_path / "ztunnel-9xw2d.log", lines(0, 5)),
    )
    assert counted(first, second)[1] == 0


def test_a_capture_with_and_one_without_pod_names(tmp_path):
    first = write(tmp_path / "a.log", lines(0, 5))
    second = write(tmp_path / "b.log", [f"ztunnel-4k7rb istio-proxy {line}" for line in lines(0, 5)])
    assert counted(first, second)[1] == 5


def test_twins_in_one_stream_are_kept(tmp_path):
    twins = lines(0, 5) + [lines(5, 1)[0]] * 3 + lines(6, 5)
    assert counted(write(tmp_path / "a.log", twins)) == ([*range(5), 5, 5, 5, *range(6, 11)], 0)


def test_threads_that_write_a_little_out_of_order_repeat_nothing(tmp_path):
    """Equal lines 30 ms back are twins that two threads wrote; a second back, the command was run again."""
    one, other = lines(0, 1), [line.replace("12:00:00.100000", "12:00:00.030000") for line in lines(1, 1)]
    assert counted(write(tmp_path / "a.log", one, other, one)) == ([0, 0, 1], 0)
    assert counted(write(tmp_path / "b.log", one, lines(10, 1), one)) == ([0, 10], 1)


def test_twins_in_two_overlapping_streams_are_kept_as_often_as_one_stream_has_them(tmp_path):
    first = write(tmp_path / "a.log", lines(0, 5), [lines(5, 1)[0]] * 2)
    second = write(tmp_path / "b.log", [lines(5, 1)[0]] * 3, lines(6, 2))
    assert counted(first, second) == ([0, 1, 2, 3, 4, 5, 5, 5, 6, 7], 2)


def test_a_reconnect_within_one_stream(tmp_path):
    path = write(tmp_path / "a.log", lines(0, 50), lines(30, 50))
    assert counted(path) == (list(range(80)), 20)


def test_a_reconnect_of_one_pod_among_others(tmp_path):
    def of(pod, *parts):
        return [f"ztunnel-{pod} istio-proxy {line}" for part in parts for line in part]

    path = write(tmp_path / "a.log", of("4k7rb", lines(0, 20)), of("9xw2d", lines(0, 20, port=7000)),
                 of("4k7rb", lines(15, 10)), of("9xw2d", lines(20, 5, port=7000)))  # fmt: skip
    values, copies = counted(path)
    assert copies == 5
    assert len(values) == 50


def test_the_same_file_behind_itself(tmp_path):
    path = write(tmp_path / "a.log", lines(0, 30), lines(0, 30))
    assert counted(path) == (list(range(30)), 30)


def test_newest_first_is_no_rerun(tmp_path):
    back = lines(0, 40)[::-1]
    back[10:10] = [back[10]]
    assert counted(write(tmp_path / "a.log", back))[1] == 0


def test_disorder_of_a_few_milliseconds_is_no_rerun(tmp_path):
    some = lines(0, 200, step=500)
    some[50:50] = [some[50]]
    shuffled = random.Random(1)
    for at in range(0, 190, 7):
        part = some[at : at + 7]
        shuffled.shuffle(part)
        some[at : at + 7] = part
    assert counted(write(tmp_path / "a.log", some))[1] == 0


def test_lines_without_a_time_are_never_copies(tmp_path):
    bare = [line.split("\t", 1)[1] for line in lines(0, 3)]
    assert counted(write(tmp_path / "a.log", bare), write(tmp_path / "b.log", bare))[1] == 0


def tables(parts):
    return [StreamParser().feed("".join(f"{line}\n" for line in part).encode()).to_arrow() for part in parts if part]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 40), max_size=60), st.lists(st.integers(0, 40), max_size=60), st.integers(1, 20))
def test_batches_do_not_matter(first, second, size):
    streams = [[lines(at, 1)[0] for at in sorted(picks)] for picks in (first, second)]

    def kept(size):
        overlaps = Overlaps()
        found = []
        for number, stream in enumerate(streams):
            for table in tables(stream[at : at + size] for at in range(0, len(stream), size)):
                copies = overlaps.copies(number, table)
                found += [
                    value for value, copy in zip(table["bytes_sent"].to_pylist(), copies, strict=True) if not copy
                ]
        return sorted(found)

    assert kept(size) == kept(1000)
    most = {at: max(first.count(at), second.count(at)) for at in {*first, *second}}
    assert kept(1000) == sorted(at for at, count in most.items() for _ in range(count))


def test_hashes_do_not_depend_on_the_batch():
    (whole,) = tables([lines(0, 20)])
    parts = [hash_ for table in tables([lines(0, 7), lines(7, 13)]) for hash_ in Fingerprints().of(table)]
    assert list(Fingerprints().of(whole)) == parts
    kept = Fingerprints()
    for table in tables([lines(7, 13), lines(0, 7), lines(0, 20), lines(3, 4)]):
        assert list(kept.of(table)) == list(Fingerprints().of(table))
    assert len(set(parts)) == 20


def test_memory_of_a_live_stream_is_bounded():
    overlaps = Overlaps(keep=50)
    for start in range(0, 1000, 20):
        (table,) = tables([lines(start, 20)])
        assert not overlaps.copies(0, table).any()
    (again,) = tables([lines(985, 15)])
    assert overlaps.copies(0, again).all()
    (old,) = tables([lines(0, 15)])
    assert not overlaps.copies(0, old).any()


@given(st.lists(st.lists(st.integers(0, 60), max_size=30), max_size=12), st.integers(1, 50), st.booleans())
def test_hashes_in_a_file_count_as_in_memory(batches, segment, broken):
    counted = Counted(segment=segment)
    if broken:
        counted._file.take = lambda parts: False
    came = []
    for batch in batches:
        hashes = np.array(batch, np.uint64)
        if len(came) % 2:
            assert counted.count(hashes).tolist() == [came.count(one) for one in batch]
        counted.add(hashes)
        came += batch
    assert counted.count(np.arange(61, dtype=np.uint64)).tolist() == [came.count(one) for one in range(61)]
