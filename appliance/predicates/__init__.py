"""Built-in predicates; `PLUGINS` names them without importing them."""

from __future__ import annotations

from appliance.api.plugin import Plugin

PLUGINS: tuple[Plugin, ...] = tuple(
    Plugin(
        "predicate",
        f"org.apache.kafka.connect.transforms.predicates.{name}",
        f"appliance.predicates.builtin:{name}",
    )
    for name in ("HasHeaderKey", "RecordIsTombstone", "TopicNameMatches")
)
