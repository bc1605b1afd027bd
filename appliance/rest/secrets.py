"""Secrets in configurations: masked in answers under `run`, and taken back unchanged when sent again.

A value `[hidden]` in a PUT or PATCH means the value stored now, so that tools which read, edit and write
keep working. Connectors that a file in `appliance.connectors.dir` owns are changed there only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from appliance.config.properties import load_properties
from appliance.config.types import HIDDEN
from appliance.errors import AlreadyExistsError, ConfigError, NotFoundError
from appliance.journal.journal import masked
from appliance.rest.context import Context

_SUFFIXES: Final = (".properties", ".json")


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
        if self._folder is None or not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            if path.suffix in _SUFFIXES and connector_name(path) == name:
                raise AlreadyExistsError(
                    f"Connector {name} is defined in the file {path}. Change it there and reload the "
                    "daemon."
                )


def connector_name(path: Path) -> str | None:
    """Give the name that a connector file has, None when it cannot be read."""
    try:
        if path.suffix == ".json":
            found = json.loads(path.read_text(encoding="utf-8"))
            name = found.get("name") if isinstance(found, dict) else None
            return None if name is None else str(name)
        return load_properties(path).get("name")
    except (OSError, ValueError, ConfigError):
        return None
