"""Proxy and TLS settings, as `logcli` and Go programs take them from the environment.

Source: grafana/loki `pkg/logcli/client/client.go`; Go's `http.ProxyFromEnvironment`, which uses none for this machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager, disable_warnings, make_headers
from urllib3.exceptions import InsecureRequestWarning

from ztflow.read.sources.http_server import CA_CERT, CLIENT_CERT, CLIENT_KEY, PROXY_URL, SKIP_VERIFY, Server

_FILES = {"ca_certs": CA_CERT, "cert_file": CLIENT_CERT, "key_file": CLIENT_KEY}


def connections(server: Server) -> PoolManager:
    """Connections with the proxy and the TLS settings that go with a server.

    Raises:
        OSError: A certificate or key cannot be read.
        urllib3.exceptions.HTTPError: The proxy's address cannot be understood.
    """
    settings = server.transport
    options: dict[str, Any] = {key: _file(settings.get(variable)) for key, variable in _FILES.items()}
    if settings.get(SKIP_VERIFY, "").lower() in {"1", "t", "true"}:
        options["cert_reqs"] = "CERT_NONE"
        disable_warnings(InsecureRequestWarning)  # it was asked for
    options = {key: value for key, value in options.items() if value}
    proxy = _proxy(server)
    if not proxy:
        return PoolManager(num_pools=1, maxsize=1, **options)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    userinfo = urlsplit(proxy).netloc.rpartition("@")[0]
    headers = make_headers(proxy_basic_auth=userinfo) if userinfo else None
    return ProxyManager(proxy, num_pools=1, maxsize=1, proxy_headers=headers, **options)


def _file(path: str | None) -> str | None:
    """A path that can be opened, which a connection would try again and again."""
    if path:
        Path(path).open("rb").close()
    return path


def _proxy(server: Server) -> str | None:
    parts = urlsplit(server.address)
    host = parts.hostname or ""
    if named := server.transport.get(PROXY_URL):
        return named
    if host == "localhost" or host.startswith("127.") or host == "::1" or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
