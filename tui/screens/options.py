"""The options of a configuration as validation tells them: groups, order, errors, defaults, values."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

from tui.filters import Filter

OTHER: Final = "Other keys"
OWN: Final = "Connector"
FRAMEWORK: Final = (
    "Common",
    "Transforms",
    "Predicates",
    "Error Handling",
    "Topic Creation",
    "Exactly Once Support",
    "offsets.topic",
)
"""The groups that every connector has."""
_TRUTH: Final = ("true", "false")


class Options:
    """What one answer of `/config/validate` says; without one every key is among the other ones."""

    def __init__(self, told: Mapping[str, Any] | None = None) -> None:
        configs = [] if told is None else told["configs"]
        self.known: dict[str, Mapping[str, Any]] = {
            entry["definition"]["name"]: entry for entry in configs
        }
        self._declared: list[str] = [] if told is None else list(told["groups"])

    @property
    def errors(self) -> dict[str, list[str]]:
        """Give the errors of each option that has some."""
        return {
            key: list(entry["value"]["errors"])
            for key, entry in self.known.items()
            if entry["value"]["errors"]
        }

    def groups(self, values: Mapping[str, str]) -> list[str]:
        """Give the groups that hold something: the connector's own first, then what every connector has."""
        used = {self.group_of(key) for key in self.known}
        found = dict.fromkeys((*self._declared, *sorted(used)))
        groups = sorted((one for one in found if one in used), key=self._rank)
        others = not groups or any(key not in self.known for key in values)
        return [*groups, OTHER] if others else groups

    def _rank(self, group: str) -> int:
        """Give the place of a group: what matters of the connector itself is why one opens the form."""
        if group == FRAMEWORK[0]:
            return 1
        if group in FRAMEWORK:
            return 3
        high = any(
            entry["definition"]["importance"] == "HIGH"
            for key, entry in self.known.items()
            if self.group_of(key) == group
        )
        return 0 if high else 2

    def group_of(self, key: str) -> str:
        """Give the group of an option."""
        entry = self.known.get(key)
        return OTHER if entry is None else str(entry["definition"]["group"] or OWN)

    def in_order(self, values: Mapping[str, str]) -> list[str]:
        """Give all options group by group as the plugin orders them, then the other keys that are set."""
        known = sorted(
            self.known,
            key=lambda key: (
                self.group_of(key),
                self.known[key]["definition"]["order_in_group"],
            ),
        )
        return [*known, *(key for key in values if key not in self.known)]

    def found(self, wanted: Filter, values: Mapping[str, str]) -> list[str]:
        """Give the options of all groups that match: what is called so before what only speaks of it."""
        keys = [
            key
            for key in self.in_order(values)
            if wanted.matches({"key": key, "doc": self._doc_of(key)})
        ]
        return sorted(keys, key=lambda key: not wanted.matches({"key": key}))

    def of_group(self, group: str, values: Mapping[str, str]) -> list[str]:
        """Give the options of a group."""
        return [key for key in self.in_order(values) if self.group_of(key) == group]

    def unfolded(self, keys: list[str], shown: Container[str]) -> list[str]:
        """Leave out options of low importance and hidden ones, except those in `shown`."""
        return [key for key in keys if key in shown or not self._is_low(key)]

    def _is_low(self, key: str) -> bool:
        entry = self.known.get(key)
        if entry is None:
            return False
        return entry["definition"]["importance"] == "LOW" or not entry["value"]["visible"]

    def _doc_of(self, key: str) -> str:
        entry = self.known.get(key)
        return "" if entry is None else str(entry["definition"]["documentation"])

    def type_of(self, key: str) -> str:
        """Give the type of an option, empty for what the plugin does not declare."""
        entry = self.known.get(key)
        return "" if entry is None else str(entry["definition"]["type"])

    def default(self, key: str) -> str:
        """Give the default of an option as text, empty for none."""
        entry = self.known.get(key)
        default = None if entry is None else entry["definition"]["default_value"]
        return "" if default is None else str(default)

    def offered(self, key: str) -> list[str]:
        """Give the values that are recommended for an option, of a switch both."""
        entry = self.known.get(key)
        recommended = [] if entry is None else entry["value"]["recommended_values"]
        found = [str(value) for value in recommended if value is not None]
        if found and self.type_of(key) == "BOOLEAN":
            found = [value.lower() for value in found]
        return found or (list(_TRUTH) if self.type_of(key) == "BOOLEAN" else [])
