"""Questions to Loki or Prometheus over HTTP; a module of its own because HTTP and TLS take 40 ms to import.

urllib3 speaks HTTP, TLS and to proxies, and says how long to wait between two tries. How often is decided here, by
time: whatever a server was doing when it went away (a restart takes half a minute), it is asked until patience ends.
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
from ztflow.read.sources.http_answer import TooBigError, unpacked
from ztflow.read.sources.http_connection import connections
from ztflow.read.sources.http_server import CA_CERT, CLIENT_CERT, CLIENT_KEY, Server
from ztflow.text.patterns import lazy_pattern

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
TOO_BIG = lazy_pattern(r"message larger than max|response (?:is )?too large", re.IGNORECASE)


class RefusalError(SourceError):
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


class HttpClient:
    """Asks one server.

    Args:
        server: Where it is, and as whom to ask.
        stop: Ends waiting between two tries.

    Attributes:
        server: As above.
    """

    def __init__(self, server: Server, stop: Event) -> None:
        self.server = server
        self._stop = stop
        self._answered = False
        self._socket: socket.socket | None = None
        self._end = None if server.deadline is None else monotonic() + server.deadline / 1e9
        try:
            self._manager = connections(server)
            pool = self._manager.connection_from_url(server.address)
        except (LocationValueError, URLSchemeUnknown, ProxySchemeUnknown, AssertionError) as error:
            raise self.error(
                f"neither {server.product}'s address nor a proxy's can be understood", type(error).__name__
            ) from error
        except OSError as error:
            detail = f"the certificate or key {error.filename} cannot be read: {error.strerror}"
            names = ", ".join(f"{server.variables}_{name}" for name in (CA_CERT, CLIENT_CERT, CLIENT_KEY))
            raise self.error(detail, f"look at {names}") from error
        pool.ConnectionCls = self._watched(HTTPSConnection if pool.scheme == "https" else HTTPConnection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.clear()

    def body(self, path: str, asked: Mapping[str, object], *, patient: bool = True) -> bytes:
        """The body of the answer that comes in the end.

        Args:
            path: What to ask, behind the server's address.
            asked: The parameters.
            patient: Whether to ask again when the server is busy or away.

        Raises:
            SourceError: It cannot be reached or refuses (`RefusalError`), or the answer is too long (`TooBigError`).
        """
        url = f"{self.server.address}{path}?{urlencode(asked)}"
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
                if answer.status not in _BUSY or TOO_BIG.search(answer.body.decode("utf-8", "replace")):
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
                    raise self.error(f"{fault.detail} (and asks to come back in {after:.0f} s)", fault.hint)
                raise fault
            self._in_time(wait)
            if not said:
                said = True
                _LOG.info("%s: %s; asking again for up to %.0f s", self.server.name, fault.detail, patience)
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
            raise self.error("the deadline has come")
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
                raise self.error("redirects to something that is no address") from error
            if here != there:
                where = self.clean(f"{there[0]}://{there[1]}:{there[2]}")
                said = f"{answer.status} {self.clean(answer.reason)}"
                raise self.error(
                    f"{self.server.product} refuses ({said}): redirects to another host, {where}",
                    "name that address if it is yours; credentials are not sent on",
                )
            url = target
        raise self.error("redirects in a circle")

    def _once(self, url: str) -> _Answer:
        with self._watch(self._in_time()) as late:
            try:
                response = self._manager.request(
                    "GET", url, headers=dict(self.server.headers), preload_content=False, redirect=False, retries=False,
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
                    raise TooBigError(self.server.name, f"one answer is longer than {DOCUMENT_CHARS >> 20} MiB")
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

    def error(self, detail: str, hint: str = "") -> SourceError:
        """An error of this server."""
        return SourceError(self.server.name, detail, hint=hint)

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
        return self.error(
            f"{self.server.product} cannot be reached: {' '.join(self.clean(text).split())}", self.server.address
        )

    def _unpacked(self, answer: _Answer) -> bytes:
        encoding = answer.headers.get("Content-Encoding", "").strip().lower()
        body = unpacked(answer.body, encoding, self.server.name)
        # What is not JSON is quoted in a message.
        return body if body[:1] == b"{" else self.clean(body.decode("utf-8", "replace")).encode()

    def _refusal(self, answer: _Answer) -> RefusalError:
        try:
            body = self._unpacked(answer)
        except SourceError:
            body = b""
        text = self.clean(body.decode("utf-8", "replace"))
        if text.lstrip()[:1] == "<":  # a page for a browser
            text = re.sub(r"<[^<>]{0,1000}>", " ", text)
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        said = f": {lines[0][:300]}" if lines else ""
        detail = f"{self.server.product} refuses ({answer.status} {self.clean(answer.reason)}){said}"
        return RefusalError(self.server.name, detail, hint=_hint(answer.status, self.server), text=text)

    def clean(self, text: str) -> str:
        """What the other side said, without a password it may repeat, on one line, without control characters."""
        for secret in sorted(self.server.secrets, key=len, reverse=True):
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


def _hint(code: int, server: Server) -> str:
    if code in {401, 403}:
        return f"set {server.variables}_USERNAME and {server.variables}_PASSWORD, or {server.variables}_BEARER_TOKEN"
    if code == 400:
        return server.refused
    if code == 404:
        return f"is {server.product} behind a path? give it: {server.example}"
    return ""
