"""One request to Loki over HTTP; a module of its own because HTTP and TLS take 15 ms to import."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException
from threading import Event
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import orjson

from ztflow.errors import SourceError
from ztflow.read.limits import DOCUMENT_CHARS

TIMEOUT = 60.0
"""Seconds one answer may take."""

_RETRIES = (0.5, 1.0, 2.0)
_BUSY = frozenset({429, 500, 502, 503, 504})


class _StayThere(HTTPRedirectHandler):
    """Follows redirects only on the same host: credentials are for the host that was named."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            raise HTTPError(req.full_url, code, f"redirects to another host, {urlsplit(newurl).netloc}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def ask(name: str, address: str, headers: Mapping[str, str], asked: Mapping[str, object]) -> list[Any]:
    """One page: the streams of the answer.

    Args:
        name: The input's name without credentials, for messages.
        address: `http://host:port/prefix`.
        headers: Tenant and credentials.
        asked: Parameters of Loki's `query_range`.

    Raises:
        SourceError: Loki cannot be reached, refuses, or answers something else.
    """
    request = Request(  # noqa: S310 - the scheme is http or https by construction
        f"{address}/loki/api/v1/query_range?{urlencode(asked)}", headers=dict(headers)
    )
    waits = list(_RETRIES)
    while True:
        try:
            body = _body(request, name)
            break
        except HTTPError as error:
            if error.code in _BUSY and waits:
                Event().wait(waits.pop(0))
                continue
            raise SourceError(name, _refusal(error), hint=_hint(error.code)) from error
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise SourceError(name, f"Loki cannot be reached: {reason}", hint=address) from error
    try:
        data = orjson.loads(body)["data"]
        kind, result = data["resultType"], list(data["result"])
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(name, "the answer is not Loki's", hint=f"is {address} a Loki?") from error
    if kind != "streams":
        raise SourceError(name, "the query gives numbers, not log lines", hint="ask for a plain selector")
    return result


def _body(request: Request, name: str) -> bytes:
    with build_opener(_StayThere).open(request, timeout=TIMEOUT) as answer:
        body: bytes = answer.read(DOCUMENT_CHARS + 1)
        if answer.headers.get("Content-Encoding") == "gzip":
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
                body = packed.read(DOCUMENT_CHARS + 1)
    if len(body) > DOCUMENT_CHARS:
        detail = f"one answer is longer than {DOCUMENT_CHARS >> 20} MiB"
        raise SourceError(name, detail, hint="ask with a smaller limit")
    return body


def _refusal(error: HTTPError) -> str:
    with error:
        text = error.read(2000).decode("utf-8", "replace").strip().splitlines()
    return f"Loki refuses ({error.code} {error.reason}){': ' + text[0][:300] if text else ''}"


def _hint(code: int) -> str:
    if code == 401:
        return "set LOKI_USERNAME and LOKI_PASSWORD, or LOKI_BEARER_TOKEN"
    if code == 400:
        return "is the query valid, and the limit within the server's?"
    if code == 404:
        return "is Loki behind a path? give it: loki://host/path?query=…"
    return ""
