"""What a start does: which parts of a snapshot it takes, and whether and from where it streams.

A pure decision from snapshot mode, stored offset and what is left on the server and in the history.
Semantics: Debezium's snapshotters and BinlogConnectorTask.start, error texts included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from appliance.errors import ConnectError

_NO_HISTORY = (
    "The db history topic is missing. You may attempt to recover it by reconfiguring the connector to "
    "recovery."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """`schema`/`data`: take definitions/rows anew; `stream` afterwards.

    `offset` is the stored offset to go on from, None for the position of the snapshot.
    """

    schema: bool
    data: bool
    stream: bool
    offset: Mapping[str, Any] | None = None

    @property
    def recovers(self) -> bool:
        """Whether the definitions come from the history, up to `offset`."""
        return self.offset is not None and not self.schema


def make_plan(
    parsed: Mapping[str, Any],
    offset: Mapping[str, Any] | None,
    *,
    history_exists: Callable[[], bool],
    position_available: Callable[[Mapping[str, Any]], bool],
) -> Plan:
    """Decide. Raises ConnectError where the start cannot go on without help."""
    mode = parsed["snapshot.mode"]
    base = "snapshot.mode.configuration.based"
    fresh = _FRESH.get(mode)
    if mode == "configuration_based":
        fresh = Plan(
            parsed[f"{base}.snapshot.schema"],
            parsed[f"{base}.snapshot.data"],
            parsed[f"{base}.start.stream"],
        )
    if fresh is None:
        raise ConnectError(f"snapshot.mode={mode} is not supported; use initial or when_needed")
    if not offset or not offset.get("file") or (offset.get("snapshot") and mode != "recovery"):
        if mode == "recovery":
            raise ConnectError(
                "snapshot.mode=recovery needs a stored offset, and there is none; use initial"
            )
        return fresh
    if mode == "always":
        return fresh
    return _resumed(parsed, mode, fresh, offset, history_exists, position_available)


_FRESH = {
    "initial": Plan(schema=True, data=True, stream=True),
    "initial_only": Plan(schema=True, data=True, stream=False),
    "always": Plan(schema=True, data=True, stream=True),
    "no_data": Plan(schema=True, data=False, stream=True),
    "recovery": Plan(schema=True, data=False, stream=True),
    "when_needed": Plan(schema=True, data=True, stream=True),
    "never": Plan(schema=False, data=False, stream=True),
}


def _resumed(
    parsed: Mapping[str, Any],
    mode: str,
    fresh: Plan,
    offset: Mapping[str, Any],
    history_exists: Callable[[], bool],
    position_available: Callable[[Mapping[str, Any]], bool],
) -> Plan:
    base = "snapshot.mode.configuration.based"
    on_data_error = mode == "when_needed" or (
        mode == "configuration_based" and parsed[f"{base}.snapshot.on.data.error"]
    )
    on_schema_error = mode == "when_needed" or (
        mode == "configuration_based" and parsed[f"{base}.snapshot.on.schema.error"]
    )
    if parsed["internal.log.position.check.enable"] and not position_available(offset):
        if on_data_error:
            return Plan(schema=True, data=True, stream=fresh.stream)
        raise ConnectError(
            f"The connector is trying to read change stream starting at {_shown(offset)}, but this is no "
            "longer available on the server. Reconfigure the connector to use a snapshot mode when needed."
        )
    if mode == "recovery":
        return Plan(schema=True, data=False, stream=True, offset=offset)
    if not history_exists() and mode != "never":
        if not on_schema_error:
            raise ConnectError(_NO_HISTORY)
        return Plan(schema=True, data=mode == "when_needed", stream=fresh.stream)
    return Plan(schema=False, data=False, stream=fresh.stream, offset=offset)


def _shown(offset: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={offset[key]}" for key in ("file", "pos", "gtids") if key in offset)
