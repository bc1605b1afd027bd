"""Previews of offsets: what a source's connector says of a start at other ones, before they are stored.

`OffsetPreviews` is the worker's side; the connector is asked in a throw-away process, with providers
resolved. Blocking; threads of REST.
"""

from __future__ import annotations

import functools
import logging
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from appliance.api.connector import Connector, OffsetChange, OffsetPreview
from appliance.config.providers import Providers
from appliance.config.worker import WorkerConfig
from appliance.kafka.clients import connector_client
from appliance.worker.plugins import Plugins
from appliance.worker.processes import Spawner
from appliance.worker.throwaway import Questions, answer

TIMEOUT_S: Final = 20.0


class OffsetPreviews:
    """Asks the connectors."""

    def __init__(self, worker: WorkerConfig, spawner: Spawner) -> None:
        """Take the worker's configuration and its handle of the spawner."""
        self._ask = Questions(worker, spawner, "appliance.worker.previews:serve", TIMEOUT_S)

    def __call__(
        self, config: Mapping[str, str | None], changes: Sequence[OffsetChange]
    ) -> list[OffsetPreview]:
        """Give one preview a change; `config` is as stored. Raises ConnectError when there is none."""
        asked = {"config": dict(config), "changes": list(changes)}
        return msgspec.json.decode(self._ask("offsets", asked), type=list[OffsetPreview])


def serve(_arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Be the throw-away process."""
    # the checks say what is wrong; the libraries' own lines would only stand in between
    logging.disable(logging.CRITICAL)
    return answer(sockets[0], _previews)


def _previews(worker: WorkerConfig, _what: str, asked: Any) -> list[OffsetPreview]:
    stored = {name: text for name, text in asked["config"].items() if text is not None}
    config = Providers.from_config(worker.originals).resolve(stored)
    plugins = Plugins.discover(worker["plugin.path"] or ())
    plugin = plugins.find_connector(
        config.get("connector.class", ""), config.get("connector.plugin.version")
    )
    connector: Connector = plugin.load()()
    changes = [OffsetChange(*change) for change in asked["changes"]]
    client_config = functools.partial(connector_client, worker, config)
    return connector.preview_offsets(config, changes, client_config)
