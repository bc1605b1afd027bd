"""The option that every converter has."""

from __future__ import annotations

from appliance.config import ConfigKey, ConfigType, Importance
from appliance.config.validators import OneOf

CONVERTER_TYPE = ConfigKey(
    "converter.type",
    ConfigType.STRING,
    validator=OneOf(("key", "value", "header")),
    importance=Importance.LOW,
    doc="What the converter is used for: `key`, `value` or `header`. Set by the worker, never by hand.",
)
