"""How Debezium's transforms read their options: text as it stands, blanks included.

Semantics: io.debezium.config.Configuration, which does not trim as Kafka's own definitions do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.config import ConfigDef, ConfigType
from appliance.errors import ConfigError


def parsed_untrimmed(definition: ConfigDef, config: Mapping[str, str]) -> dict[str, Any]:
    """Give the parsed options, those of type STRING as written. Raises ConfigError."""
    found = dict(definition.parse(config))
    for name, key in definition.keys.items():
        text = config.get(name)
        if key.type is ConfigType.STRING and isinstance(text, str):
            found[name] = text
    return found


def refused(name: str, value: Any, why: str) -> ConfigError:
    """Give the error of an option in Debezium's words."""
    return ConfigError.invalid(name, value, f"The '{name}' value is invalid: {why}")
