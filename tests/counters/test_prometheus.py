"""`--prometheus`: recorded answers of a real one, and a small one by hand for what that one did not have."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import ztflow
from ztflow.counters import reconcile
from ztflow.counters.prometheus import LATER, SCRAPES_USED, parse_prometheus, scrapes_for, scrapes_in
from ztflow.errors import SourceError, UsageError
from ztflow.model.provenance import ReadReport

QUIET = Path("fixtures/captured/1.31.0-head-quiet")
LOGS = sorted(QUIET.glob("*.log.gz"))
RECORDED = Path("fixtures/counters/prometheus-2.42.0.json.gz")
LOST = 375


@contextmanager
def serving(answer):
    """A server that gives to each path what a function of path and headers says: status and body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answer(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:  # or its thread asks a closed socket for ever, whatever ended the test
            server.shutdown()


@pytest.fixture(scope="module")
def recorded():
    answers = json.loads(gzip.decompress(RECORDED.read_bytes()))

    def answer(path, _):
        return (200, json.dumps(answers[path]).encode()) if path in answers else (404, path.encode())

    with serving(answer) as address:
        yield address


@pytest.fixture(scope="module")
def capture():
    report = ReadReport()
    halves, _ = ztflow.read_capture(*LOGS, inventory=None, report=report)
    return halves, report.events


def test_real_answers_give_what_the_files_give(recorded, capture):
    halves, events = capture
    found = scrapes_for(parse_prometheus(recorded), halves, events)
    counters = reconcile(halves, found.scrapes, events, found.notes)
    assert {one.ztunnel: [part.missing for part in one.stretches] for one in counters.ztunnels} == {
        "ztunnel-9xw2d": [0, 0, LOST, 0], "ztunnel-4k7rb": [0, 0, 0, 0], "ztunnel-m8s5v": [0, 0, 0, 0],
    }  # fmt: skip
    assert counters.ztunnels[0].stretches[2].denied_missing == 8
    assert counters.notes == (f"12 scrapes from {recorded}, each at the time Prometheus gives it.",)


@pytest.mark.parametrize(("written", "told"), [(2_000_000_000, True), (1_500_000_000, False)])
def test_lines_cut_out_are_found_at_the_end_of_the_log_only_where_it_was_still_written(
    recorded, capture, tmp_path, written, told
):
    halves, events = capture
    for log in LOGS:
        lines = gzip.decompress(log.read_bytes()).splitlines(keepends=True)
        complete = [number for number, line in enumerate(lines) if b"connection complete" in line]
        gone = {*complete[100:150], *complete[-20:-10]}
        file = tmp_path / log.name.removesuffix(".gz")
        file.write_bytes(b"".join(line for number, line in enumerate(lines) if number not in gone))
        os.utime(file, (written, written))
    halves = ztflow.read_records(tmp_path)
    found = scrapes_for(parse_prometheus(recorded), halves, events)
    counters = reconcile(halves, found.scrapes, events)
    assert counters.missing == LOST + 3 * 50 + 3 * 10 * told
    said = [note for one in counters.ztunnels for note in one.notes if "closed after it, or missing" in note]
    assert [int(note.split()[0]) for note in said] == [] if told else [10, 10, 10]


# ---- one by hand -----------------------------------------------------------------------------------------------------

CLOSED = "istio_tcp_connections_closed_total"
SECOND = 1_000_000
START = 1_767_225_600
ASKED = re.compile(r"(?:\w+\()?(\w*)\{(.*)\}\[(\d+)ms\]\)?")


class Small:
    """A Prometheus with a few series: `{(name, label, …): [(second, value), …]}`."""

    def __init__(self, series, most=10_000):
        self.series, self.most, self.asked, self.headers = series, most, [], []

    def __call__(self, path, headers):
        self.headers.append(headers)
        asked = {key: values[0] for key, values in parse_qs(urlsplit(path).query).items()}
        self.asked.append(asked["query"])
        name, inside, span = ASKED.fullmatch(asked["query"]).groups()
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', inside))
        end = round(float(asked["time"]) * 1000)
        result = []
        for (own, *pairs), samples in self.series.items():
            labels = dict(pairs)
            if (own != name if name else not own.startswith("istio_tcp")) or wanted.items() - labels.items():
                continue
            within = [[at, str(value)] for at, value in samples if end - int(span) <= at * 1000 <= end]
            if within:
                result.append({"metric": {"__name__": own, **labels}, "values": within})
        raw = "over_time" not in asked["query"]
        if raw and sum(len(one["values"]) for one in result) > self.most:
            return 422, b'{"status":"error","error":"query processing would load too many samples into memory"}'
        if not raw:
            result = [
                {"metric": one["metric"], "value": [float(asked["time"]), one["values"][-1][1]]} for one in result
            ]
        return 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def series(pod, seconds, count=lambda second: second, **more):
    labels = (("pod", pod), *more.items())
    return {
        ("istio_build", ("component", "ztunnel"), *labels): [(START + at, 1) for at in seconds],
        (CLOSED, ("reporter", "source"), ("response_flags", "-"), *labels): [(START + at, count(at)) for at in seconds],
    }


def asking(small, end=100, ztunnels=("ztunnel-a",), **more):
    with serving(small) as address:
        return scrapes_in(parse_prometheus(address), START * SECOND, (START + end) * SECOND, ztunnels, **more)


def seconds(found):
    return [(scrape.time - START * SECOND) // SECOND for scrape in found.scrapes]


def test_scrapes_in_the_log_and_the_first_one_after_it():
    found = asking(Small(series("ztunnel-a", range(-60, 600, 15))))
    assert seconds(found) == [0, 15, 30, 45, 60, 75, 90, 105]
    assert [scrape.total for scrape in found.scrapes] == [0, 15, 30, 45, 60, 75, 90, 105]
    assert [scrape.after_log for scrape in found.scrapes] == [False] * 7 + [True]
    assert seconds(asking(Small(series("ztunnel-a", [-5, 100 + LATER + 1, 50])))) == [50]


def test_a_scrape_at_which_nothing_was_counted_is_one():
    made = series("ztunnel-a", [0, 15, 30])
    made[next(key for key in made if key[0] == CLOSED)] = [(START + 30, 4)]
    assert [scrape.total for scrape in asking(Small(made)).scrapes] == [0, 0, 4]


def test_of_very_many_the_chosen_ones_are_asked_one_by_one_and_it_is_said():
    small = Small(series("ztunnel-a", range(0, 5000, 5)))
    found = asking(small, 4000, starts=[(START + 2001) * SECOND])
    assert {2000, 2005} <= set(seconds(found)), "the scrapes next to a start are among them"
    assert SCRAPES_USED < len(found.scrapes) <= SCRAPES_USED + 3
    assert [scrape.total for scrape in found.scrapes] == seconds(found)
    assert "of 802 scrapes are compared" in found.notes[1]


def test_what_is_too_much_for_one_answer_is_asked_in_parts():
    small = Small(series("ztunnel-a", range(50)), most=20)
    assert seconds(asking(small, 49)) == list(range(50))


def test_ztunnels_of_other_logs_are_named_and_left_out():
    others = {key: value for name in "bcdef" for key, value in series(f"ztunnel-{name}", [1]).items()}
    found = asking(Small({**series("ztunnel-a", [1]), **others}))
    assert {scrape.ztunnel for scrape in found.scrapes} == {"ztunnel-a"}
    assert re.search(
        r"has 5 ztunnels of which the log has no line: ztunnel-b, ztunnel-c, ztunnel-d, …\.$", found.notes[1]
    )


def test_whose_a_series_is_may_stand_in_any_label_and_one_alone_needs_none():
    made = {key: value for name in "ab" for key, value in series("x", [1], node=f"ztunnel-{name}").items()}
    found = asking(Small(made), ztunnels=("ztunnel-a", "ztunnel-b"))
    assert [scrape.ztunnel for scrape in found.scrapes] == ["ztunnel-a", "ztunnel-b"]
    alone = {tuple(part for part in key if part != ("pod", "x")): value for key, value in series("x", [1]).items()}
    assert [scrape.ztunnel for scrape in asking(Small(alone)).scrapes] == ["ztunnel-a"]
    with pytest.raises(SourceError, match="no label names a pod of the log"):
        asking(Small(series("x", [1], node="y")), ztunnels=("ztunnel-a", "ztunnel-b"))
    with pytest.raises(SourceError, match="has no ztunnel"):
        asking(Small({}))


def test_who_asks_is_said_as_for_loki(monkeypatch):
    small = Small(series("ztunnel-a", [1]))
    with serving(small) as address:
        given = address.replace("://", "://me:a%40b@")
        assert scrapes_in(parse_prometheus(given, {}), START * SECOND, (START + 9) * SECOND, ["ztunnel-a"]).scrapes
        assert small.headers[-1]["Authorization"] == "Basic " + base64.b64encode(b"me:a@b").decode()
        server = parse_prometheus(address, {"PROMETHEUS_BEARER_TOKEN": "token", "PROMETHEUS_ORG_ID": "team"})
        scrapes_in(server, START * SECOND, (START + 9) * SECOND, ["ztunnel-a"])
        assert (small.headers[-1]["Authorization"], small.headers[-1]["X-Scope-OrgID"]) == ("Bearer token", "team")
        assert "a%40b" not in parse_prometheus(given).name


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"no", "Prometheus refuses .401.*PROMETHEUS_BEARER_TOKEN"),
        (404, b"nothing here", "behind a path"),
        (200, b"<html>", "is not Prometheus's: it begins with"),
        (200, b'{"status":"success","data":{"resultType":"vector","result":[{}]}}', "is not Prometheus's: KeyError"),
        (422, b'{"error":"bad"}', "Prometheus refuses .422"),
    ],
)
def test_what_is_no_answer_is_one_line(status, body, said):
    with pytest.raises(SourceError, match=said):
        asking(lambda *_: (status, body))


def test_a_log_without_times_cannot_be_asked_for():
    with pytest.raises(UsageError, match="no access line has a time"):
        scrapes_for(parse_prometheus("localhost:9090"), ztflow.read_records(b""))
