"""Who calls, and whether he may: passwords, bearer tokens, certificates, and other workers' word.

Where neither a users file nor Connect's basic authentication is configured nobody is asked, but a caller
who showed a certificate is known by its name. Calls between workers are signed and not asked again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import logging
import math
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.config.worker import WorkerConfig
from appliance.rest.answers import json_response
from appliance.rest.basicauth import BasicAuth, is_internal
from appliance.rest.cors import Cors
from appliance.rest.reach import OPEN, USERS
from appliance.rest.trust import CALLER, FORWARDED, Key, signed_caller
from appliance.rest.users import Principal, Role, UsersFile, common_name

_LOG = logging.getLogger(__name__)
CERTIFICATE: Final = "appliance.certificate"
"""Member of a request's scope: the subject of the caller's certificate, where there is one."""
HOSTS: Final = "appliance.rest.hosts"
_CHALLENGE: Final = 'Basic realm="ingest-appliance", charset="UTF-8"'
_QUIET_S: Final = 1.0
_MOST_ADDRESSES: Final = 10_000
_LONGEST_SHOWN: Final = 100
_SAFE: Final = ("GET", "HEAD", "OPTIONS")


class Access:
    """Finds out who calls; one for each worker and kind of listener."""

    def __init__(
        self,
        config: WorkerConfig,
        key: Key,
        *,
        main: bool = True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Read what is configured; `key` gives the group's session key. Raises ConfigError.

        Connect's own passwords count at the `main` listeners alone, as there.
        """
        file = config.text(USERS)
        self._users = UsersFile(Path(file)) if file else None
        self._basic = BasicAuth(config, on=main)
        self._key = key
        self._hosts = _Hosts(config)
        self._failures = _Failures(clock)
        # wrong passwords wait for each other, and nobody else for them
        self._hashing = asyncio.Lock()

    async def caller(self, request: Request) -> Principal | Response:
        """Give who calls, or the answer for somebody who may not."""
        worker = await signed_caller(self._key, request)
        if worker is not None:
            request.scope[FORWARDED] = True
            return worker
        if is_internal(request):
            # signed as well, in Connect's own way, which the herder checks
            return Principal(None, Role.ADMINISTER)
        refusal = self._hosts.refusal(request, asked=self._asks)
        if refusal is not None:
            return refusal
        if not self._asks:
            return Principal(common_name(request.scope.get(CERTIFICATE, ())), Role.ADMINISTER)
        known = await self._known(request)
        if known is not None:
            return known
        if CALLER in request.headers:
            return self._unsigned()
        self._failures.tell(request)
        return self._refused()

    def page_refusal(self, request: Request) -> Response | None:
        """Give the answer to another site's page where nobody is asked who he is, None for all else."""
        return self._hosts.refusal(request, asked=False)

    @property
    def _asks(self) -> bool:
        return self._users is not None or self._basic.asks

    async def _known(self, request: Request) -> Principal | None:
        scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
        value = value.strip()
        if scheme.lower() == "basic":
            pair = _pair(value)
            return None if pair is None else await self._of_password(*pair)
        if self._users is None:
            return None
        if scheme.lower() == "bearer":
            return self._users.of_token(value)
        return self._users.of_certificate(request.scope.get(CERTIFICATE, ()))

    async def _of_password(self, name: str, password: str) -> Principal | None:
        if self._basic.is_password(name, password):
            return Principal(name, Role.ADMINISTER)
        if self._users is None:
            return None
        known = self._users.remembered(name, password)
        if known is not None:
            return known
        async with self._hashing:
            return await asyncio.to_thread(self._users.of_password, name, password)

    @staticmethod
    def _unsigned() -> Response:
        text = (
            "A request between workers is signed with a key not known here (yet), or the clocks of two "
            "workers differ by more than 5 minutes."
        )
        return json_response({"error_code": 503, "message": text}, 503)

    def _refused(self) -> Response:
        if self._users is None:
            return self._basic.refused()
        answer = json_response(
            {
                "error_code": 401,
                "message": "Say who you are: by password, bearer token or certificate.",
            },
            401,
        )
        answer.headers["www-authenticate"] = _CHALLENGE
        return answer


class _Failures:
    """Tells of logins that failed, once a second for each address; not of who said nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told_s: dict[str, float] = {}

    def tell(self, request: Request) -> None:
        """Log who could not be known, by what he said of himself and never his secret."""
        said = _said(request)
        if said is None:
            return
        address = request.client.host if request.client is not None else "-"
        now_s = self._clock.monotonic_s()
        if now_s < self._told_s.get(address, -math.inf) + _QUIET_S:
            return
        if len(self._told_s) >= _MOST_ADDRESSES:
            self._told_s.clear()
        self._told_s[address] = now_s
        _LOG.warning(
            "A login failed: REST answered 401. address=%s %s method=%s path=%s",
            address,
            said,
            request.method,
            _shown(request.url.path),
        )


class _Hosts:
    """Keeps other sites' pages, in a browser on this machine, from calling; under `run` alone.

    A page may neither change anything (`Origin`) nor, where nobody is asked who he is, come by a name of
    its own that leads here (`Host`).
    """

    def __init__(self, config: WorkerConfig) -> None:
        self._on = config.mode == "run" and not config.flag(OPEN)
        own = {"localhost", socket.gethostname(), config.text("rest.advertised.host.name")}
        own |= {listener.host for listener in (*config.listeners, *config.registry_listeners)}
        own |= set(config[HOSTS])
        self._names = {name.lower() for name in own if name}
        self._cors = Cors(config)

    def refusal(self, request: Request, *, asked: bool) -> Response | None:
        """Give the answer to a page of another site, None for everybody else."""
        if not self._on:
            return None
        host = request.headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if not asked and name not in self._names and not _is_address(name):
            return _forbidden(
                f"REST is not called {name}: use this machine's name or address, or add the name to "
                f"{HOSTS}."
            )
        origin = request.headers.get("origin")
        if origin is None or request.method in _SAFE or self._cors.allows(origin):
            return None
        if urlsplit(origin).netloc.lower() == host.lower():
            return None
        return _forbidden(
            f"Pages of {origin} may not change anything here: see access.control.allow.origin."
        )


def forbidden(caller: Principal, needed: Role) -> Response:
    """Give the answer to a caller whose role is too small."""
    return _forbidden(
        f"{caller.name or 'This caller'} may {caller.role.word}; this needs the role {needed.word}."
    )


def _forbidden(message: str) -> Response:
    return json_response({"error_code": 403, "message": message}, 403)


def is_loopback(place: str) -> bool:
    """Tell whether an address is this machine's own."""
    return _is_address(place) and ipaddress.ip_address(place.removeprefix("::ffff:")).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _said(request: Request) -> str | None:
    """Give what a caller said of himself without its secret, None for nothing."""
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        pair = _pair(value.strip())
        return "user=(unreadable)" if pair is None else f"user={_shown(pair[0])}"
    if scheme:
        # the rest of it is a secret, or is it the whole line
        return "by=token" if scheme.lower() == "bearer" else "by=(unknown scheme)"
    subject = request.scope.get(CERTIFICATE, ())
    return f"certificate={_shown(common_name(subject) or '-')}" if subject else None


def _shown(text: str) -> str:
    """Give a text of a stranger's as what fits into a line and writes no other one."""
    return "".join(one if one.isprintable() else "?" for one in text[:_LONGEST_SHOWN])


def _pair(value: str) -> tuple[str, str] | None:
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password
