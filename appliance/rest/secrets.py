"""Secrets in configurations: masked in answers under `run`, and taken back unchanged when sent again.

A value `[hidden]` in a PUT or PATCH means the value stored now, so that tools which read, edit and write
keep working.
"""

from __future__ import annotations

from collections.abc import Mapping

from appliance.config.secrets import masked
from appliance.config.types import HIDDEN
from appliance.errors import NotFoundError
from appliance.rest.context import Context
from appliance.rest.users import Role


class Secrets:
    """What REST shows of configurations and accepts for them."""

    def __init__(self, context: Context) -> None:
        """Take the worker."""
        self._context = context
        self._enabled = context.config.masks_secrets

    def masked(self, config: Mapping[str, str | None]) -> Mapping[str, str | None]:
        """Give a configuration as it is shown."""
        return masked(config) if self._enabled else config

    async def checkable(
        self, name: str, config: dict[str, str | None], role: Role
    ) -> dict[str, str | None]:
        """Give a configuration to be checked, with the stored values in place of masks.

        Who may not change it gets them for what is stored alone: else a password could be had by having it
        sent to another host.
        """
        found = await self.restored(name, config)
        if found is config or role is Role.ADMINISTER:
            return found
        stored = await self._context.wait(self._context.herder.connector_config(name))
        return found if found == {**stored, "name": name} else config

    async def restored(self, name: str, config: dict[str, str | None]) -> dict[str, str | None]:
        """Give a configuration with the stored values in place of masks."""
        if not self._enabled or not any(HIDDEN in (value or "") for value in config.values()):
            return config
        try:
            stored = await self._context.wait(self._context.herder.connector_config(name))
        except NotFoundError:
            return config
        shown = masked(stored)
        return {
            option: stored[option]
            if option in stored and value in (HIDDEN, shown[option])
            else value
            for option, value in config.items()
        }
