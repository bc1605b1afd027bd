"""Secrets in configurations: masked in answers under `run`, and taken back unchanged when sent again.

A value `[hidden]` in a PUT or PATCH means the value stored now, so that tools which read, edit and write
keep working. Connectors that a file in `appliance.connectors.dir` owns are changed there only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from appliance.config.connectorfile import connector_files, read_connector_file
from appliance.config.types import HIDDEN
from appliance.errors import AlreadyExistsError, ConfigError, NotFoundError
from appliance.journal.journal import masked
from appliance.rest.context import Context


class Secrets:
    """What REST shows of configurations and accepts for them."""

    def __init__(self, context: Context) -> None:
        """Take the worker."""
        self._context = context
        self._enabled = context.config.masks_secrets
        folder = context.config.text("appliance.connectors.dir")
        self._folder = Path(folder) if folder else None

    def masked(self, config: Mapping[str, str | None]) -> Mapping[str, str | None]:
        """Give a configuration as it is shown."""
        return masked(config) if self._enabled else config

    async def restored(self, name: str, config: dict[str, str | None]) -> dict[str, str | None]:
        """Give a configuration with the stored values in place of masks."""
        if not self._enabled or HIDDEN not in config.values():
            return config
        try:
            stored = await self._context.wait(self._context.herder.connector_config(name))
        except NotFoundError:
            return config
        return {
            option: stored.get(option, value) if value == HIDDEN else value
            for option, value in config.items()
        }

    def check_owner(self, name: str) -> None:
        """Raise AlreadyExistsError (409) when a file owns the connector."""
        for path in connector_files(self._folder) if self._folder is not None else ():
            if _name_in(path) == name:
                raise AlreadyExistsError(
                    f"Connector {name} is defined in the file {path}. Change it there and reload the "
                    "daemon."
                )


def _name_in(path: Path) -> str | None:
    try:
        return read_connector_file(path).name
    except ConfigError:
        # a broken file owns nothing; loading it has said what is wrong
        return None
