"""Lists and maps as keys of a map: the same values, which can be hashed."""

from __future__ import annotations

from typing import Any


class KeyList(list[Any]):
    """A list that is the key of a map; nobody changes it."""

    def __hash__(self) -> int:  # type: ignore[override]  # a list has none
        """Give a hash of the items in order."""
        return hash(tuple(self))


class KeyMap(dict[Any, Any]):
    """A map that is the key of a map; nobody changes it."""

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none
        """Give a hash of the entries in any order."""
        return hash(frozenset(self.items()))


def as_key(value: Any) -> Any:
    """Give a value that can be the key of a map, containers at any depth included."""
    if isinstance(value, list):
        return KeyList(map(as_key, value))
    if isinstance(value, dict):
        return KeyMap((key, as_key(member)) for key, member in value.items())
    return value
