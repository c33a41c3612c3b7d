"""What a Loki, or whatever is in its place, answers: entries, or an error of one line; also when HTTP itself is damaged."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import suppress
from functools import cache
from typing import Any, Final
from unittest.mock import patch

from hypothesis import strategies as st

from fuzz.corpus import SAME_NODE
from fuzz.edits import WORDS, as_json, edited, edited_json
from fuzz.target import Target
from ztflow.errors import SourceError
from ztflow.read import ReadReport, read_inputs
from ztflow.read.sources import http_client

_LINES = SAME_NODE.read_text().splitlines()
_START = 1718541648_000000000
_PAGE = {
    "status": "success",
    "data": {
        "resultType": "streams",
        "result": [
            {
                "stream": {"app": "ztunnel", "pod": "ztunnel-9xw2d", "node_name": "node-1"},
                "values": [[str(_START + at), line] for at, line in enumerate(_LINES)],
            },
            {
                "stream": {"pod": "ztunnel-4k7rb"},
                "values": [[str(_START), _LINES[0], {"structuredMetadata": {"a": "b"}}]],
            },
        ],
        "stats": {"summary": {"totalEntriesReturned": 5}},
    },
}
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def answer(body: bytes, head: bytes = b"") -> bytes:
    """A whole HTTP answer."""
    return _HEAD + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


_WHOLE = as_json(_PAGE)
_ANSWERS = (
    answer(_WHOLE),
    answer(gzip.compress(_WHOLE), b"Content-Encoding: gzip\r\n"),
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(_WHOLE) + _WHOLE + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 63\r\n\r\nmax entries limit per query exceeded, limit > max (100 > 10)    ",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/loki\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nslow",
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 15\r\n\r\n<html>no</html>",
)
_WORDS = (
    *WORDS, b"Content-Encoding: ", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Retry-After: ", b"Location: ",
    b"deflate", b"br", b"HTTP/1.1 ", b"204 ", b"100 Continue\r\n\r\n", b"301 ", b"503 ", b"application/x-protobuf",
)  # fmt: skip
_IMPATIENT: Final[dict[str, Any]] = {
    "BACKOFF": 0.001, "BACKOFF_MAX": 0.002, "RETURN": 0.004, "FIRST_PATIENCE": 0.004, "STALL": 0.05, "ANSWER": 0.2,
    "RECEIVE": 0.1, "CONNECT": 0.5,
}  # fmt: skip


class Server:
    """Answers everything with the same bytes, whatever they are, and closes."""

    def __init__(self) -> None:
        self.answer = b""
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            with connection, suppress(OSError):
                connection.settimeout(1.0)
                asked = b""
                while b"\r\n\r\n" not in asked and (more := connection.recv(65536)):
                    asked += more
                connection.sendall(self.answer)
                connection.shutdown(socket.SHUT_WR)


@cache
def server() -> Server:
    """The one server of this process."""
    return Server()


def check(data: bytes) -> None:
    """What was read is given, and the error is one line without a password."""
    serving = server()
    serving.answer = data
    address = f"loki://user:hush-hush@127.0.0.1:{serving.port}?query=%7Bapp%3D%22z%22%7D&start={_START}&end={_START + 9}&limit=9"
    report = ReadReport()
    errors: list[SourceError] = []
    with patch.multiple(http_client, **_IMPATIENT):
        batches = list(read_inputs([address], report=report, on_error=errors.append, drop_copies=False))
    stats = report.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    assert sum(len(batch.halves) for batch in batches) == stats.access
    for error in errors:
        assert len(str(error).splitlines()) == 1, error
        assert "hush-hush" not in str(error)


TARGET = Target(
    st.one_of(
        edited(_ANSWERS, _WORDS),
        edited_json([_PAGE]).map(as_json).map(answer),
        edited([_WHOLE]).map(gzip.compress).map(lambda body: answer(body, b"Content-Encoding: gzip\r\n")),
    ),
    check,
)
