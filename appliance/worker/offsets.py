"""A connector's offsets as users see and change them: a source's in the store, a sink's in its group.

Texts: Kafka Connect 4.3.1 Worker.{connectorOffsets, modifyConnectorOffsets}. Blocks; any thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from appliance.channel import AlterOffsets, AskGroupOffsets
from appliance.config.providers import Providers
from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError
from appliance.storage.offsets import OffsetStore
from appliance.worker.calls import Calls
from appliance.worker.plugins import Plugins
from appliance.worker.references import references

Offset = Mapping[str, Any]
Pair = tuple[Offset | None, Offset | None]

REFRESH_S: Final = 10.0


class ConnectorOffsets:
    """Reads and changes offsets; `raw` arguments are stored texts, providers unresolved."""

    def __init__(
        self,
        config: WorkerConfig,
        plugins: Plugins,
        providers: Providers,
        store: OffsetStore,
        calls: Calls,
    ) -> None:
        self._config = config
        self._plugins = plugins
        self._providers = providers
        self._store = store
        self._calls = calls

    def read(self, name: str, raw: Mapping[str, str]) -> list[tuple[Offset, Offset]]:
        """Give partition and offset of all that is stored."""
        config = self._providers.resolve(raw)
        if references(config, self._config, self._plugins)["connector"].kind == "source":
            self._store.refresh(REFRESH_S)
            return [(stored.partition, stored.offset) for stored in self._store.all_of(name)]
        answer = self._calls.ask_someone(AskGroupOffsets(self._calls.number(), name, config))
        return [(partition, offset) for partition, offset in answer]

    def alter(self, name: str, raw: Mapping[str, str], offsets: Sequence[Pair] | None) -> str:
        """Change offsets (None: reset all) and give Connect's message for the user."""
        config = self._providers.resolve(raw)
        refs = references(config, self._config, self._plugins)
        source = refs["connector"].kind == "source"
        reset = offsets is None
        pairs: list[Pair]
        if offsets is None:
            pairs = [(partition, None) for partition, _ in self.read(name, raw)]
        else:
            pairs = list(offsets)
        if source:
            check_source_pairs(pairs)
        consented = self._calls.ask_someone(
            AlterOffsets(self._calls.number(), name, config, refs, orjson.dumps(pairs), reset)
        )
        if source:
            # the connector has had its say first
            if any(partition is None and offset is not None for partition, offset in pairs):
                raise ConnectError("Partition objects cannot be null")
            self._store.put(name, [pair for pair in pairs if pair[0] is not None])
        verb = "reset" if reset else "altered"
        if consented:
            return f"The offsets for this connector have been {verb} successfully"
        return (
            f"The Connect framework-managed offsets for this connector have been {verb} successfully."
            " However, if this connector manages offsets externally, they will need to be manually"
            f" {verb} in the system that the connector uses."
        )


def check_source_pairs(pairs: Sequence[Pair]) -> None:
    """Raise ConnectError for a partition or an offset that is not flat."""
    for partition, offset in pairs:
        for field, value in [*(partition or {}).items(), *(offset or {}).items()]:
            if isinstance(value, (dict, list)):
                kind = "MAP" if isinstance(value, dict) else "ARRAY"
                raise ConnectError(
                    "Offsets may only contain primitive types as values, but field "
                    f"{field} contains {kind}"
                )
