"""The way to WebHDFS and to where it redirects: never link-local, never from https to plain http."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from appliance.config.addresses import refuse_link_local
from appliance.errors import ConfigError

_WHAT = "WebHDFS"


class _Plain(HTTPConnection):
    def connect(self) -> None:
        refuse_link_local(_WHAT, self.host, self.host)
        super().connect()
        refuse_link_local(_WHAT, self.host, self.sock.getpeername()[0])


class _Secure(HTTPSConnection):
    def connect(self) -> None:
        refuse_link_local(_WHAT, self.host, self.host)
        super().connect()
        refuse_link_local(_WHAT, self.host, self.sock.getpeername()[0])


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    def __init__(self, *, tls_only: bool) -> None:
        self._tls_only = tls_only
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(str(request.url))
        if self._tls_only and parts.scheme != "https":
            raise ConfigError(
                f"reaching {_WHAT} at {parts.scheme}://{parts.netloc}: it was redirected there from an "
                "https address; set dfs.http.policy=HTTPS_ONLY on NameNodes and DataNodes"
            )
        return super().send(request, *args, **kwargs)


def guarded_session(urls: tuple[str, ...]) -> requests.Session:
    """Give a session for the NameNodes at `urls`; its calls raise ConfigError where they may not go.

    Any thread. What the environment says of proxies and logins does not count.
    """
    session = requests.Session()
    session.trust_env = False
    adapter = _Adapter(tls_only=all(url.startswith("https:") for url in urls))
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session
