"""Structs that contain themselves: back references, tied to their struct once it is finished.

A back reference shares the fields of its struct, so that whoever walks along with a value, or reads one
field after the other, need not know of it. Only who walks a schema without a value must stop at one;
equality, hash and text do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from appliance.data.schema import Field, Schema, Type
from appliance.errors import DataError

_INHERITED: Final = ("optional", "name", "version", "doc", "parameters")


class Knot:
    """A struct that is being made, and the references to it that stand inside."""

    def __init__(self) -> None:
        """Begin without a reference."""
        self._waiting: list[BackReference] = []
        self._struct: Schema | None = None

    def reference(self, **changes: Any) -> BackReference:
        """Give a reference to the struct; `changes` are attributes that are its own."""
        made = BackReference(self, changes)
        if self._struct is None:
            self._waiting.append(made)
        else:
            made.bind(self._struct)
        return made

    def tie(self, struct: Schema) -> Schema:
        """Bind all references to the finished struct; give it. Raises DataError for no struct."""
        if self._waiting:
            if struct.type is not Type.STRUCT or isinstance(struct, BackReference):
                raise DataError(f"A schema contains itself other than in a struct: {struct}")
            self._struct = struct
            for one in self._waiting:
                one.bind(struct)
            self._waiting.clear()
        return struct


class BackReference(Schema):
    """A struct inside itself: its attributes may be its own, its fields are those of the struct."""

    __slots__ = ("_changes", "_knot")

    def __init__(self, knot: Knot, changes: dict[str, Any]) -> None:
        """Stand for the struct of `knot`; use `Knot.reference`."""
        super().__init__(Type.STRUCT)
        self._knot = knot
        self._changes = changes
        for name, value in changes.items():
            setattr(self, name, value)

    def bind(self, struct: Schema) -> None:
        """Take over the fields and what is not changed."""
        for name in _INHERITED:
            if name not in self._changes:
                setattr(self, name, getattr(struct, name))
        self._fields = struct.fields
        self._by_name = {field.name: field for field in struct.fields}

    def replace(self, **changes: Any) -> Schema:
        """Give a copy, a reference again unless its fields are other ones."""
        if "fields" in changes and changes["fields"] is not self._fields:
            return super().replace(**changes)
        own = {name: value for name, value in changes.items() if name not in ("fields", "default")}
        made = self._knot.reference(**{**self._changes, **own})
        made.default = changes.get("default", self.default)
        return made

    def __eq__(self, other: object) -> bool:
        """Compare attributes and fields; structs that are being compared are taken for equal."""
        if self is other:
            return True
        if not isinstance(other, BackReference):
            return False
        if any(getattr(self, name) != getattr(other, name) for name in _INHERITED):
            return False
        return self.fields is other.fields or _fields_equal(self.fields, other.fields)

    def __hash__(self) -> int:
        """Hash what does not lead back here."""
        return hash((self.optional, self.name, self.version, len(self._fields or ())))


class _Assumed(threading.local):
    """Pairs of fields that a comparison under way takes for equal."""

    def __init__(self) -> None:
        self.pairs: set[tuple[int, int]] = set()


_assumed: Final = _Assumed()


def _fields_equal(one: tuple[Field, ...], other: tuple[Field, ...]) -> bool:
    """Compare fields, a pair once within the outermost comparison: a difference anywhere ends it."""
    pairs = _assumed.pairs
    pair = (id(one), id(other))
    if pair in pairs:
        return True
    is_outermost = not pairs
    pairs.add(pair)
    try:
        return one == other
    finally:
        if is_outermost:
            pairs.clear()


class Later:
    """A function that others hold before it is made: what works on a struct, for the struct inside."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        """Wait for `made` to be set."""
        self.made: Callable[..., Any]

    def __call__(self, *given: Any) -> Any:
        """Call the function."""
        return self.made(*given)


def node_of(struct: Schema) -> int:
    """Give what a struct and all references to it share: a number that is theirs while they live."""
    return id(struct.fields)


def back_references(schema: Schema) -> set[int]:
    """Give the nodes that a schema holds references to."""
    found: set[int] = set()
    walked: set[int] = set()
    waiting: list[Schema | None] = [schema]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in walked:
            continue
        walked.add(id(one))
        if isinstance(one, BackReference):
            if node_of(one) in found:
                continue
            found.add(node_of(one))
        if one.type is Type.STRUCT:
            waiting.extend(field.schema for field in one.fields)
        elif not one.type.is_primitive:
            waiting.append(one.value_schema)
            waiting.append(one.key_schema if one.type is Type.MAP else None)
    return found


def refuse_recursion(schema: Schema, why: str) -> None:
    """Raise DataError for a back reference, on behalf of what can only take schemas with an end."""
    if isinstance(schema, BackReference):
        raise DataError(f"The struct {schema.name or 'without a name'} contains itself: {why}")
