"""Validators for options; `str()` of one says what is valid, in Kafka's words.

Semantics: Kafka 4.3.1 ConfigDef.Range, ValidString, ValidList, NonEmptyString and friends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from appliance.data.regex import JavaPattern
from appliance.errors import ConfigError


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """A number between `low` and `high`, both allowed; None is no bound."""

    low: float | None = None
    high: float | None = None

    def __call__(self, name: str, value: Any) -> None:
        """Raise ConfigError when out of range or None."""
        if value is None:
            raise ConfigError.invalid(name, value, "Value must be non-null")
        if self.low is not None and value < self.low:
            raise ConfigError.invalid(name, value, f"Value must be at least {self.low}")
        if self.high is not None and value > self.high:
            raise ConfigError.invalid(name, value, f"Value must be no more than {self.high}")

    def __str__(self) -> str:
        """Give Kafka's description."""
        if self.low is None:
            return f"[...,{self.high}]"
        return f"[{self.low},...]" if self.high is None else f"[{self.low},...,{self.high}]"


def at_least(low: float) -> Range:
    """Give the validator for numbers from `low` up."""
    return Range(low)


@dataclasses.dataclass(frozen=True, slots=True)
class OneOf:
    """One of some texts (ValidString), exactly or, with `ignore_case`, in any case."""

    values: tuple[str, ...]
    ignore_case: bool = False

    def __call__(self, name: str, value: Any) -> None:
        """Raise ConfigError for another text."""
        if self.ignore_case:
            if value is None or value.upper() not in {v.upper() for v in self.values}:
                shown = ", ".join(v.upper() for v in self.values)
                raise ConfigError.invalid(
                    name, value, f"String must be one of (case insensitive): {shown}"
                )
        elif value not in self.values:
            raise ConfigError.invalid(
                name, value, f"String must be one of: {', '.join(self.values)}"
            )

    def __str__(self) -> str:
        """Give Kafka's description."""
        if self.ignore_case:
            return f"(case insensitive) [{', '.join(v.upper() for v in self.values)}]"
        return f"[{', '.join(self.values)}]"


@dataclasses.dataclass(frozen=True, slots=True)
class NonEmptyString:
    """A text that is not empty; None passes."""

    def __call__(self, name: str, value: Any) -> None:
        """Raise ConfigError for an empty text."""
        if value is not None and not value:
            raise ConfigError.invalid(name, value, "String must be non-empty")

    def __str__(self) -> str:
        """Give Kafka's description."""
        return "non-empty string"


@dataclasses.dataclass(frozen=True, slots=True)
class NonEmptyWithoutControl:
    """A name: not empty and without control characters."""

    def __call__(self, name: str, value: Any) -> None:
        """Raise ConfigError for an empty text or control characters."""
        if value is None:
            return
        if not value:
            raise ConfigError.invalid(name, value, "String may not be empty")
        found = [str(ord(c)) for c in value if ord(c) < 32 or 127 <= ord(c) < 160]
        if found:
            raise ConfigError.invalid(
                name,
                value,
                "String may not contain control sequences but had the following ASCII chars: "
                + ", ".join(found),
            )

    def __str__(self) -> str:
        """Give Kafka's description."""
        return "non-empty string without ISO control characters"


@dataclasses.dataclass(frozen=True, slots=True)
class NonNull:
    """Any text but None."""

    def __call__(self, name: str, value: Any) -> None:
        """Raise ConfigError for None."""
        if value is None:
            raise ConfigError.invalid(name, value, "entry must be non null")

    def __str__(self) -> str:
        """Give Kafka's description."""
        return "non-null string"


@dataclasses.dataclass(frozen=True, slots=True)
class NonEmptyList:
    """A list with at least one element."""

    def __call__(self, name: str, value: Any) -> None:
        """Raise ConfigError for None or an empty list."""
        if not value:
            shown = "null" if value is None else "[]"
            raise ConfigError.invalid(name, shown, "Empty list")

    def __str__(self) -> str:
        """Give Kafka's description."""
        return "non-empty list"


@dataclasses.dataclass(frozen=True, slots=True)
class UniqueList:
    """A list of different, non-empty elements, at least one unless `empty_allowed`.

    When a configuration is parsed, doubles are dropped before this looks; validation reports them.
    """

    empty_allowed: bool = False
    unique: ClassVar[bool] = True

    def __call__(self, name: str, value: Any) -> None:
        """Raise ConfigError for None, an empty list, an empty element or a double."""
        if value is None:
            raise ConfigError(f"Configuration '{name}' values must not be null.")
        if not value and not self.empty_allowed:
            raise ConfigError(
                f"Configuration '{name}' must not be empty. Valid values include: any non-empty value"
            )
        if len(set(value)) != len(value):
            raise ConfigError(f"Configuration '{name}' values must not be duplicated.")
        if any(not item for item in value):
            raise ConfigError(f"Configuration '{name}' values must not be empty.")

    def __str__(self) -> str:
        """Give Kafka's description: none."""
        return ""


@dataclasses.dataclass(frozen=True, slots=True)
class ValidRegex:
    """A text that is a Java regular expression; with `non_empty` an empty one is refused."""

    non_empty: bool = False

    def __call__(self, name: str, value: Any) -> None:
        """Raise ConfigError for a text that does not compile."""
        if self.non_empty:
            NonEmptyString()(name, value)
        JavaPattern.option(name, value)

    def __str__(self) -> str:
        """Give Kafka's description."""
        return "non-empty string, valid regex" if self.non_empty else "valid regex"


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """A check of one's own, with the text that describes what is valid."""

    check: Callable[[str, Any], None]
    description: str

    def __call__(self, name: str, value: Any) -> None:
        """Run the check; it raises ConfigError."""
        self.check(name, value)

    def __str__(self) -> str:
        """Give the description."""
        return self.description
