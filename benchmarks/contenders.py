"""What is measured: each contender reads a file once and says how long it took. `bench.py` runs them, one process each.

`python benchmarks/contenders.py NAME FILE` prints one JSON object: wall and processor seconds, lines, what it found.
Imports, and loading ztflow's compiled code, come before the clock starts; `start-up` in `bench.py` measures those.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

LINE = (
    r'(?:(\S+) (\S+) )?(\S+Z)\t(?:info|error)\taccess\tconnection complete\tsrc\.addr=(\S+) src.workload="([^"]*)" '
    r'src.namespace="([^"]*)" src.identity="([^"]*)" dst\.addr=(\S+) dst.hbone_addr=(\S+) dst.service="([^"]*)" '
    r'dst.workload="([^"]*)" dst.namespace="([^"]*)" dst.identity="([^"]*)" direction="(inbound|outbound)" '
    r'bytes_sent=(\d+) bytes_recv=(\d+) duration="(\d+)ms"'
)
"""The line as a quick script would match it that handles no other form."""
NAMES = ["pod", "c", "ts", "sa", "sw", "sn", "si", "da", "hb", "ds", "dw", "dn", "di", "dir", "bs", "br", "du"]

Prepared = Callable[[], Any]
SLOW: dict[str, int] = {
    "pandas str.extract": 100_000, "re match": 200_000, "ztflow scanner": 100_000, "ztflow to objects": 100_000,
    "ztflow grammar (pyparsing)": 1_000, "mawk": 500_000, "miller": 200_000,
}  # fmt: skip
"""Contenders that read only so many lines, because their rate does not depend on it."""


def head(path: str, lines: int) -> str:
    """A file with the first lines only."""
    part = Path(f"{path}.{lines}")
    if not part.exists():
        with Path(path).open("rb") as source, part.open("wb") as target:
            target.writelines(itertools.islice(source, lines))
    return str(part)


# ---- parse only -----------------------------------------------------------------------------------------------------


def wc(path: str) -> Prepared:
    return lambda: int(subprocess.run(["wc", "-l", path], capture_output=True, check=True).stdout.split()[0])


def _blocks(path: str, size: int = 8 << 20) -> Iterator[memoryview]:
    """Whole lines in a buffer that is used again; a block is gone when the next is asked for."""
    room = bytearray(size)
    view = memoryview(room)
    held = 0
    with Path(path).open("rb", buffering=0) as file:
        while count := file.readinto(view[held:]):
            end = held + count
            cut = room.rfind(b"\n", 0, end) + 1
            yield view[:cut]
            held = end - cut
            view[:held] = bytes(view[cut:end])


def kernel(path: str, threads: int = 1) -> Prepared:
    """File to columns, one thread or two; every check on, no Arrow."""
    from concurrent.futures import ThreadPoolExecutor

    from ztflow.kernel.blocks import BlockReader
    from ztflow.kernel.policy import warmup

    warmup()
    readers = [BlockReader() for _ in range(threads)]

    def one(reader: Any, data: Any) -> tuple[int, int]:
        block = reader.read(data)
        return block.rows, block.lines

    def go() -> int:
        if threads == 1:
            return sum(one(readers[0], block)[1] for block in _blocks(path))
        lines = 0
        with ThreadPoolExecutor(threads) as pool:
            for block in _blocks(path):
                whole = block.obj
                cuts = [0, *(whole.find(b"\n", len(block) * at // threads) + 1 for at in range(1, threads)), len(block)]
                parts = pool.map(one, readers, [block[a:b] for a, b in itertools.pairwise(cuts)])
                lines += sum(count for _, count in parts)
        return lines

    return go


def kernel_in_memory(path: str, threads: int = 1) -> Prepared:
    """The bytes are there already: the kernel alone."""
    from concurrent.futures import ThreadPoolExecutor

    from ztflow.kernel.blocks import BlockReader
    from ztflow.kernel.policy import warmup

    warmup()
    data = Path(path).read_bytes()
    cuts = [0, *(data.find(b"\n", len(data) * at // threads) + 1 for at in range(1, threads)), len(data)]
    view = memoryview(data)
    parts = [
        [view[a:b] for a, b in itertools.pairwise(_cuts(data, start, stop))] for start, stop in itertools.pairwise(cuts)
    ]

    def one(blocks: list[Any]) -> int:
        reader = BlockReader()
        return sum(reader.read(block).lines for block in blocks)

    def go() -> int:
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(one, parts))

    return go


def _cuts(data: bytes, start: int, stop: int, size: int = 8 << 20) -> list[int]:
    cuts = [start]
    while cuts[-1] + size < stop:
        cuts.append(data.find(b"\n", cuts[-1] + size) + 1)
    return [*cuts, stop] if cuts[-1] != stop else cuts


def records(path: str) -> Prepared:
    """The product: file to Arrow table, counts, facts, copies left out."""
    from ztflow.kernel.policy import POLICY, warmup
    from ztflow.read import ReadReport, read_inputs

    warmup()
    assert POLICY.ready(1 << 40)

    def go() -> dict[str, int]:
        report = ReadReport()
        rows = sum(len(batch.halves) for batch in read_inputs([path], report=report))
        stats = report.stats
        return {"lines": stats.physical_lines, "rows": rows, "slow_lines": stats.slow_lines}

    return go


def scanner(path: str) -> Prepared:
    os.environ["ZTFLOW_KERNEL"] = "off"
    from ztflow.read import ReadReport, read_inputs

    def go() -> int:
        report = ReadReport()
        for _ in read_inputs([path], report=report):
            pass
        return report.stats.physical_lines

    return go


def objects(path: str) -> Prepared:
    from ztflow import parse_line

    lines = [line.split(" ", 2)[2] for line in Path(path).read_text().splitlines()]
    return lambda: len([parse_line(line) for line in lines])


def grammar(path: str) -> Prepared:
    from ztflow.parse.grammar import parse

    lines = [line.split(" ", 2)[2] for line in Path(path).read_text().splitlines()]

    def go() -> int:
        for line in lines:
            parse(line)
        return len(lines)

    return go


def duckdb_regex(path: str) -> Prepared:
    import duckdb

    connection = duckdb.connect()
    return lambda: connection.sql(f"{_halves_sql(path)} select count(*) from h").fetchall()[0][0]


def _halves_sql(path: str) -> str:
    return (
        "create or replace table h as select r.pod pod, r.ts::timestamp ts, split_part(r.sa,':',1) sip, r.sw sw, "
        "r.dw dw, r.hb hb, r.dir dir, r.bs::bigint bs, r.br::bigint br, r.du::int du from (select regexp_extract(l, "
        f"$${LINE}$$, {NAMES}) r from read_csv('{path}', columns={{'l':'varchar'}}, sep='\x01', quote='', escape='', "
        "header=false)) where r.ts != '';"
    )


def polars_regex(path: str) -> Prepared:
    import polars as pl

    def go() -> int:
        frame = pl.read_csv(path, has_header=False, separator="\x01", quote_char=None, new_columns=["l"])
        names = iter(NAMES)
        pattern = re.sub(r"\((?!\?)", lambda _: f"(?P<{next(names)}>", LINE)
        return frame.select(pl.col("l").str.extract_groups(pattern)).unnest("l").height

    return go


def pandas_regex(path: str) -> Prepared:
    import pandas as pd

    series = pd.Series(Path(path).read_text().splitlines())
    return lambda: len(series.str.extract(LINE))


def re_match(path: str) -> Prepared:
    lines = Path(path).read_text().splitlines()
    match = re.compile(LINE).match

    def go() -> int:
        for line in lines:
            found = match(line)
            if found:
                found.groups()
        return len(lines)

    return go


def _command(*command: str) -> Callable[[str], Prepared]:
    def prepare(path: str) -> Prepared:
        def go() -> int:
            subprocess.run([*command, path], capture_output=True, check=True)
            return _count(path)

        return go

    return prepare


def _count(path: str) -> int:
    with Path(path).open("rb") as file:
        return sum(1 for _ in file)


MAWK = (
    '/connection complete/ { for (i = 1; i <= NF; i++) { at = index($i, "="); '
    'v[substr($i, 1, at)] = substr($i, at + 1) } n[v["src.workload="] v["dst.workload="]] += v["bytes_sent="] } '
    "END { for (k in n) print k, n[k] }"
)

PARSE: dict[str, Callable[[str], Prepared]] = {
    "wc -l": wc,
    "ztflow kernel, 1 thread": kernel,
    "ztflow kernel, 2 threads": lambda path: kernel(path, 2),
    "ztflow kernel in memory, 1 thread": kernel_in_memory,
    "ztflow kernel in memory, 2 threads": lambda path: kernel_in_memory(path, 2),
    "ztflow records": records,
    "ztflow scanner": scanner,
    "ztflow to objects": objects,
    "ztflow grammar (pyparsing)": grammar,
    "duckdb regexp_extract": duckdb_regex,
    "polars extract_groups": polars_regex,
    "pandas str.extract": pandas_regex,
    "re match": re_match,
}
BARE_LINES = ("ztflow to objects", "ztflow grammar (pyparsing)")
"""Contenders that do not read wrappers."""
if shutil.which("mawk"):
    PARSE["mawk"] = _command("mawk", MAWK)
if shutil.which("mlr"):
    PARSE["miller"] = _command("mlr", "--idkvp", "--ojson", "--ifs", " ", "nothing")
if shutil.which("lnav"):
    PARSE["lnav"] = _command("lnav", "-n", "-c", ";select count(*) from all_logs")


# ---- the whole job --------------------------------------------------------------------------------------------------


def whole_ztflow(path: str, by: str) -> Prepared:
    """File to paired flows to a graph."""
    import ztflow
    from ztflow.kernel.policy import POLICY, warmup

    warmup()
    assert POLICY.ready(1 << 40)
    ztflow.read_flows(head(path, 1000)).graph(by=by)

    def go() -> dict[str, Any]:
        flows = ztflow.read_flows(path)
        graph = flows.graph(by=by)
        paired = len(flows) - flows.to_arrow().column("confidence").null_count
        moved = sum(data["request_bytes"] + data["response_bytes"] for _, _, data in graph.edges(data=True))
        near = sum(data["same_node"] for _, _, data in graph.edges(data=True))
        return {
            "pairs": paired,
            "edges": graph.number_of_edges(),
            "bytes": moved,
            "same_node": near,
        }

    return go


def whole_duckdb(path: str, by: str) -> Prepared:
    """The same in SQL: parse, join the halves, group; `plain` logs only, it knows no other lines."""
    import duckdb

    end = "{}" if by == "pod" else "regexp_extract({}, '^(.*)-[^-]+-[^-]+$', 1)"
    source, target = end.format("sw"), end.format("dw")

    connection = duckdb.connect()

    def go() -> dict[str, Any]:
        connection.sql(_halves_sql(path))
        connection.sql(
            "create or replace table p as select o.sw, o.dw, o.pod opod, i.pod ipod, o.bs, o.br from h o asof join h i "
            "on o.sip = i.sip and o.hb = i.hb and o.bs = i.br and o.br = i.bs and o.ts >= i.ts "
            "where o.dir = 'outbound' and i.dir = 'inbound'"
        )
        edges = connection.sql(
            f"select {source}, {target}, count(*), sum(bs + br), sum((opod = ipod)::int) from p group by 1, 2"
        ).fetchall()
        return {
            "pairs": sum(edge[2] for edge in edges), "edges": len(edges),
            "bytes": int(sum(edge[3] for edge in edges)), "same_node": sum(edge[4] for edge in edges),
        }  # fmt: skip

    return go


def whole_chdb(path: str, by: str) -> Prepared:
    """The same in ClickHouse inside Python: `extractGroups`, the halves by ASOF JOIN, group; `plain` logs only."""
    from chdb.session import Session

    session = Session()
    session.query("create database if not exists z engine = Atomic")
    session.query("use z")
    escaped = LINE.replace("\\", "\\\\").replace("'", "\\'")
    number = {name: f"g[{place}]" for place, name in enumerate(NAMES, 1)}
    source, target = (
        (number[name] if by == "pod" else f"extract({number[name]}, '^(.*)-[^-]+-[^-]+$')") for name in ("sw", "dw")
    )

    def go() -> dict[str, Any]:
        for table in ("h", "p"):
            session.query(f"drop table if exists {table}")
        session.query(
            f"create table h engine = Memory as select {number['pod']} pod, "
            f"parseDateTime64BestEffort({number['ts']}, 6, 'UTC') ts, splitByChar(':', {number['sa']})[1] sip, "
            f"{source} sw, {target} dw, {number['hb']} hb, {number['dir']} dir, toInt64({number['bs']}) bs, "
            f"toInt64({number['br']}) br from (select extractGroups(line, '{escaped}') g from "
            f"file('{path}', 'LineAsString')) where length(g) > 0"
        )
        session.query(
            "create table p engine = Memory as select o.sw sw, o.dw dw, o.pod opod, i.pod ipod, o.bs bs, o.br br "
            "from (select * from h where dir = 'outbound') o asof join (select * from h where dir = 'inbound') i "
            "on o.sip = i.sip and o.hb = i.hb and o.bs = i.br and o.br = i.bs and o.ts >= i.ts"
        )
        told = str(session.query(
            "select sum(n), count(), sum(moved), sum(near) from (select count() n, sum(bs + br) moved, "
            "sum(opod = ipod) near from p group by sw, dw)",
            "TabSeparated",
        ))  # fmt: skip
        return dict(zip(("pairs", "edges", "bytes", "same_node"), map(int, told.split()), strict=True))

    return go


WHOLE: dict[str, Callable[[str], Prepared]] = {
    f"{name} to {by}s": partial(job, by=by)
    for by in ("workload", "pod")
    for name, job in (("ztflow", whole_ztflow), ("duckdb", whole_duckdb), ("chdb", whole_chdb))
}


def pairing(path: str) -> Prepared:
    """Halves in memory, as they were read, to flows: pairing alone, in the portions files are paired in."""
    from datetime import timedelta

    from ztflow.kernel.policy import warmup
    from ztflow.pair import Pairer
    from ztflow.read import read_inputs
    from ztflow.spill import LogOrder

    warmup()
    order = LogOrder(limit=1 << 40)
    for batch in read_inputs([path]):
        order.add(batch.halves.to_arrow())
    portions = list(order.portions())

    def go() -> dict[str, int]:
        pairer = Pairer(window=timedelta(0))
        flows = 0
        for halves, before in portions:
            flows += len(pairer.finish(halves) if before is None else pairer.push(halves, before=before))
        return {"lines": sum(halves.num_rows for halves, _ in portions), "flows": flows}

    return go


def live_reading(path: str) -> Prepared:
    """A pipe, as fast as `cat` fills it, to batches: the reading half of `-f`."""
    from ztflow.kernel.policy import POLICY, warmup
    from ztflow.read import ReadReport, follow

    warmup()
    assert POLICY.ready(1 << 40)

    def go() -> dict[str, int]:
        report = ReadReport()
        batches = 0
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
            assert cat.stdout is not None
            for batch in follow([cat.stdout], report=report):
                batches += len(batch.halves) > 0
        stats = report.stats
        return {"lines": stats.physical_lines, "slow_lines": stats.slow_lines, "batches": batches}

    return go


def writing(path: str, form: str) -> Prepared:
    """Flows in memory to bytes, in tables of the size the command line writes."""
    import ztflow
    from ztflow.kernel.policy import warmup
    from ztflow.writers import open_writer

    warmup()
    flows = ztflow.read_flows(path).to_arrow()
    if form in ("table", "wide"):
        flows = flows.slice(0, 100_000)

    def go() -> dict[str, int]:
        with Path(os.devnull).open("wb") as sink:
            writer = open_writer(form, sink, flows.schema, width=160 if form == "table" else None)
            for start in range(0, flows.num_rows, 100_000):
                writer.write(flows.slice(start, 100_000))
            writer.close()
        return {"lines": flows.num_rows}

    return go


def flows_to_parquet(path: str) -> Prepared:
    """The whole way to a file of flows, as `ztflow flows -o parquet` goes it; its peak is what matters."""
    import tempfile

    import ztflow.api
    from ztflow.kernel.policy import warmup
    from ztflow.model.tables import FLOWS_SCHEMA
    from ztflow.writers import open_writer

    warmup()

    def go() -> dict[str, int]:
        rows = 0
        with tempfile.TemporaryFile() as file:
            writer = open_writer("parquet", file, FLOWS_SCHEMA)
            for flows in ztflow.api.iter_flows(path):
                rows += len(flows)
                writer.write(flows.to_arrow())
            writer.close()
        return {"rows": rows}

    return go


def _run_command(path: str, arguments: tuple[str, ...]) -> Prepared:
    """A command as a user runs it, from start to end: what is written is thrown away."""
    import tempfile

    def go() -> dict[str, int]:
        with tempfile.TemporaryDirectory() as folder:
            line = [sys.executable, "-m", "ztflow", *(word.format(folder=folder) for word in arguments), path]
            subprocess.run(line, check=True, capture_output=True)
        return {}

    return go


COMMANDS: dict[str, tuple[str, ...]] = {
    "flows to Parquet": ("flows", "--output", "{folder}/flows.parquet"),
    "summary": ("summary",),
    "graph by workload": ("graph", "--output", "{folder}/graph.json"),
    "graph by pod": ("graph", "--by", "pod", "--output", "{folder}/graph.json"),
}
"""Commands that are measured beside an older build."""

OTHERS: dict[str, Callable[[str], Prepared]] = {
    "pairing alone": pairing,
    "reading a live pipe": live_reading,
    "flows to parquet": flows_to_parquet,
    **{f"command: {name}": partial(_run_command, arguments=arguments) for name, arguments in COMMANDS.items()},
    **{f"writing {form}": partial(writing, form=form) for form in ("jsonl", "csv", "parquet", "table", "wide")},
}


def main() -> None:
    """Run one contender."""
    name, path = sys.argv[1:]
    contender = {**PARSE, **{f"whole: {key}": value for key, value in WHOLE.items()}, **OTHERS}[name]
    go = contender(path)
    used = time.process_time()
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    found = go()
    wall = time.perf_counter() - started
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - used + child.ru_utime - own.ru_utime + child.ru_stime - own.ru_stime
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found = found if isinstance(found, dict) else {"lines": found}
    found.setdefault("lines", _count(path))
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak * 1024, "size": Path(path).stat().st_size, **found}))


if __name__ == "__main__":
    main()
