"""Loki as a source, against a small real HTTP server that answers as its API is documented."""

import base64
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.read.support import FIXTURES, column, read
from ztflow.errors import SourceError
from ztflow.read import ReadReport, follow, loki_url
from ztflow.read.sources.loki import parse_loki

LINES = [
    line
    for line in (FIXTURES / "wrappers" / "kubectl-plain.log").read_text().splitlines()
    if "connection complete" in line
]
T0 = 1718541648_000000000


class Store:
    """What the server holds: (time, pod, line); and what it was asked."""

    def __init__(self):
        self.entries = []
        self.asked = []
        self.headers = []
        self.failures = []
        self.most = 5000

    def fill(self, count, *, step=1000, pods=("ztunnel-fv5f8", "ztunnel-62hp8")):
        base = LINES[0].split("src.addr=", 1)
        for at in range(count):
            line = base[0] + f"src.addr=10.0.{at // 250}.{at % 250}:{5000 + at % 60000} " + base[1].split(" ", 1)[1]
            self.entries.append((T0 + at * step, pods[at % len(pods)], line))

    def answer(self, asked):
        low, high, limit = int(asked["start"]), int(asked["end"]), int(asked["limit"])
        assert asked["direction"] == "forward"
        found = sorted(entry for entry in self.entries if low <= entry[0] < high)[:limit]
        streams = {}
        for when, pod, line in found:
            streams.setdefault(pod, []).append([str(when), line])
        return [
            {"stream": {"app": "ztunnel", "pod": pod, "node_name": f"node-of-{pod}"}, "values": values}
            for pod, values in streams.items()
        ]


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def server(store):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            asked = {key: value[0] for key, value in parse_qs(url.query).items()}
            store.asked.append((url.path, asked))
            store.headers.append({key.lower(): value for key, value in self.headers.items()})
            if store.failures:
                code, text = store.failures.pop(0)
                return self.reply(code, text.encode())
            if int(asked["limit"]) > store.most:
                return self.reply(
                    400,
                    f"max entries limit per query exceeded, limit > max_entries_limit ({asked['limit']} > {store.most})".encode(),
                )
            result = {"resultType": "streams", "result": store.answer(asked), "stats": {"summary": {}}}
            return self.reply(200, json.dumps({"status": "success", "data": result}).encode(), packed=True)

        def reply(self, code, body, *, packed=False):
            packed = packed and "gzip" in self.headers.get("Accept-Encoding", "")
            body = gzip.compress(body) if packed else body
            self.send_response(code)
            if packed:
                self.send_header("Content-Encoding", "gzip")
            if code in {301, 302}:
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def ask(server, **options):
    options = {"start": str(T0), "end": str(T0 + 10**9), "limit": "100", **options}
    return loki_url(server, '{app="ztunnel"} |= "connection complete"', **options)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 999])
def test_pages_give_every_entry_once(server, store, count):
    store.fill(count)
    halves, report, _ = read(ask(server), drop_copies=False)
    assert len(halves) == report.stats.access == count
    if count:
        assert set(column(halves, "ztunnel_node")) <= {"node-of-ztunnel-fv5f8", "node-of-ztunnel-62hp8"}
        assert column(halves, "source_file")[0] == ask(server)
    assert store.asked[0][0] == "/loki/api/v1/query_range"
    assert store.asked[0][1]["query"] == '{app="ztunnel"} |= "connection complete"'


def test_many_entries_of_one_nanosecond_across_a_page(server, store):
    store.fill(250)
    store.entries = [(T0 + at // 70, pod, line) for at, (_, pod, line) in enumerate(store.entries)]
    halves, *_ = read(ask(server), drop_copies=False)
    assert len(halves) == 250


def test_more_entries_in_one_nanosecond_than_a_page_holds_are_named(server, store):
    store.fill(250, step=0)
    with pytest.raises(SourceError, match="more than 100 entries in one nanosecond; ask with a larger limit"):
        read(ask(server))


def test_equal_lines_are_both_given(server, store):
    store.entries = [(T0, "p", LINES[0]), (T0, "p", LINES[0]), (T0 + 1, "p", LINES[1])]
    halves, *_ = read(ask(server), drop_copies=False)
    assert len(halves) == 3


def test_a_busy_server_is_asked_again(server, store, monkeypatch):
    monkeypatch.setattr("ztflow.read.sources.loki_http.BACKOFF", 0.01)
    store.fill(3)
    store.failures = [(503, "busy"), (429, "slow down")]
    halves, *_ = read(ask(server))
    assert len(halves) == 3
    store.failures = [(503, "busy")] * 3
    with pytest.raises(SourceError, match=r"Loki refuses \(503 Service Unavailable\): busy"):
        read(ask(server))


def test_a_refusal_says_why(server, store):
    with pytest.raises(SourceError, match=r"max entries limit per query exceeded.*; is the query valid"):
        read(ask(server, limit="6000"))
    store.failures = [(401, "no")]
    with pytest.raises(SourceError, match="set LOKI_USERNAME"):
        read(ask(server))


def test_an_answer_that_is_not_lokis(server, store):
    store.failures = [(200, "<html>")]
    with pytest.raises(SourceError, match="the answer is not Loki's"):
        read(ask(server))
    store.failures = [(200, '{"status":"success","data":{"resultType":"matrix","result":[]}}')]
    with pytest.raises(SourceError, match="gives numbers, not log lines"):
        read(ask(server))


def test_nobody_answers():
    with pytest.raises(SourceError, match="Loki cannot be reached"):
        read(loki_url("http://127.0.0.1:1", '{app="ztunnel"}'))


def test_credentials_are_sent_but_never_shown(server, store, monkeypatch):
    monkeypatch.setenv("LOKI_ORG_ID", "team-a")
    store.fill(1)
    halves, *_ = read(ask(server).replace("://", "://me:secret@"))
    assert store.headers[-1]["x-scope-orgid"] == "team-a"
    assert base64.b64decode(store.headers[-1]["authorization"].removeprefix("Basic ")) == b"me:secret"
    assert column(halves, "source_file") == [ask(server)]
    store.failures = [(400, "bad")]
    with pytest.raises(SourceError) as caught:
        read(ask(server).replace("://", "://me:secret@"))
    assert "secret" not in str(caught.value) + repr(caught.value) + repr(
        parse_loki(ask(server).replace("://", "://me:secret@"))
    )


def test_credentials_do_not_follow_a_redirect_to_another_host(server, store):
    store.failures = [(302, "http://localhost:1/elsewhere")]
    with pytest.raises(SourceError, match="redirects to another host"):
        read(ask(server))


def test_following_asks_on_and_gives_late_entries_once(server, store, monkeypatch):
    monkeypatch.setattr("ztflow.read.sources.loki.POLL", 0.02)
    store.fill(5)
    report = ReadReport()
    stopped = []
    url = loki_url(server, "{}", start=str(T0), limit="3")
    batches = follow([url], report=report, stop=lambda: bool(stopped), heartbeat=0.01)

    def until(count):
        end = monotonic() + 10
        while report.stats.access < count and monotonic() < end:
            next(batches)
        assert report.stats.access == count

    until(5)
    store.entries.append((T0 + 1500, "ztunnel-fv5f8", LINES[1]))  # came late: older than what was seen
    store.entries.append((T0 + 10_000, "ztunnel-fv5f8", LINES[2]))
    until(7)
    for _ in range(8):
        next(batches)
    assert report.stats.access == 7
    assert len(store.asked) > 6
    stopped.append(True)
    list(batches)


def test_following_names_an_error(server, store):
    store.failures = [(400, "parse error")]
    errors = []
    assert [len(batch.halves) for batch in follow([ask(server)], on_error=errors.append) if len(batch.halves)] == []
    assert "parse error" in str(errors[0])


@pytest.mark.parametrize(
    ("name", "address", "start", "end", "limit"),
    [
        ("loki://h?query={a=%22b%22}", "http://h:3100", 10**15 - 3600 * 10**9, None, 5000),
        ("loki+https://h/loki/?query=x&since=1h30m", "https://h:443/loki", 10**15 - 5400 * 10**9, None, 5000),
        ("lokis://[::1]:99?query=x&start=5&end=9&limit=7", "https://[::1]:99", 5, 9, 7),
        ("loki://h?query=x&start=1970-01-01T00:00:01Z&end=1970-01-01T01:00:02%2B01:00", "http://h:3100", 10**9, 2 * 10**9, 5000),
        ("loki://h?query=x&end=3600000000000&since=1s", "http://h:3100", 3599 * 10**9, 3600 * 10**9, 5000),
    ],
)  # fmt: skip
def test_addresses(name, address, start, end, limit):
    query = parse_loki(name, environ={}, now=10**15)
    assert (query.address, query.start, query.end, query.limit) == (address, start, end, limit)


@pytest.mark.parametrize(
    "name",
    ["loki://?query=x", "loki://h", "loki://h?query=", "loki://h?query=x&since=soon", "loki://h?query=x&limit=many",
     "loki://h?query=x&start=yesterday", "loki://h?query=x&direction=backward", "loki://h:port?query=x"],
)  # fmt: skip
def test_addresses_that_cannot_be_understood(name):
    with pytest.raises(SourceError):
        parse_loki(name, environ={})
