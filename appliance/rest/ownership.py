"""Who may change a connector: one that a file owns is changed in the file only.

The owner stands in the stored configuration, so every worker of the group knows it.
"""

from __future__ import annotations

from starlette.requests import Request

from appliance.config.connectorfile import OWNER_HEADER, OWNER_KEY
from appliance.errors import AlreadyExistsError, NotFoundError
from appliance.rest.context import Context


class Ownership:
    """Tells requests for a file from all others."""

    def __init__(self, context: Context) -> None:
        """Take the worker."""
        self._context = context

    async def check(self, request: Request, name: str) -> None:
        """Raise AlreadyExistsError (409) naming the file when one owns the connector."""
        try:
            stored = await self._context.wait(self._context.herder.connector_config(name))
        except NotFoundError:
            return
        owner = stored.get(OWNER_KEY)
        if owner and request.headers.get(OWNER_HEADER) is None:
            host, _, path = owner.partition(":")
            raise AlreadyExistsError(
                f"Connector {name} is defined in the file {path} of {host}. Change it there, then "
                "`systemctl reload ingest-appliance`."
            )


def without_owner(request: Request, config: dict[str, str | None]) -> dict[str, str | None]:
    """Give a configuration as its sender may write it: a copy of a file's connector has no file."""
    if request.headers.get(OWNER_HEADER) is None:
        config.pop(OWNER_KEY, None)
    return config
