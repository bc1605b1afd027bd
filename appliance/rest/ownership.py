"""Who may change a connector: one that a file owns is changed in the file only.

The owner stands in the stored configuration, so every worker of the group knows it. The header by which a
worker says that it acts for a file counts in a request that is signed with the group's session key alone.
An administrator takes a connector from its file with `?release=true`: the host may be gone for good.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from appliance.config.connectorfile import OWNER_HEADER, OWNER_KEY
from appliance.errors import AlreadyExistsError, NotFoundError
from appliance.rest.context import Context
from appliance.rest.errors import RestError
from appliance.rest.trust import FORWARDED

_UNSIGNED: Final = (
    f"The header {OWNER_HEADER} is a worker's, and counts in a request alone that is signed with the group's "
    "session key. Leave it away."
)


class Ownership:
    """Tells requests for a file from all others."""

    def __init__(self, context: Context) -> None:
        """Take the worker."""
        self._context = context

    async def check(self, request: Request, name: str) -> None:
        """Raise AlreadyExistsError (409) naming the file when one owns the connector.

        Raises RestError 409 when somebody else says that he acts for a file: a worker, whose key is not
        known here yet, asks again.
        """
        if _acts_for_file(request) or is_release(request):
            return
        owner = await self._owner(name)
        if owner:
            host, _, path = owner.partition(":")
            raise AlreadyExistsError(
                f"Connector {name} is defined in the file {path} of {host}. Change it there, then "
                "`systemctl reload ingest-appliance`. If that host or file is gone for good, release it with "
                f"`ingest-appliance patch {name} --release`."
            )
        if OWNER_HEADER in request.headers:
            raise RestError(409, _UNSIGNED)

    async def _owner(self, name: str) -> str | None:
        try:
            stored = await self._context.wait(self._context.herder.connector_config(name))
        except NotFoundError:
            return None
        return stored.get(OWNER_KEY)


def is_release(request: Request) -> bool:
    """Tell whether a change takes the connector from its file."""
    return request.query_params.get("release", "").lower() == "true"


def without_owner(request: Request, config: dict[str, str | None]) -> dict[str, str | None]:
    """Give a configuration as its sender may write it: a copy of a file's connector has no file."""
    if not _acts_for_file(request):
        config.pop(OWNER_KEY, None)
    return config


def _acts_for_file(request: Request) -> bool:
    return OWNER_HEADER in request.headers and FORWARDED in request.scope
