"""Questions to Loki over HTTP; a module of its own because HTTP and TLS take 40 ms to import.

urllib3 speaks HTTP, TLS and to proxies, and says how long to wait between two tries. How often is decided here, by
time: whatever Loki was doing when it went away (a restart takes half a minute), it is asked until its patience ends.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from threading import Event, Timer
from time import monotonic
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode, urljoin, urlsplit

from urllib3 import BaseHTTPResponse, Retry, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    HTTPError,
    InvalidHeader,
    LocationValueError,
    NameResolutionError,
    ProxySchemeUnknown,
    SSLError,
    URLSchemeUnknown,
)

from ztflow.errors import SourceError
from ztflow.read.limits import DOCUMENT_CHARS
from ztflow.read.sources.loki_answer import Page, TooBigError, data_of, page_of, unpacked
from ztflow.read.sources.loki_connection import connections
from ztflow.read.sources.loki_query import LokiQuery

CONNECT = 10.0
"""Seconds until a connection stands."""
RECEIVE = 60.0
"""Seconds without a byte: as long as Loki may work on an answer (`querier.query_timeout` is 1 min)."""
STALL = 10.0
STALL_BYTES = 4096
"""An answer that has begun brings as many bytes in `STALL` seconds, or it is given up."""
ANSWER = 180.0
"""Seconds one answer may take in all."""
RETURN = 90.0
"""Seconds in which Loki may come back: a restart, a rolling update, a burst of queries."""
FIRST_PATIENCE = 10.0
"""The same for a server that never answered, which may just be the wrong address, and for errors of its own (500)."""
BACKOFF = 0.25
BACKOFF_MAX = 5.0
"""Seconds between two tries: none, twice `BACKOFF`, doubled each time up to the second figure."""

_LOG = logging.getLogger("ztflow.read")
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_REFUSAL_BYTES = 1 << 16
_LIMIT = re.compile(r"max[ _]entries.{0,200}?\((\d{1,18}) > (\d{1,18})\)", re.DOTALL | re.IGNORECASE)
_TOO_BIG = re.compile(r"message larger than max|response (?:is )?too large", re.IGNORECASE)


class _RefusalError(SourceError):
    """An answer that is an error.

    Attributes:
        text: What the server said.
    """

    def __init__(self, source: str, detail: str, *, hint: str = "", text: str = "") -> None:
        super().__init__(source, detail, hint=hint)
        self.text = text


class _Answer(NamedTuple):
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Asks one Loki.

    Args:
        query: Where it is, and as whom to ask.
        stop: Ends waiting between two tries.

    Attributes:
        query: As above.
        limit: Entries asked for at once; falls to what the server allows.
    """

    def __init__(self, query: LokiQuery, stop: Event) -> None:
        self.query = query
        self.limit = query.limit
        self._stop = stop
        self._answered = False
        self._socket: socket.socket | None = None
        self._end = None if query.deadline is None else monotonic() + query.deadline / 1e9
        try:
            self._manager = connections(query)
            pool = self._manager.connection_from_url(query.address)
        except (LocationValueError, URLSchemeUnknown, ProxySchemeUnknown, AssertionError) as error:
            raise self._error("neither Loki's address nor a proxy's can be understood", type(error).__name__) from error
        except OSError as error:
            detail = f"the certificate or key {error.filename} cannot be read: {error.strerror}"
            raise self._error(
                detail, "look at LOKI_CA_CERT_PATH, LOKI_CLIENT_CERT_PATH, LOKI_CLIENT_KEY_PATH"
            ) from error
        pool.ConnectionCls = self._watched(HTTPSConnection if pool.scheme == "https" else HTTPConnection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.clear()

    def page(self, logql: str, start: int, end: int, direction: str = "forward") -> Page:
        """Entries of a span of time, as many as the server allows.

        Raises:
            SourceError: Loki cannot be reached, refuses, or answers something else.
        """
        while True:
            limit = self.limit
            asked = {"query": logql, "start": start, "end": end, "limit": limit, "direction": direction}
            try:
                return page_of(self._body("query_range", asked), limit, self.query.name, self.query.address)
            except _RefusalError as error:
                self.limit = min(limit, self._lower(error.text))
                if self.limit == limit:
                    raise
            except TooBigError as error:
                if limit == 1:
                    raise SourceError(error.source, f"{error.detail}, with a single entry") from error
                self.limit = limit // 2
            except SourceError as error:
                raise self._error(self._clean(error.detail), error.hint) from error

    def _lower(self, text: str) -> int:
        """The limit that an error asks for."""
        if found := _LIMIT.search(text):
            return max(1, int(found[2]))
        return max(1, self.limit // 2) if _TOO_BIG.search(text) else self.limit

    def number(self, logql: str, time: int) -> int | None:
        """The number a metric query gives at a time; None where the server cannot say."""
        try:
            body = self._body("query", {"query": logql, "time": time}, patient=False)
            result = data_of(body, self.query.name, self.query.address)["result"]
            return int(float(result[0]["value"][1])) if result else 0
        except (SourceError, LookupError, TypeError, ValueError, OverflowError):
            return None

    def _body(self, path: str, asked: Mapping[str, object], *, patient: bool = True) -> bytes:
        """The body of the answer that comes in the end."""
        url = f"{self.query.address}/loki/api/v1/{path}?{urlencode(asked)}"
        retry = Retry(total=None, backoff_factor=BACKOFF, backoff_max=BACKOFF_MAX)
        began, said = monotonic(), False
        while True:
            after = 0.0
            fault: SourceError
            try:
                answer = self._follow(url)
                if answer.status == 200:
                    self._answered = True
                    return self._unpacked(answer)
                fault = self._refusal(answer)
                patience = FIRST_PATIENCE if answer.status == 500 else RETURN
                if answer.status not in _BUSY or _TOO_BIG.search(answer.body.decode("utf-8", "replace")):
                    raise fault
                after = _retry_after(retry, answer.headers.get("Retry-After"))
                retry = retry.increment("GET", url, error=HTTPError(answer.reason))
            except (HTTPError, HTTPException, OSError) as error:
                fault = self._unreachable(error)
                if isinstance(error, SSLError) or _certificate(error):
                    raise fault from error
                patience = RETURN if self._answered else FIRST_PATIENCE
                if isinstance(error, NameResolutionError) and not self._answered:
                    patience /= 5
                retry = retry.increment("GET", url, error=error)
            wait = max(after, retry.get_backoff_time())
            if not patient or self._stop.is_set():
                raise fault
            if monotonic() + wait > began + patience:
                if after > patience:
                    raise self._error(f"{fault.detail} (and asks to come back in {after:.0f} s)", fault.hint)
                raise fault
            self._in_time(wait)
            if not said:
                said = True
                _LOG.info("%s: %s; asking again for up to %.0f s", self.query.name, fault.detail, patience)
            self._stop.wait(wait)

    def _in_time(self, wait: float = 0.0) -> float:
        """Seconds the next answer may take.

        Raises:
            SourceError: The deadline of the whole reading has come.
        """
        if self._end is None:
            return ANSWER
        left = self._end - monotonic()
        if left <= wait:
            raise self._error("the deadline has come")
        return min(ANSWER, left)

    def _follow(self, url: str) -> _Answer:
        """One question, through redirects on the same host: credentials are for the host that was named."""
        for _ in range(_MAX_REDIRECTS):
            answer = self._once(url)
            if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                return answer
            try:
                target = urljoin(url, answer.headers["Location"])
                here, there = (_place(one) for one in (url, target))
            except ValueError as error:
                raise self._error("redirects to something that is no address") from error
            if here != there:
                where = self._clean(f"{there[0]}://{there[1]}:{there[2]}")
                raise self._error(
                    f"Loki refuses ({answer.status} {self._clean(answer.reason)}): redirects to another host, {where}",
                    "name that address if it is yours; credentials are not sent on",
                )
            url = target
        raise self._error("redirects in a circle")

    def _once(self, url: str) -> _Answer:
        with self._watch(self._in_time()) as late:
            try:
                response = self._manager.request(
                    "GET", url, headers=dict(self.query.headers), preload_content=False, redirect=False, retries=False,
                    timeout=Timeout(connect=CONNECT, read=RECEIVE),
                )  # fmt: skip
                try:
                    body = self._read(response)
                except BaseException:
                    response.close()
                    raise
                response.release_conn()
                return _Answer(response.status, response.reason or "", response.headers, body)
            except (HTTPError, HTTPException, OSError):
                if late.is_set():
                    self._in_time()
                    raise TimeoutError(f"an answer takes longer than {ANSWER:.0f} s") from None
                raise

    def _read(self, response: BaseHTTPResponse) -> bytes:
        """The body as it came. Read in pieces as they come, to see that they come."""
        most = DOCUMENT_CHARS if response.status == 200 else _REFUSAL_BYTES
        body = bytearray()
        since, had = monotonic(), 0
        while piece := response.read1(1 << 16, decode_content=False):
            body += piece
            if len(body) > most:
                response.close()
                if response.status == 200:
                    raise TooBigError(self.query.name, f"one answer is longer than {DOCUMENT_CHARS >> 20} MiB")
                break
            if (now := monotonic()) - since > STALL:
                if len(body) - had < STALL_BYTES:
                    raise TimeoutError(f"an answer stalls: {len(body) - had} bytes in {STALL:.0f} s")
                since, had = now, len(body)
        whole = bytes(body)
        delimited = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
        if response.status == 200 and not delimited and whole[:1] in {b"", b"{"} and not whole.rstrip().endswith(b"}"):
            raise ConnectionError("an answer breaks off")
        return whole

    def _watched(self, kind: type[HTTPConnection]) -> type[Any]:
        """A connection whose socket `_watch` knows of."""
        client = self

        class Watched(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                client._socket = self.sock

        return Watched

    @contextmanager
    def _watch(self, seconds: float) -> Iterator[Event]:
        """Shut the connection after some seconds, for heads that trickle in byte by byte end in no other way."""
        late = Event()

        def shut() -> None:
            late.set()
            if (connected := self._socket) is not None:  # else there is no connection yet, and no answer
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

        timer = Timer(seconds, shut)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _error(self, detail: str, hint: str = "") -> SourceError:
        return SourceError(self.query.name, detail, hint=hint)

    def _unreachable(self, error: Exception) -> SourceError:
        inner: BaseException = error
        while True:  # urllib3 has the cause as its reason or its last argument
            causes = [getattr(inner, "reason", None), inner.__cause__, *inner.args[-1:]]
            cause = next((one for one in causes if isinstance(one, BaseException)), None)
            if cause is None:
                break
            inner = cause
        text = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
        text = re.sub(r"^<?[\w.]+\(?[^)>:]*[)>]: |^[\w.]+\(host=[^)]*\): ", "", text) or type(inner).__name__
        return self._error(f"Loki cannot be reached: {' '.join(self._clean(text).split())}", self.query.address)

    def _unpacked(self, answer: _Answer) -> bytes:
        encoding = answer.headers.get("Content-Encoding", "").strip().lower()
        body = unpacked(answer.body, encoding, self.query.name)
        # What is not JSON is quoted in a message.
        return body if body[:1] == b"{" else self._clean(body.decode("utf-8", "replace")).encode()

    def _refusal(self, answer: _Answer) -> _RefusalError:
        try:
            body = self._unpacked(answer)
        except SourceError:
            body = b""
        text = self._clean(body.decode("utf-8", "replace"))
        if text.lstrip()[:1] == "<":  # a page for a browser
            text = re.sub(r"<[^<>]{0,1000}>", " ", text)
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        said = f": {lines[0][:300]}" if lines else ""
        detail = f"Loki refuses ({answer.status} {self._clean(answer.reason)}){said}"
        return _RefusalError(self.query.name, detail, hint=_hint(answer.status), text=text)

    def _clean(self, text: str) -> str:
        """What the other side said, without a password it may repeat, on one line, without control characters."""
        for secret in sorted(self.query.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return "".join(one if one.isprintable() or one == "\n" else " " for one in text)


def _place(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _retry_after(retry: Retry, value: str | None) -> float:
    """Seconds a server asks to wait; 0 when it does not, or not in a way that is known."""
    try:
        return min(float(retry.parse_retry_after(value)), 1e9) if value else 0.0
    except (InvalidHeader, ValueError, OverflowError):
        return 0.0


def _certificate(error: BaseException | None) -> bool:
    """Whether it is about a certificate, which does not get better by waiting."""
    while error is not None:
        if "CERTIFICATE" in str(error).upper():
            return True
        error = error.__cause__ or error.__context__
    return False


def _hint(code: int) -> str:
    if code in {401, 403}:
        return "set LOKI_USERNAME and LOKI_PASSWORD, or LOKI_BEARER_TOKEN"
    if code == 400:
        return "is the query valid, and the limit within the server's?"
    if code == 404:
        return "is Loki behind a path? give it: loki://host/path?query=…"
    return ""
