"""What a `$ref` in a JSON Schema means: a place in it, or in a schema of another subject.

A referred schema is known by the name of the reference, by that name as an address relative to the
document's own, and by its `$id`. Nothing is fetched from anywhere. Raises DataError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urljoin

from appliance.errors import DataError

MODERN: Final = ("draft/2019-09", "draft/2020-12")


class Place(NamedTuple):
    """A part of a document, and the address that references inside it are relative to."""

    part: Any
    base: str


class Documents:
    """A JSON Schema with the schemas that it refers to."""

    def __init__(
        self,
        root: Any,
        references: Iterable[tuple[str, Any]] = (),
        *,
        ignore_modern_dialects: bool = False,
    ) -> None:
        """Know `root`, and the referred documents by the names of their references.

        Words of drafts after the seventh count where `root` says that it is of such a draft.
        """
        self.is_modern = not ignore_modern_dialects and _is_modern(root)
        self._resources: dict[str, Place] = {}
        self._bases: dict[int, str] = {}
        self._anchors: dict[tuple[str, str], Place] = {}
        self.root = Place(root, _own_address(root, ""))
        self._add(self.root)
        for name, document in references:
            address = urljoin(self.root.base, name)
            place = Place(document, _own_address(document, address))
            for known in (name, address):
                self._resources.setdefault(known, place)
            self._add(place)

    def _add(self, place: Place) -> None:
        """Note the addresses and anchors of all parts of a document."""
        waiting = [place]
        self._resources.setdefault(place.base, place)
        while waiting:
            part, base = waiting.pop()
            if isinstance(part, Mapping):
                self._bases[id(part)] = base
                for anchor in _anchors(part, is_modern=self.is_modern):
                    self._anchors.setdefault((base, anchor), Place(part, base))
            for inner in _members(part):
                at = _own_address(inner, base)
                if at != base:
                    self._resources.setdefault(at, Place(inner, at))
                waiting.append(Place(inner, at))

    def reference(self, part: Mapping[str, Any]) -> str | None:
        """Give what a part refers to, None for one that stands for itself."""
        words = ("$ref", "$dynamicRef", "$recursiveRef") if self.is_modern else ("$ref",)
        return next((part[word] for word in words if isinstance(part.get(word), str)), None)

    def find(self, reference: str, base: str) -> Place:
        """Give what a reference that stands at an address means."""
        address, _, fragment = reference.partition("#")
        place = self._resources.get(urljoin(base, address) if address else base)
        if place is None:
            place = self._resources.get(address)
        if place is not None:
            fragment = unquote(fragment)
            if not fragment:
                return place
            if fragment.startswith("/"):
                found = self._pointed(place, fragment)
                if found is None and fragment.startswith("/$defs/"):
                    found = self._pointed(place, fragment.replace("$defs", "definitions", 1))
            else:
                found = self._anchors.get((place.base, fragment))
            if found is not None:
                return found
        raise DataError(
            f"Reading a JSON Schema: the reference {reference} is neither in it nor among the "
            "references it is registered with"
        )

    def base_of(self, part: Any, base: str) -> str:
        """Give the address that references inside a part of a document at `base` are relative to."""
        return self._bases.get(id(part), base)

    def _pointed(self, place: Place, pointer: str) -> Place | None:
        part, base = place
        for step in pointer[1:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(part, Mapping) and name in part:
                part = part[name]
            elif isinstance(part, list) and name.isdecimal() and int(name) < len(part):
                part = part[int(name)]
            else:
                return None
            base = self.base_of(part, base)
        return Place(part, base)


def _own_address(part: Any, base: str) -> str:
    """Give the address of a part: its own, relative to that of what it stands in."""
    for word in ("$id", "id"):
        name = part.get(word) if isinstance(part, Mapping) else None
        if isinstance(name, str) and not name.startswith("#"):
            return urljoin(base, name.partition("#")[0])
    return base


def _anchors(part: Mapping[str, Any], *, is_modern: bool) -> Iterator[str]:
    for word in ("$anchor", "$dynamicAnchor") if is_modern else ():
        if isinstance(part.get(word), str):
            yield part[word]
    for word in ("$id", "id"):
        name = part.get(word)
        if isinstance(name, str) and name.startswith("#") and len(name) > 1:
            yield name[1:]


def _members(part: Any) -> Iterable[Any]:
    if isinstance(part, Mapping):
        return part.values()
    return part if isinstance(part, list) else ()


def _is_modern(document: Any) -> bool:
    dialect = document.get("$schema") if isinstance(document, Mapping) else None
    return isinstance(dialect, str) and any(draft in dialect for draft in MODERN)
