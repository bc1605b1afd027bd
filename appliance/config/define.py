"""ConfigDef: options declared once, from which parsing and validation follow.

Semantics: Kafka 4.3.1 org.apache.kafka.common.config.ConfigDef, error texts included.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, Self

from appliance.config.types import ConfigType, Password, parse_type
from appliance.errors import ConfigError

__all__ = [
    "NO_DEFAULT",
    "ConfigDef",
    "ConfigKey",
    "ConfigType",
    "ConfigValue",
    "Importance",
    "Password",
    "Recommender",
    "Validator",
    "Width",
]


class _NoDefault(enum.Enum):
    """The type of NO_DEFAULT."""

    NO_DEFAULT = "no default"


NO_DEFAULT: Final = _NoDefault.NO_DEFAULT
"""Marks an option that must be set."""


class Importance(enum.Enum):
    """How much an option matters to most users."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Width(enum.Enum):
    """How wide a form shows an option."""

    NONE = "NONE"
    SHORT = "SHORT"
    MEDIUM = "MEDIUM"
    LONG = "LONG"


class Validator(Protocol):
    """Checks a parsed value; `str()` of it describes what is valid."""

    def __call__(self, name: str, value: Any) -> None:
        """Raise ConfigError when `value` will not do for option `name`."""


class Recommender(Protocol):
    """Tells a form which values make sense and whether the option matters now."""

    def valid_values(self, name: str, parsed: Mapping[str, Any]) -> list[Any]:
        """Give the values to offer for `name`, given all parsed values."""

    def visible(self, name: str, parsed: Mapping[str, Any]) -> bool:
        """Whether `name` matters, given all parsed values."""


@dataclasses.dataclass(frozen=True, slots=True)
class ConfigKey:
    """One option: all that is known about it."""

    name: str
    type: ConfigType
    default: Any = NO_DEFAULT
    validator: Validator | None = None
    importance: Importance = Importance.MEDIUM
    doc: str = ""
    group: str | None = None
    order: int = -1
    width: Width = Width.NONE
    display_name: str | None = None
    dependents: tuple[str, ...] = ()
    recommender: Recommender | None = None
    internal: bool = False
    secret: bool = False
    since: str | None = None
    deprecated: str | None = None

    @property
    def required(self) -> bool:
        """Whether the option has no default."""
        return self.default is NO_DEFAULT

    @property
    def label(self) -> str:
        """Give the name that a form shows."""
        return self.display_name if self.display_name is not None else self.name

    @property
    def is_secret(self) -> bool:
        """Whether the value is masked wherever it is shown."""
        return self.secret or self.type is ConfigType.PASSWORD


@dataclasses.dataclass(slots=True)
class ConfigValue:
    """What validation found out about one option; `value` is parsed, None when unset or unreadable.

    `passing`: its errors are of a server that is away, and may be gone when it is asked again.
    """

    name: str
    value: Any = None
    recommended_values: list[Any] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)
    visible: bool = True
    passing: bool = False


class ConfigDef:
    """An ordered set of options. `define` chains; a definition is complete before it is shared."""

    def __init__(self, keys: Iterable[ConfigKey] = ()) -> None:
        """Start with `keys`. Raises ConfigError for a name given twice."""
        self._keys: dict[str, ConfigKey] = {}
        self._groups: list[str] = []
        for key in keys:
            self.add(key)

    @property
    def keys(self) -> Mapping[str, ConfigKey]:
        """Give the options by name, in the order of their definition."""
        return self._keys

    @property
    def groups(self) -> list[str]:
        """Give the groups in the order of their first use."""
        return self._groups

    def add(self, key: ConfigKey) -> Self:
        """Add one option. Raises ConfigError when the name is taken."""
        if key.name in self._keys:
            raise ConfigError(f"Configuration {key.name} is defined twice.")
        if key.group is not None and key.group not in self._groups:
            self._groups.append(key.group)
        self._keys[key.name] = key
        return self

    def define(
        self, name: str, type_: ConfigType, default: Any = NO_DEFAULT, **attributes: Any
    ) -> Self:
        """Add an option; `attributes` are those of ConfigKey."""
        return self.add(ConfigKey(name, type_, default, **attributes))

    def merged(self, *others: ConfigDef) -> ConfigDef:
        """Give a definition that also has the options of `others`; on a clash the later one wins."""
        keys = dict(self._keys)
        for other in others:
            keys.update(other._keys)
        return ConfigDef(keys.values())

    def parse(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Give every option's parsed value, defaults filled in. Raises ConfigError at the first fault."""
        return {name: self._parse_one(key, config) for name, key in self._keys.items()}

    def _parse_one(self, key: ConfigKey, config: Mapping[str, Any]) -> Any:
        if key.name in config:
            value = parse_type(key.name, config[key.name], key.type)
        elif key.required:
            raise ConfigError(
                f'Missing required configuration "{key.name}" which has no default value.'
            )
        else:
            value = parse_type(key.name, key.default, key.type)
        if key.validator is not None:
            if getattr(key.validator, "unique", False) and value is not None:
                value = list(dict.fromkeys(value))
            key.validator(key.name, value)
        return value

    def validate(self, config: Mapping[str, Any]) -> list[ConfigValue]:
        """Give one ConfigValue per option, with every fault found."""
        values = {name: ConfigValue(name) for name in self._keys}
        parsed: dict[str, Any] = {}
        for name, key in self._keys.items():
            found = values[name]
            found.value = parsed[name] = self._parse_for_validation(key, config, found.errors)
        for name, key in self._keys.items():
            self._recommend(key, parsed, values[name])
        return list(values.values())

    @staticmethod
    def _parse_for_validation(key: ConfigKey, config: Mapping[str, Any], errors: list[str]) -> Any:
        value: Any = None
        try:
            if key.name in config:
                value = parse_type(key.name, config[key.name], key.type)
            elif key.required:
                errors.append(
                    f'Missing required configuration "{key.name}" which has no default value.'
                )
            else:
                value = parse_type(key.name, key.default, key.type)
        except ConfigError as error:
            errors.append(str(error))
        if key.validator is not None:
            try:
                key.validator(key.name, value)
            except ConfigError as error:
                errors.append(str(error))
        return value

    @staticmethod
    def _recommend(key: ConfigKey, parsed: Mapping[str, Any], value: ConfigValue) -> None:
        if key.recommender is None:
            return
        try:
            value.recommended_values = list(key.recommender.valid_values(key.name, parsed))
            value.visible = key.recommender.visible(key.name, parsed)
        except ConfigError as error:
            value.errors.append(str(error))
