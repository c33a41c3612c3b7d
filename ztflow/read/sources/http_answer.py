"""What Loki and Prometheus answer over HTTP: decompressed, and the envelope both have (`status`, `data`, `resultType`).

Source: grafana/loki `docs/sources/reference/loki-http-api.md`; prometheus/prometheus `docs/querying/api.md`.
"""

from __future__ import annotations

from typing import Any

import orjson

from ztflow.errors import SourceError
from ztflow.read.limits import DOCUMENT_CHARS
from ztflow.read.sources.compression import compression_of, decompressed


class TooBigError(SourceError):
    """An answer longer than is held; a smaller limit would help."""


def unpacked(body: bytes, encoding: str, name: str) -> bytes:
    """The body of an answer, decompressed.

    Args:
        body: As it came.
        encoding: `Content-Encoding`. A proxy may compress without saying so, or say so without compressing.
        name: The input's name, for messages.

    Raises:
        SourceError: It is cut, damaged, too long, or compressed in a way nobody asked for.
    """
    packed = compression_of(body[:8])
    if packed is None:
        if encoding in {"gzip", "x-gzip"} and body[:1] not in {b"", b"{", b"<"}:
            raise SourceError(name, "the answer is damaged: it is said to be gzip and is not")
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise SourceError(name, f"the answer is compressed as {encoding[:20]!r}, which was not asked for")
        return body
    pieces, size = [], 0
    try:
        for piece in decompressed(iter((body,)), packed, name):
            pieces.append(piece)
            size += len(piece)
            if size > DOCUMENT_CHARS:
                break
    except SourceError as error:
        raise SourceError(name, f"the answer is damaged: {error.detail}") from error
    if size > DOCUMENT_CHARS:
        raise TooBigError(name, f"one answer is longer than {DOCUMENT_CHARS >> 20} MiB")
    return b"".join(pieces)


def data_of(body: bytes, name: str, address: str, product: str) -> dict[str, Any]:
    """`data` of an answer.

    Args:
        body: The answer.
        name: The input's name, for messages.
        address: Where it came from.
        product: What should have answered, in words.

    Raises:
        SourceError: It is not JSON, or not of that product.
    """
    hint = f"is {address} a {product}?"
    try:
        value = orjson.loads(body)
    except ValueError as error:
        text = body[:60].decode("utf-8", "replace").strip()
        what = "is empty" if not text else f'begins with "{text.splitlines()[0]}" and is no JSON: {error}'
        raise SourceError(name, f"the answer is not {product}'s: it {what}", hint=hint) from error
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("resultType"), str) or "result" not in data:
        raise SourceError(
            name, f"the answer is not {product}'s: it has no data with a resultType and a result", hint=hint
        )
    if value.get("status", "success") != "success":
        raise SourceError(name, f"{product} says {short(value['status'])} instead of success", hint=hint)
    return data


def short(value: Any) -> str:
    """A value for a message; a long one is not cut, for the cut might go through a password."""
    text = "".join(one if one.isprintable() else " " for one in str(value))
    return f'"{text}"' if len(text) <= 40 else "a long text"
