"""Proxy and TLS settings for Loki, as `logcli` and Go programs take them from the environment.

Source: grafana/loki `pkg/logcli/client/client.go`; Go's `http.ProxyFromEnvironment`, which uses none for this machine.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager, make_headers

from ztflow.read.sources.loki import LokiQuery


def connections(query: LokiQuery) -> PoolManager:
    """Connections with the proxy and the TLS settings that go with a query.

    Raises:
        OSError: A certificate or key cannot be read.
        urllib3.exceptions.HTTPError: The proxy's address cannot be understood.
    """
    settings = query.transport
    options: dict[str, Any] = {
        "ca_certs": settings.get("LOKI_CA_CERT_PATH"),
        "cert_file": settings.get("LOKI_CLIENT_CERT_PATH"),
        "key_file": settings.get("LOKI_CLIENT_KEY_PATH"),
    }
    if settings.get("LOKI_TLS_SKIP_VERIFY", "").lower() in {"1", "t", "true"}:
        options["cert_reqs"] = "CERT_NONE"
    options = {key: value for key, value in options.items() if value}
    proxy = _proxy(query)
    if not proxy:
        return PoolManager(num_pools=1, maxsize=1, **options)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    userinfo = urlsplit(proxy).netloc.rpartition("@")[0]
    headers = make_headers(proxy_basic_auth=userinfo) if userinfo else None
    return ProxyManager(proxy, num_pools=1, maxsize=1, proxy_headers=headers, **options)


def _proxy(query: LokiQuery) -> str | None:
    parts = urlsplit(query.address)
    host = parts.hostname or ""
    if named := query.transport.get("LOKI_HTTP_PROXY_URL"):
        return named
    if host == "localhost" or host.startswith("127.") or host == "::1" or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
