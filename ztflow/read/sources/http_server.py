"""What is asked over HTTP, where and as whom: the part of Loki's and Prometheus's addresses that is alike.

Names of environment variables are those of grafana/loki's `logcli`, with the product's name in front.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import quote, unquote

from ztflow.errors import SourceError

CA_CERT, CLIENT_CERT, CLIENT_KEY = "CA_CERT_PATH", "CLIENT_CERT_PATH", "CLIENT_KEY_PATH"
SKIP_VERIFY, PROXY_URL = "TLS_SKIP_VERIFY", "HTTP_PROXY_URL"
SETTINGS = (CA_CERT, CLIENT_CERT, CLIENT_KEY, SKIP_VERIFY, PROXY_URL)
"""Names of the environment variables, without the product's prefix."""


@dataclass(frozen=True, slots=True)
class Server:
    """What is asked, where and as whom.

    Attributes:
        name: The input's name without credentials.
        address: `http://host:port/prefix`.
        headers: Tenant and credentials.
        secrets: What no message may show, should the other side repeat it.
        transport: Proxy and TLS settings, by the names of `SETTINGS`.
        deadline: Nanoseconds the whole reading may take; None is without end.
        product: What it is, in words.
        variables: What the names of its environment variables begin with.
        example: How its address is written.
        refused: What to look at when it says that it was asked wrongly.
    """

    name: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, kw_only=True)
    secrets: tuple[str, ...] = field(default=(), repr=False, kw_only=True)
    transport: Mapping[str, str] = field(default_factory=dict, repr=False, kw_only=True)
    deadline: int | None = field(default=None, kw_only=True)
    product: ClassVar[str]
    variables: ClassVar[str]
    example: ClassVar[str]
    refused: ClassVar[str]


def settings_of(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The proxy and TLS settings of a product in the environment, by the names of `SETTINGS`."""
    found = {name: environ.get(f"{prefix}_{name}", "") for name in SETTINGS}
    return {name: value for name, value in found.items() if value}


def credentials(
    environ: Mapping[str, str], prefix: str, userinfo: str, org: str | None, shown: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The headers that say who asks, and what of them no message may show.

    Args:
        environ: `…_USERNAME`, `…_PASSWORD`, `…_BEARER_TOKEN`, `…_ORG_ID`.
        prefix: What their names begin with, without `_`.
        userinfo: `USER:PASSWORD` of the address, percent-encoded; they come first.
        org: The tenant, if the address names one.
        shown: The address as messages name it.

    Raises:
        SourceError: A token or tenant has characters that no header may have.
    """
    user, _, password = (unquote(part) for part in userinfo.partition(":"))
    user = user or environ.get(f"{prefix}_USERNAME", "")
    password = password or environ.get(f"{prefix}_PASSWORD", "")
    token = environ.get(f"{prefix}_BEARER_TOKEN", "").strip()
    headers = _headers(user, password, token, org or environ.get(f"{prefix}_ORG_ID"))
    if any(not (value.isascii() and value.isprintable()) for value in headers.values()):
        detail = f"{prefix}_BEARER_TOKEN or the tenant has characters that no HTTP header may have"
        raise SourceError(shown, detail, hint="print them with `cat -A`: is there a line end inside?")
    basic = headers.get("Authorization", "").rpartition(" ")[2]
    given = userinfo.partition(":")[2]
    return headers, tuple(filter(None, (password, quote(password, safe=""), given, token, basic)))


def _headers(user: str, password: str, token: str, org: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "ztflow"}
    if user:
        secret = f"{user}:{password}".encode("utf-8", "surrogateescape")
        headers["Authorization"] = "Basic " + base64.b64encode(secret).decode()
    elif token:
        headers["Authorization"] = f"Bearer {token}"
    if org:
        headers["X-Scope-OrgID"] = org
    return headers
