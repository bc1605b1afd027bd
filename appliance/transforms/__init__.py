"""Built-in transforms, one file each; `PLUGINS` names them without importing them."""

from __future__ import annotations

from appliance.api.plugin import Plugin

_CONNECT = "org.apache.kafka.connect.transforms"
_HERE = "appliance.transforms"


def _both(name: str) -> tuple[Plugin, Plugin]:
    module = f"{_HERE}.{name.lower()}"
    return (
        Plugin("transformation", f"{_CONNECT}.{name}$Key", f"{module}:Key"),
        Plugin("transformation", f"{_CONNECT}.{name}$Value", f"{module}:Value"),
    )


PLUGINS: tuple[Plugin, ...] = (
    *_both("Cast"),
    *_both("InsertField"),
    *_both("ReplaceField"),
)
