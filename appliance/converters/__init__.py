"""Built-in converters, one file each; `PLUGINS` names them without importing them."""

from __future__ import annotations

from appliance.api.plugin import Plugin

_JSON = "appliance.converters.json:JsonConverter"

PLUGINS: tuple[Plugin, ...] = (
    Plugin("converter", "org.apache.kafka.connect.json.JsonConverter", _JSON),
    Plugin("header_converter", "org.apache.kafka.connect.json.JsonConverter", _JSON),
)
