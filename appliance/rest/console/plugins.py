"""`/appliance/v1/plugins`: what Connect's list of plugins does not tell: where from, and who uses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from appliance.api.plugin import Kind
from appliance.herder.entities import ConnectorInfo
from appliance.rest.answers import json_response
from appliance.rest.context import Context
from appliance.rest.routing import Route

BUILT_IN: Final = "built in"
_CONVERTERS: Final[Mapping[str, Kind]] = {
    "key.converter": "converter",
    "value.converter": "converter",
    "header.converter": "header_converter",
}
_CHAINS: Final[Mapping[str, Kind]] = {"transforms": "transformation", "predicates": "predicate"}


class PluginEntry(msgspec.Struct, frozen=True):
    """A plugin; `path` is the folder that it was found in, `used_by` the connectors that name it."""

    type: str
    version: str
    path: str
    used_by: list[str]
    class_: str = msgspec.field(name="class")


def routes(context: Context, prefix: str) -> list[Route]:
    """Give the route."""

    async def listed(_request: Request, _members: Mapping[str, str]) -> Response:
        """Every plugin: class, type, version, where it is from, which connectors use it."""
        users: dict[tuple[Kind, str], list[str]] = {}
        for name, info in sorted(context.herder.snapshot().connectors.items()):
            for kind, java_class in set(_used(context, info)):
                users.setdefault((kind, java_class), []).append(name)
        plugins = context.plugins
        return json_response(
            [
                PluginEntry(
                    kind,
                    version,
                    plugins.path(kind, name) or BUILT_IN,
                    users.get((kind, name), []),
                    name,
                )
                for kind, name, version in plugins.listed()
            ]
        )

    return [Route("GET", f"{prefix}/plugins", listed)]


def _used(context: Context, info: ConnectorInfo) -> Iterator[tuple[Kind, str]]:
    """Give kind and class of each plugin that a connector's own configuration names."""
    config = info.config
    named: list[tuple[Kind, str]] = []
    if info.type != "unknown":
        named.append((info.type, config.get("connector.class") or ""))
    named += [(kind, config.get(option) or "") for option, kind in _CONVERTERS.items()]
    for option, kind in _CHAINS.items():
        aliases = [one.strip() for one in (config.get(option) or "").split(",")]
        named += [(kind, config.get(f"{option}.{alias}.type") or "") for alias in aliases if alias]
    for kind, name in named:
        plugin = context.plugins.lookup(kind, name)
        if plugin is not None:
            yield kind, context.plugins.class_of(kind, plugin, name)
