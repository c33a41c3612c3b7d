"""Blocks of real lines as shippers, stores and viewers write them, some bytes of which are odd but harmless."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.read import layouts

FIXTURES = Path(__file__).parents[2] / "fixtures"

PODS = ("ztunnel-4k7rb", "ztunnel-9xw2d", "ztunnel-8bl2k")
PREFIXES = (
    "",
    "",
    "",
    "",
    "[pod/ztunnel-9xw2d/istio-proxy] ",
    "2024-11-05T12:00:02.123456789Z stdout F ",
    "ztunnel-4k7rb istio-proxy ",
)
"""What may stand before JSON."""

MARKER = "==== START logs for container istio-proxy of pod istio-system/ztunnel-zzzzz ===="
ODD = (
    b"\r", b"\r", b"\0", b"\x1b", b"\x1b[32m", b"\x1b[0m", b"\xff", b"\xc3", b"\xa9", b"\xef\xbb\xbf", b"[0m", MARKER.encode(),
    b"\x7f", b"\x85", b"\xc2\xa0", b"\xe2\x80\xa8", b"\\r", b"\\u000d", b"\\u0000", b"\\u001b", b"\x0b", b"\x0c", b"\x1c",
    b"\t", b" ", b"\r\n", b"\n", b"==== END logs for container istio-proxy of pod a/b ====", b"null", b"{}", b",", b"12345",
)  # fmt: skip
"""What terminals, editors, copying and broken disks leave between other bytes."""

INSERTED = (
    "\r",
    "\0",
    "\x1b[0m",
    "\u00e9",
    "\\",
    '"',
    "[0m",
    "\n",
    "\ud800",
    "{",
    "}",
    MARKER,
    " connection complete src.addr=",
)
OTHER = (
    "2024-11-05T12:00:02.000001Z\tinfo\tztunnel\trunning with config: a: b", "dnsProxy: true", "", "  localNode: n", "plain text",
    '2024-11-05T12:00:02.000001Z\tinfo\tinpod::statemanager\tpod received, starting proxy\tuid="a" name="b" namespace="c"',
    "2024-11-05T12:00:02.000001Z\tinfo\taccess\tconnection complete\tsrc.addr=1.1.1.1:1", "2024-11-05T12:00:02.000001Z\tinfo\txds\tx (y)",
)  # fmt: skip


@cache
def real_lines() -> list[str]:
    """Lines that releases from 1.22 to 1.29 wrote."""
    found = []
    for pattern in (
        "captured/1.29.5-multinetwork/*.log*",
        "captured/1.29.5-storm/*.log*",
        "examples/*.log",
        "seed/same-node.log",
    ):
        for path in sorted(FIXTURES.glob(pattern)):
            data = path.read_bytes()
            text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
            found += [line for line in text.splitlines() if re.match(r"\d{4}-\S+\t", line)][:60]
    return found


@cache
def json_lines() -> list[str]:
    """Lines of ztunnel with `LOG_FORMAT=json`."""
    return (FIXTURES / "examples" / "real-lines.jsonl").read_text().splitlines()[:40]


Lines = list[tuple[str, str]]
"""Pods and their lines."""


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _attribute(key: str, value: str) -> dict[str, object]:
    return {"key": key, "value": {"stringValue": value}}


def _nanos(line: str) -> str:
    return str(1730808002000000000 + sum(line.encode("utf-8", "replace")) * 999983)


def otel(lines: Lines, chance: random.Random) -> Iterator[str]:
    """Requests of the collector, one a pod; attributes in any order, some tags of a part."""
    for pod in dict.fromkeys(pod for pod, _ in lines):
        tag = chance.choice("FFFP")
        records = [
            {
                "timeUnixNano": _nanos(line), "observedTimeUnixNano": _nanos(line + "x"), "body": {"stringValue": line},
                "attributes": chance.sample([_attribute("log.iostream", "stdout"), _attribute("logtag", tag)], 2),
            }
            for one, line in lines
            if one == pod
        ]  # fmt: skip
        about = [_attribute("k8s.pod.name", pod), _attribute("k8s.node.name", f"node-{pod[-5:]}")]
        yield _compact(
            {
                "resourceLogs": [
                    {
                        "resource": {"attributes": chance.sample(about, 2)},
                        "scopeLogs": [{"scope": {}, "logRecords": records}],
                    }
                ]
            }
        )


def filebeat(lines: Lines, chance: random.Random) -> Iterator[str]:
    """Beats, whose maps have no order and whose offsets grow."""
    for number, (pod, line) in enumerate(lines):
        log = {"offset": number * 397, "file": {"path": f"/var/log/pods/istio-system_{pod}_1/istio-proxy/0.log"}}
        kubernetes = {"pod": {"name": pod}, "node": {"name": "n"}, "namespace": "istio-system"}
        parts = {"message": line, "log": log, "kubernetes": kubernetes, "agent": None, "stream": "stdout"}
        yield layouts.go(
            {"@timestamp": "2024-11-05T12:00:02.123Z"} | {key: parts[key] for key in chance.sample([*parts], 5)}
        )


def loki(lines: Lines, chance: random.Random) -> Iterator[str]:
    """A push body or an answer; labels before or behind the values."""
    streams = []
    for pod in chance.sample(PODS, 2):
        values = [
            [_nanos(line), line, *([{"trace": "1"}] if chance.random() < 0.1 else [])]
            for one, line in lines
            if one == pod
        ]
        stream = {"stream": {"pod": pod, "node_name": "n"}, "values": values}
        streams.append(stream if chance.random() < 0.7 else dict(reversed(stream.items())))
    answer = {
        "status": "success",
        "data": {"resultType": "streams", "result": streams, "stats": {"a": 0.025, "b": chance.randrange(9000)}},
    }
    yield layouts.go(answer if chance.random() < 0.5 else {"streams": streams})


def datadog(lines: Lines, chance: random.Random) -> Iterator[str]:
    """Events whose hosts tell together how the cluster is called."""
    data = [
        {
            "type": "log",
            "attributes": {"message": line, "attributes": {}, "host": f"{pod[-5:]}-prod", "tags": [f"pod_name:{pod}"]},
        }
        for pod, line in lines
    ]
    yield layouts.go({"data": chance.sample(data, len(data))})


def split(lines: Lines, chance: random.Random) -> Iterator[str]:
    """Log entries, some of them parts."""
    for pod, line in lines:
        part = {"split": {"uid": "u", "index": chance.randrange(2), "totalSplits": 2}} if chance.random() < 0.5 else {}
        yield layouts.go({"logName": "a", "textPayload": line, "resource": {"labels": {"pod_name": pod}}, **part})


def one_text_each(lines: Lines, chance: random.Random) -> Iterator[str]:
    """Several texts in one array, a record inside a record, an array of records."""
    texts = [line for _, line in lines]
    shapes: list[object] = [
        {"message": texts},
        {"a": {"b": [{"log": text, "n": [{"log": texts[0]}]} for text in texts]}},
        [{"log": text, "kubernetes": {"pod_name": pod}} for pod, text in lines],
        {"hits": {"hits": [{"_source": {"message": text, "kubernetes": {"pod": {"name": p}}}} for p, text in lines]}},
        {"events": [{"logStreamName": layouts.STREAM, "timestamp": 1730808002123, "message": text} for text in texts]},
    ]
    yield _compact(chance.choice(shapes))


MANY: tuple[Callable[[Lines, random.Random], Iterable[str]], ...] = (
    otel,
    filebeat,
    loki,
    datadog,
    split,
    one_text_each,
)


def block(seed: int) -> bytes:
    """A block that is the same for the same seed."""
    chance = random.Random(seed)
    rows: list[str] = []
    forms = layouts.TEXT_AND_JSON | layouts.PLAIN_ONLY
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.4:
            name = chance.choice(sorted(forms))
            own = name in layouts.TEXT_AND_JSON and chance.random() < 0.2
            some = chance.choices(json_lines() if own else real_lines(), k=chance.randint(1, 5))
            rows += forms[name][0](some).splitlines(keepends=True)
        else:
            lines = [(chance.choice(PODS), _text(chance)) for _ in range(chance.randint(1, 6))]
            prefix = chance.choice(PREFIXES)
            made = [f"{prefix}{row}\n" for row in chance.choice(MANY)(lines, chance)]
            rows += made * chance.randint(1, 2)
        if chance.random() < 0.3:
            rows.append(f"{chance.choice(real_lines())}\n")
    data = bytearray("".join(rows).encode("utf-8", "surrogateescape"))
    for _ in range(chance.choice((0, 0, 0, 1, 2, 4))):
        at = _place(data, chance)
        data[at : at + chance.choice((0, 0, 1))] = chance.choice(ODD)
    return bytes(data) * chance.choice((1, 1, 2))


def _text(chance: random.Random) -> str:
    text = chance.choice(real_lines()) if chance.random() < 0.8 else chance.choice(OTHER)
    if chance.random() < 0.06:
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(INSERTED) + text[at:]
    # what is no character stays a spelled surrogate in JSON, and cannot be written otherwise
    return text.replace("\ud800", "\\ud800")


def _place(data: bytearray, chance: random.Random) -> int:
    """Somewhere; more often at a line's edge or beside a sign."""
    marks = {0: rb"\n", 1: rb'["\t ={}\\:]'}.get(chance.randrange(3))
    found = [match.start() for match in re.finditer(marks, data)] if marks else []
    return chance.choice(found) + chance.randint(0, 1) if found else chance.randrange(len(data) + 1)
