"""Loki as a source, against a small real HTTP server that answers as its API is documented."""

import base64
import contextlib
import gzip
import json
import logging
import re
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.read.support import FIXTURES, column, read
from ztflow.errors import SourceError
from ztflow.read import ReadReport, follow, read_inputs
from ztflow.read.sources.loki import loki_url, parse_loki
from ztflow.read.sources.loki_answer import Seen, page_of

LINES = [
    line
    for line in (FIXTURES / "wrappers" / "kubectl-plain.log").read_text().splitlines()
    if "connection complete" in line
]
T0 = 1718541648_000000000


class Store:
    """What the server holds: (time, pod, line); and what it was asked.

    `failures` are played one a question: (status, text[, headers]) or the name of a fault below.
    """

    def __init__(self):
        self.entries = []
        self.asked = []
        self.headers = []
        self.failures = []
        self.most = 5000
        self.counts = True
        self.own = {}

    def fill(self, count, *, step=1000, pods=("ztunnel-fv5f8", "ztunnel-62hp8")):
        base = LINES[0].split("src.addr=", 1)
        for at in range(count):
            line = base[0] + f"src.addr=10.0.{at // 250}.{at % 250}:{5000 + at % 60000} " + base[1].split(" ", 1)[1]
            self.entries.append((T0 + at * step, pods[at % len(pods)], line))

    def chosen(self, query):
        """Entries a query selects, by its conditions on `pod` and `app` inside the braces, and on `level` behind."""
        selector, _, pipeline = query.partition("}")
        found = []
        for entry in self.entries:
            labels = {"app": "ztunnel", "pod": entry[1], "node_name": f"node-of-{entry[1]}"}
            behind = {**labels, "level": "info"}
            fits = [
                (where.get(key, "") == json.loads(value)) == (sign == "=")
                for text, where in ((selector, labels), (pipeline, behind))
                for key, sign, value in re.findall(r"(app|pod|level|node_name)(!?=)(\"[^\"]*\")", text)
            ]
            if all(fits):
                found.append(entry)
        return sorted(found)

    def answer(self, asked):
        low, high, limit = int(asked["start"]), int(asked["end"]), int(asked["limit"])
        found = [entry for entry in self.chosen(asked["query"]) if low <= entry[0] < high]
        found = found[:limit] if asked["direction"] == "forward" else found[::-1][:limit]
        streams = {}
        for when, pod, line in found:
            streams.setdefault(pod, []).append([str(when), line])
        return [
            {"stream": {"app": "ztunnel", "pod": pod, "node_name": f"node-of-{pod}", **self.own}, "values": values}
            for pod, values in streams.items()
        ]

    def count(self, asked):
        query = re.fullmatch(r"sum\(count_over_time\((.*) \[1ns\]\)\)", asked["query"], re.DOTALL)[1]
        number = sum(entry[0] == int(asked["time"]) for entry in self.chosen(query))
        return [{"metric": {}, "value": [0, str(number)]}]


@pytest.fixture
def store():
    return Store()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """All waits a tenth or less of what they are."""
    for name, value in {
        "BACKOFF": 0.01, "BACKOFF_MAX": 0.05, "RETURN": 2.0, "FIRST_PATIENCE": 1.0, "STALL": 0.15, "ANSWER": 0.4,
        "RECEIVE": 0.25,
    }.items():  # fmt: skip
        monkeypatch.setattr(f"ztflow.read.sources.http_client.{name}", value)


class Turns(list):
    """Failures of which None is a turn without one."""

    def __bool__(self):
        if len(self) and self[0] is None:
            self.pop(0)
            return False
        return len(self) > 0


class Handler(BaseHTTPRequestHandler):
    """Answers as `store` says, and plays faults."""

    store: Store

    def do_GET(self):
        store = self.store
        url = urlsplit(self.path)
        asked = {key: value[0] for key, value in parse_qs(url.query).items()}
        store.asked.append((url.path, asked))
        store.headers.append({key.lower(): value for key, value in self.headers.items()})
        if store.failures:
            fault = store.failures.pop(0)
            if isinstance(fault, tuple):
                return self.reply(fault[0], fault[1].encode(), headers=dict(fault[2:3] and fault[2]))
            return getattr(self, fault)(asked)
        if url.path.endswith("/query"):
            if not store.counts:
                return self.reply(404, b"404 page not found")
            return self.reply(200, self.body(asked), packed=True)
        if int(asked["limit"]) > store.most:
            return self.reply(
                400,
                f"max entries limit per query exceeded, limit > max_entries_limit ({asked['limit']} > {store.most})".encode(),
            )
        return self.reply(200, self.body(asked), packed=True)

    def good(self, result):
        return json.dumps({"status": "success", "data": {**result, "stats": {"summary": {}}}}).encode()

    def body(self, asked):
        if "limit" not in asked:
            return self.good({"resultType": "vector", "result": self.store.count(asked)})
        return self.good({"resultType": "streams", "result": self.store.answer(asked)})

    def reply(self, code, body, *, packed=False, headers=None, length=None):
        packed = packed and "gzip" in self.headers.get("Accept-Encoding", "")
        body = gzip.compress(body) if packed else body
        self.send_response(code)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        if code in {301, 302}:
            self.send_header("Location", body.decode())
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self, asked):
        """Closed without an answer, the hard way."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def hang_up(self, asked):
        """The head, half of the body, and no more."""
        body = self.body(asked)
        self.reply(200, body[: len(body) // 2], length=len(body))

    def hang_up_in_a_chunk(self, asked):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"400\r\n" + self.body(asked)[:100])

    def cut_gzip(self, asked):
        """A gzip body that ends early, with a length that fits."""
        body = gzip.compress(self.body(asked))
        self.reply(200, body[: len(body) * 2 // 3], headers={"Content-Encoding": "gzip"})

    def bent_gzip(self, asked):
        body = bytearray(gzip.compress(self.body(asked)))
        body[-6] ^= 255
        self.reply(200, bytes(body), headers={"Content-Encoding": "gzip"})

    def drip(self, asked):
        """A byte now and then: never long enough apart for the receive timeout."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.trickle(self.body(asked))

    def drip_head(self, asked):
        self.trickle(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nX: " + b"x" * 100)

    def trickle(self, data):
        with contextlib.suppress(OSError):
            for byte in data[:100]:
                self.wfile.write(bytes([byte]))
                time.sleep(0.01)
        self.close_connection = True

    def silence(self, asked):
        time.sleep(0.3)

    def echo(self, asked):
        """Says what it was sent, as some debugging proxies do."""
        said = base64.b64decode(self.headers["Authorization"].split()[1]).decode()
        self.reply(400, f"bad request from {said} with {self.headers['Authorization']}".encode())

    def echo_page(self, asked):
        said = base64.b64decode(self.headers["Authorization"].split()[1]).decode()
        self.reply(200, f"hello {said}".encode())

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(store, port=0):
    handler = type("Bound", (Handler,), {"store": store})
    with Server(("127.0.0.1", port), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


@pytest.fixture
def server(store):
    with serving(store) as address:
        yield address


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


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize(("count", "pods"), [(160, 2), (160, 1), (500, 5), (390, 3), (100, 1)])
def test_more_entries_in_one_nanosecond_than_a_page_holds(server, store, count, pods, counts):
    store.counts = counts
    store.fill(count, step=0, pods=[f"ztunnel-{at}" for at in range(pods)])
    store.entries.append((T0 + 5, "ztunnel-0", LINES[1]))
    halves, *_ = read(ask(server), drop_copies=False)
    assert len(halves) == count + 1


def test_labels_that_are_metadata_divide_behind_the_selector(server, store):
    store.counts = False
    store.own = {"level": "info"}
    store.fill(250, step=0, pods=("a", "b"))
    asked = []
    chosen = store.chosen
    store.chosen = lambda query: (
        asked.append(query) or ([] if re.search("(pod|node_name)=", query.partition("}")[0]) else chosen(query))
    )
    halves, *_ = read(ask(server), drop_copies=False)
    assert len(halves) == 250
    assert any(query.endswith(' | node_name="node-of-a"') for query in asked)


@pytest.mark.parametrize(("counts", "said"), [(True, "50 entries of .* are missing: this nanosecond holds 250, and Loki gives 200"), (False, "an unknown number of entries")])  # fmt: skip
def test_what_one_nanosecond_keeps_is_said_and_the_rest_is_read(server, store, counts, said):
    store.counts = counts
    store.fill(250, step=0, pods=("p",))
    store.entries += [(T0 + 5, "p", LINES[1]), (T0 + 6, "p", LINES[2])]
    errors = []
    halves, *_ = read(ask(server), drop_copies=False, on_error=errors.append)
    assert len(halves) == 202
    assert re.search(said, str(errors[0]))
    assert len(errors) == 1
    assert "2024-06-16T12:40:48.000000000Z" in str(errors[0])


def test_equal_lines_are_both_given(server, store):
    store.entries = [(T0, "p", LINES[0]), (T0, "p", LINES[0]), (T0 + 1, "p", LINES[1])]
    halves, *_ = read(ask(server), drop_copies=False)
    assert len(halves) == 3


FAULTS = (
    (503, "busy"), (429, "slow down"), (502, "<html><body><h1>Bad Gateway</h1></body></html>"), (500, "context canceled"),
    (503, "restarting", {"Retry-After": "0"}), (503, "restarting", {"Retry-After": "soon"}), "reset", "hang_up",
    "hang_up_in_a_chunk",
)  # fmt: skip
SLOW = ("drip", "drip_head", "silence")
ENDS = ("cut_gzip", "bent_gzip", (200, "<html>log in</html>"), (200, '{"status":"success","data":{}}'), (404, "no"))


@pytest.mark.parametrize("fault", [*FAULTS, *SLOW], ids=str)
def test_what_passes_is_survived(server, store, fault):
    store.fill(250)
    store.failures = Turns([fault, fault, None, fault, None, None])
    halves, report, _ = read(ask(server), drop_copies=False)
    assert len(halves) == 250
    assert not len(store.failures)
    assert not report.errors


@given(st.lists(st.sampled_from([None, *FAULTS, *ENDS]), max_size=8), st.integers(1, 60))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_schedule_of_faults_loses_no_line_or_says_so(server, store, schedule, step):
    store.entries.clear()
    store.fill(250, step=step // 20)
    whole = sorted(line for _, _, line in store.entries)
    store.failures = Turns(schedule)
    errors = []
    halves, *_ = read(ask(server), drop_copies=False, on_error=errors.append)
    sources = column(halves, "src_ip")
    assert len(sources) == len(set(sources))
    if errors:
        assert len(errors) == 1
        many = f"{len(halves)} entries were read, up to " if len(halves) else "nothing was read"
        assert many in str(errors[0]) or ("missing" in str(errors[0]) and len(halves) < 250)
    else:
        assert len(sources) == len(whole)


def test_a_restart_is_survived_and_reading_goes_on_where_it_stopped(store):
    store.fill(450)
    errors, halves = [], []
    with serving(store) as address:
        port = urlsplit(address).port
        batches = read_inputs([ask(address)], on_error=errors.append, drop_copies=False)
        halves.append(len(next(batches).halves))
    started = threading.Event()
    again = threading.Timer(0.4, started.set)
    again.start()

    def later():
        started.wait()
        with serving(store, port):
            finished.wait(10)

    finished = threading.Event()
    thread = threading.Thread(target=later)
    thread.start()
    halves += [len(batch.halves) for batch in batches]
    finished.set()
    thread.join()
    assert sum(halves) == 450
    assert not errors
    assert int(store.asked[1][1]["start"]) > T0


def test_where_it_ends_is_said_and_what_was_read_is_given(server, store, monkeypatch):
    store.fill(298)
    monkeypatch.setattr("ztflow.read.sources.http_client.RETURN", 0.1)
    for fault, what in [
        ("cut_gzip", "the answer is damaged: the gzip data ends early"),
        ("bent_gzip", "the answer is damaged: the gzip data is damaged"),
        ((200, "", {"Content-Encoding": "br"}), "compressed as 'br', which was not asked for"),
        ((200, "no", {"Content-Encoding": "gzip"}), "said to be gzip and is not"),
        ((200, ""), "it is empty"),
        ("reset", r"Loki cannot be reached: (Connection reset by peer|Remote end closed)"),
        ("drip_head", r"an answer takes longer than 0 s"),
        ("drip", r"an answer stalls: \d+ bytes"),
        ((503, "x", {"Retry-After": "3600"}), r"Loki refuses \(503 Service Unavailable\): x \(and asks to come back in 3600 s\)"),
        ((502, "<html><h1>Bad Gateway</h1>\n</html>"), r"Loki refuses \(502 Bad Gateway\): Bad Gateway;"),
    ]:  # fmt: skip
        store.failures = Turns([None, None, *[fault] * 200])
        errors = []
        halves, report, _ = read(ask(server), drop_copies=False, on_error=errors.append)
        assert len(halves) == report.stats.access == 199, fault
        assert re.search(what, str(errors[0])), errors
        assert re.search(r"199 entries were read, up to 2024-06-16T12:40:48\.000198000Z \(go on with start=1718541648000198000\)", str(errors[0])), errors  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("<html>", 'it begins with "<html>" and is no JSON'),
        ("[]", "it has no data with a resultType"),
        ("{", "is no JSON"),
        ('{"status":"error","data":{"resultType":"streams","result":[]}}', 'Loki says "error" instead of success'),
        ('{"data":{"resultType":"streams","result":{}}}', "its result is no list of streams"),
        ('{"data":{"resultType":"streams","result":[1]}}', "stream 1 has no labels"),
        ('{"data":{"resultType":"streams","result":[{"stream":{},"values":7}]}}', "stream 1 has no list of values"),
        ('{"data":{"resultType":"streams","result":[{"stream":{},"values":[["1"]]}]}}', "entry 1 of stream 1 is not a time and a line"),
        ('{"data":{"resultType":"streams","result":[{"stream":{},"values":[["NaN","x"]]}]}}', 'entry 1 of stream 1 has "NaN" for a time'),
        ('{"data":{"resultType":"streams","result":[{"stream":{},"values":[[NaN,"x"]]}]}}', "is no JSON"),
        ('{"data":{"resultType":"streams","result":[{"stream":{},"values":[["99999999999999999999","x"]]}]}}', "for a time, not nanoseconds"),
        ('{"data":{"resultType":"streams","result":[{"stream":{},"values":[["1",null]]}]}}', "is not a time and a line"),
        ("[" * 5000, "is no JSON"),
        ('{"status":"success","data":{"resultType":"matrix","result":[]}}', "gives numbers, not log lines"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_lokis(server, store, answer, what):
    store.failures = [(200, answer)]
    with pytest.raises(SourceError, match=re.escape(what)):
        read(ask(server))


def test_what_an_answer_says_instead_of_success_is_shown_on_one_line():
    body = json.dumps({"status": "a\nb", "data": {"resultType": "streams", "result": []}}).encode()
    with pytest.raises(SourceError) as caught:
        page_of(body, 10, "loki://h", "http://h")
    assert 'Loki says "a b" instead of success' in str(caught.value)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["data", "result", "resultType", "stream", "values", "status"]), x, max_size=3)))  # fmt: skip
def test_any_json_is_a_page_or_an_input_error(value):
    for whole in (value, {"data": {"resultType": "streams", "result": value}}, {"data": {"resultType": "streams", "result": [{"stream": {}, "values": value}]}}):  # fmt: skip
        with contextlib.suppress(SourceError):
            page = page_of(json.dumps(whole).encode(), 10, "loki", "http://h")
            assert Seen().new(page) is not None


def test_a_wait_is_said(server, store, caplog):
    caplog.set_level(logging.INFO, "ztflow")
    store.failures = [(503, "busy")] * 3
    read(ask(server))
    assert [re.sub(r"^\S+: ", "", one.getMessage()) for one in caplog.records if one.name == "ztflow.read"] == [
        "Loki refuses (503 Service Unavailable): busy; asking again for up to 2 s"
    ]


def test_a_deadline_ends_the_whole_reading(server, store):
    store.fill(250)
    store.failures = [(503, "busy")] * 500
    began = monotonic()
    with pytest.raises(SourceError, match="the deadline has come; nothing was read"):
        read(ask(server, deadline="200ms"))
    assert monotonic() - began < 1.5


def test_a_servers_own_limit_is_learned(server, store):
    store.fill(250)
    store.most = 40
    halves, *_ = read(ask(server, limit="5000"), drop_copies=False)
    assert len(halves) == 250
    assert [asked["limit"] for _, asked in store.asked] == ["5000", *["40"] * (len(store.asked) - 1)]


def test_answers_that_are_too_long_for_it_are_asked_for_in_parts(server, store):
    store.fill(50)
    store.failures = [
        (500, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)")
    ]
    halves, *_ = read(ask(server), drop_copies=False)
    assert len(halves) == 50
    assert [asked["limit"] for _, asked in store.asked] == ["100", "50", "50"]


def test_a_refusal_says_why(server, store):
    store.failures = [(400, "parse error at line 1")]
    with pytest.raises(
        SourceError, match=r"Loki refuses \(400 Bad Request\): parse error at line 1.*; is the query valid"
    ):
        read(ask(server))
    store.failures = [(401, "no")]
    with pytest.raises(SourceError, match="set LOKI_USERNAME"):
        read(ask(server))


def test_nobody_answers():
    with pytest.raises(
        SourceError, match=r"Loki cannot be reached: Connection refused; nothing was read; http://127\.0\.0\.1:1"
    ):
        read(loki_url("http://127.0.0.1:1", '{app="ztunnel"}'))


@pytest.mark.parametrize(
    "secret", ["s3cret", "p@ss/w?rd#:1", "?query=x@h", 'a b"c\\', "é€", "100%25", "{x}", "3?since=1@"]
)
@pytest.mark.parametrize("encoded", [True, False])
def test_a_password_is_sent_and_never_shown_whatever_it_holds(server, store, secret, encoded):
    store.fill(1)
    written = quote(secret, safe="") if encoded else secret
    url = ask(server).replace("://", f"://me:{written}@")
    if encoded or "%" not in secret:
        halves, *_ = read(url)
        sent = base64.b64decode(store.headers[-1]["authorization"].removeprefix("Basic ")).decode()
        assert sent == f"me:{secret}"
        assert column(halves, "source_file") == [ask(server)]
    bad = [url.replace("127.0.0.1", "127.0.0.1:x"), url.replace("limit=100", "limit=many"), url + "&token=" + written,
           url.replace("@127", "127"), url.replace("loki+http", "loki")]  # fmt: skip
    for fault in ("echo", "echo_page", (302, f"http://me:{quote(secret, safe='')}@localhost:1/")):
        for one in [url, *bad]:
            store.failures = [fault] * 3
            with pytest.raises(SourceError) as caught:
                read(one)
            said = str(caught.value) + repr(caught.value)
            assert secret not in said
            assert quote(secret, safe="") not in said
            store.failures = []


def test_a_certificate_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("LOKI_CA_CERT_PATH", "/nowhere/ca.pem")
    with pytest.raises(SourceError, match=r"the certificate or key /nowhere/ca\.pem cannot be read: No such file"):
        read(ask("https://127.0.0.1:1"))


def test_an_address_of_something_else_hides_its_password_too():
    with pytest.raises(SourceError, match=r"^https://h/loki: is no address ztflow can read from") as caught:
        read("https://me:p@ss/word@h/loki")
    assert "ss" not in str(caught.value).partition("address")[0]


def test_a_token_no_header_may_have_is_not_shown(server, monkeypatch):
    monkeypatch.setenv("LOKI_BEARER_TOKEN", "abc\ndef")
    with pytest.raises(SourceError, match="LOKI_BEARER_TOKEN or the tenant has characters") as caught:
        read(ask(server))
    assert "abc" not in str(caught.value)


def test_a_proxy_is_used_with_its_own_credentials(server, store, monkeypatch):
    store.fill(3)
    monkeypatch.setenv("LOKI_HTTP_PROXY_URL", server.replace("://", "://you:hidden@"))
    halves, *_ = read(ask("http://loki.example:3100"), drop_copies=False)
    assert len(halves) == 3
    assert base64.b64decode(store.headers[-1]["proxy-authorization"].removeprefix("Basic ")) == b"you:hidden"
    monkeypatch.setenv("LOKI_HTTP_PROXY_URL", "ftp://proxy")
    with pytest.raises(SourceError, match="a proxy's can be understood"):
        read(ask("http://loki.example:3100"))


def test_redirects_are_followed_on_the_same_host_only(server, store):
    store.fill(3)
    store.failures = [
        (302, f"{server}/loki/api/v1/query_range?start={T0}&end={T0 + 10**9}&limit=5&direction=forward&query=%7B%7D")
    ]
    halves, *_ = read(ask(server), drop_copies=False)
    assert len(halves) == 3
    store.failures = [(302, "/again")] * 9
    with pytest.raises(SourceError, match="redirects in a circle"):
        read(ask(server))


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


def test_following_says_once_what_is_missing_and_goes_on(server, store, monkeypatch):
    monkeypatch.setattr("ztflow.read.sources.loki.POLL", 0.02)
    store.fill(250, step=0, pods=("p",))
    store.entries.append((T0 + 5, "p", LINES[1]))
    errors, report = [], ReadReport()
    url = loki_url(server, "{}", start=str(T0), limit="100")
    end = monotonic() + 10
    enough = lambda: monotonic() > end or (report.stats.access >= 201 and len(store.asked) > 60)  # noqa: E731
    for _ in follow([url], report=report, stop=enough, heartbeat=0.01, on_error=errors.append):
        pass
    assert report.stats.access == 201
    assert len(errors) == 1
    assert "50 entries of" in str(errors[0])


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
        ("loki://h?query=x&start=2026-11-23T00:37:27.123456789Z&end=2026-11-23T01:37:27.000000001%2B01:00", "http://h:3100", 1795394247123456789, 1795394247000000001, 5000),
        ("loki://h?query=x%23y&start=1969-12-31T23:59:59.5Z&end=1", "http://h:3100", -500_000_000, 1, 5000),
        ("loki://h?query=x&end=3600000000000&since=1s", "http://h:3100", 3599 * 10**9, 3600 * 10**9, 5000),
    ],
)  # fmt: skip
def test_addresses(name, address, start, end, limit):
    query = parse_loki(name, environ={}, now=10**15)
    assert (query.address, query.start, query.end, query.limit) == (address, start, end, limit)


@pytest.mark.parametrize(
    "name",
    ["loki://?query=x", "loki://h", "loki://h?query=", "loki://h?query=x&since=soon", "loki://h?query=x&limit=many",
     "loki://h?query=x&start=yesterday", "loki://h?query=x&direction=backward", "loki://h?query=x&since=" + "9" * 400 + "h",
     "loki://h?query=x&end=2026-11-23T00:37:27.1234567891Z", "loki://h:port?query=x"],
)  # fmt: skip
def test_addresses_that_cannot_be_understood(name):
    with pytest.raises(SourceError):
        parse_loki(name, environ={})
