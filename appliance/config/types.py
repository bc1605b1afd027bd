"""The types of options: text to value and back.

Semantics: Kafka 4.3.1 ConfigDef.parseType and ConfigDef.convertToString, error texts included.
"""

from __future__ import annotations

import enum
import re
from typing import Any, Final

from appliance.errors import ConfigError

HIDDEN: Final = "[hidden]"


class ConfigType(enum.Enum):
    """The type of an option."""

    BOOLEAN = "BOOLEAN"
    STRING = "STRING"
    INT = "INT"
    SHORT = "SHORT"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    LIST = "LIST"
    CLASS = "CLASS"
    PASSWORD = "PASSWORD"


class Password:
    """A secret text; prints as `[hidden]`, the text itself only on request."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        """Hold `value`."""
        self.value = value

    def __repr__(self) -> str:
        """Hide the text."""
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        """Compare the texts."""
        return isinstance(other, Password) and self.value == other.value

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self.value)


_RANGES: Final = {
    ConfigType.SHORT: (-(2**15), 2**15 - 1),
    ConfigType.INT: (-(2**31), 2**31 - 1),
    ConfigType.LONG: (-(2**63), 2**63 - 1),
}
_INTEGER: Final = re.compile(r"[+-]?\d+")
_DOUBLE: Final = re.compile(r"[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFdD]?)")


def parse_type(name: str, value: Any, type_: ConfigType) -> Any:
    """Give `value` (text, or already of the type) as the type asks. Raises ConfigError.

    Texts are trimmed; a LIST is split at commas, its parts trimmed; a CLASS stays the class name.
    """
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else None
    if type_ in _RANGES:
        return _parse_integer(name, value, text, type_)
    if type_ is ConfigType.BOOLEAN:
        return _parse_boolean(name, value, text)
    if type_ is ConfigType.DOUBLE:
        return _parse_double(name, value, text)
    if type_ is ConfigType.LIST:
        return _parse_list(name, value, text)
    if type_ is ConfigType.PASSWORD:
        return (
            value
            if isinstance(value, Password)
            else Password(text if text is not None else str(value))
        )
    if text is None and type_ is ConfigType.STRING:
        raise ConfigError.invalid(
            name, value, f"Expected value to be a string, but it was a {_class(value)}"
        )
    return text if text is not None else value


def _class(value: Any) -> str:
    names = {bool: "java.lang.Boolean", int: "java.lang.Integer", float: "java.lang.Double"}
    return names.get(type(value), type(value).__name__)


def _parse_boolean(name: str, value: Any, text: str | None) -> bool:
    if isinstance(value, bool):
        return value
    if text is not None and text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise ConfigError.invalid(name, value, "Expected value to be either true or false")


def _parse_integer(name: str, value: Any, text: str | None, type_: ConfigType) -> int:
    low, high = _RANGES[type_]
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif text is not None and _INTEGER.fullmatch(text):
        number = int(text)
    else:
        raise ConfigError.invalid(name, value, f"Not a number of type {type_.value}")
    if not low <= number <= high:
        raise ConfigError.invalid(name, value, f"Not a number of type {type_.value}")
    return number


def _parse_double(name: str, value: Any, text: str | None) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if text is not None and _DOUBLE.fullmatch(text):
        return float(
            text.rstrip("fFdD") if text[-1] in "fFdD" and not text.endswith("Infinity") else text
        )
    raise ConfigError.invalid(name, value, "Not a number of type DOUBLE")


def _parse_list(name: str, value: Any, text: str | None) -> list[str]:
    if isinstance(value, (list, tuple)):
        return list(value)
    if text is None:
        raise ConfigError.invalid(name, value, "Expected a comma separated list.")
    return re.split(r"\s*,\s*", text) if text else []


def text_of(value: Any, type_: ConfigType) -> str | None:
    """Give the text form of a parsed value, `[hidden]` for a PASSWORD."""
    if value is None:
        return None
    if type_ is ConfigType.PASSWORD:
        return HIDDEN
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)
