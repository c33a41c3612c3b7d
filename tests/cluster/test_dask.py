"""A real cluster of processes, and a real object store: the same flows, also when a worker is killed."""

from __future__ import annotations

import gzip
import os
import re
import signal
import sys
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from unittest.mock import Mock

import pytest
from dask.utils import key_split
from distributed import Client
from here import assert_equal
from truth import logs

import ztflow
from ztflow.cli import main
from ztflow.cluster import connect
from ztflow.cluster.connect import at_hand, local_workers
from ztflow.cluster.sizing import Sizes
from ztflow.errors import UsageError
from ztflow.reports import REPORTS

BUCKET = "mesh-logs"


@pytest.fixture(scope="module")
def store():
    """An S3 server on this machine, known by the environment to whoever is started from now on."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    named = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    before = dict(os.environ)
    os.environ.update(named)
    try:
        from fsspec.core import url_to_fs

        system, _ = url_to_fs(f"s3://{BUCKET}")
        system.mkdir(BUCKET)
        yield system
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.stop()


@pytest.fixture(scope="module")
def client(store):
    with local_workers(2) as cluster, Client(cluster, set_as_default=False) as made:
        yield made


@pytest.fixture(scope="module")
def one():
    return ztflow.read_flows(*logs("1.29.5-json"), inventory=None)


def test_two_processes_and_one_of_them_killed(client, one):
    pids = [worker["pid"] for worker in client.run(_about).values()]
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    killed = []

    def kill(done, total):
        if not killed:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    many = ztflow.read_flows(*logs("1.29.5-json"), inventory=None, engine="dask", scheduler=client, progress=kill)
    assert killed
    assert_equal(many, one)


def test_two_clusters_on_one_machine(client):
    """The second one found the first one's HTTP port taken, and warned; a warning is an error here."""
    with local_workers(1) as cluster:
        assert cluster.scheduler.http_server.port not in (0, 8787)
        assert cluster.scheduler.http_server.address == "127.0.0.1"


def test_workers_keep_the_memory_they_freed(client):
    """Dask would have the C library ask the system for every array anew, which clears its pages."""
    assert max(client.run(_pages_cleared).values()) < 100 * 256 / 4


def _pages_cleared():
    import resource

    import numpy as np

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.ones(1 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _about():
    return {"pid": os.getpid()}


def test_objects_of_a_store_whole_below_a_folder_and_compressed(client, store, one):
    for number, log in enumerate(logs("1.29.5-json")):
        data = log.read_bytes()
        name = f"{BUCKET}/day/{log.name}"
        store.pipe_file(f"{name}.gz" if number else name, gzip.compress(data) if number else data)
    seen = []
    many = ztflow.read_flows(
        f"s3://{BUCKET}/day", inventory=None, engine="dask", scheduler=client,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    columns = [name for name in one.to_arrow().column_names if not name.endswith(("_file", "_ztunnel"))]
    assert sorted(map(repr, many.to_arrow().select(columns).to_pylist())) == sorted(
        map(repr, one.to_arrow().select(columns).to_pylist())
    )
    files = filter(None, many.to_arrow()["outbound_file"].unique().to_pylist())
    assert {Path(name).name.removesuffix(".gz") for name in files} == {log.name for log in logs("1.29.5-json")}
    assert seen[-1][0] == seen[-1][1]
    with pytest.raises(ztflow.SourceError, match=r"no object|not found|No such|nothing"):
        ztflow.read_flows(f"s3://{BUCKET}/night/*.log", inventory=None, engine="dask", scheduler=client)


def test_on_the_command_line(client, one, capfd):
    names = [str(log) for log in logs("1.29.5-json")]
    words = ["flows", *names, "--inventory", "none", "--format", "jsonl"]
    plain, many = (
        run(capfd, *words, *more) for more in ([], ["--engine", "dask", "--scheduler", client.scheduler.address])
    )
    assert (plain[0], many[0]) == (0, 0), many
    assert sorted(plain[1].splitlines()) == sorted(many[1].splitlines())
    assert len(many[1].splitlines()) == len(one)


@pytest.mark.parametrize(
    "words", [["summary"], ["top"], ["graph", "-o", "json"], *(["report", one] for one in REPORTS)]
)
def test_every_answer_is_the_same(client, capfd, words):
    inputs = [*map(str, logs("1.31.0-head-quiet")), "--inventory", "none"]
    plain, many = (
        run(capfd, *words, *inputs, *more)
        for more in ([], ["--engine", "dask", "--scheduler", client.scheduler.address])
    )
    assert plain[0] == 0
    assert plain[1]
    assert many == plain


@pytest.mark.parametrize("ranges", [True, False], ids=["in blocks", "as a whole"])
def test_a_web_server_of_logs(client, one, tmp_path, ranges):
    first, *others = logs("1.29.5-json")
    (tmp_path / first.name).write_bytes(first.read_bytes())
    for log in others:
        (tmp_path / f"{log.name}.gz").write_bytes(gzip.compress(log.read_bytes()))
    with web_server(tmp_path, ranges=ranges) as address:
        many = ztflow.read_flows(
            *(f"{address}/{log.name}" for log in sorted(tmp_path.iterdir())), inventory=None, engine="dask",
            scheduler=client,
        )  # fmt: skip
    assert many.stats.access == one.stats.access
    assert many.to_arrow()["confidence"].to_pylist() == one.to_arrow()["confidence"].to_pylist()


@contextmanager
def web_server(folder, *, ranges):
    """Files on the web, as object stores and plain servers give them; the address."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            data = (folder / self.path.lstrip("/")).read_bytes()
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")) if ranges else None
            first, last = (int(asked[1]), int(asked[2]) + 1) if asked else (0, len(data))
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(data[first:last])))
            if ranges:
                self.send_header("Accept-Ranges", "bytes")
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{min(last, len(data)) - 1}/{len(data)}")
            self.end_headers()
            self.wfile.write(data[first:last])

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_parts_follow_the_memory_of_the_workers(client):
    with local_workers(1, 3 << 30) as cluster, Client(cluster, set_as_default=False) as small:
        assert Sizes.of(small).memory == 3 << 30
    assert Sizes.of(client).workers == 2
    assert Sizes.of(client).memory > 0


def test_dask_leaves_tasks_that_take_a_part_where_they_are():
    from distributed.stealing import fast_tasks

    here = Mock(**{"map.return_value": []})
    at_hand(here, len, [1])
    (key,) = here.map.call_args.kwargs["key"]
    assert key_split(key) in fast_tasks


def run(capfd, *words):
    capfd.readouterr()
    code = main(words)
    return code, *capfd.readouterr()


def test_what_cannot_be(monkeypatch, capfd):
    log = str(logs("1.29.5-json")[0])
    with pytest.raises(UsageError, match="no engine is called 'spark'"):
        ztflow.read_flows(log, engine="spark")
    monkeypatch.setattr(connect, "SCHEDULER_PATIENCE", "1s")
    with pytest.raises(UsageError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        ztflow.read_flows(log, inventory=None, engine="dask", scheduler="tcp://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'ztflow\[dask\]'"):
        ztflow.read_flows(log, inventory=None, engine="dask")
    for words, said in (
        (["flows", log, "--scheduler", "tcp://x:1"], "--scheduler goes with --engine dask"),
        (["flows", log, "--engine", "dask", "-f"], "leave out --follow"),
    ):
        code, _, told = run(capfd, *words)
        assert code == 2
        assert said in told
