"""SwapGeometryCoordinates: the two axes of geometries change places.

Semantics: Debezium 3.6.1 io.debezium.transforms.SwapGeometryCoordinates. Only values under the schema name
of geometries are changed, at any depth of structs, lists and maps; points have a name of their own and stay.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from appliance.config import ConfigDef, ConfigType, Importance, Width
from appliance.data import Schema, Type
from appliance.data.recursive import refuse_recursion
from appliance.data.struct import unwrap
from appliance.errors import DataError
from appliance.transforms.base import PartTransform, Plan, row_by_row
from appliance.transforms.debezium.options import parsed_untrimmed, refused

_GEOMETRY: Final = "io.debezium.data.geometry.Geometry"
_EARTH: Final = frozenset({4326, 3857, 4269})
_HAS_Z, _HAS_M, _HAS_SRID = 0x80000000, 0x40000000, 0x20000000
_POINT, _LINE, _POLYGON, _COLLECTIONS = 1, 2, 3, (4, 5, 6, 7)
Convert = Callable[[Any], Any]


def swapped(wkb: bytes) -> bytes:
    """Give a geometry in well-known binary, extended or not, with x and y exchanged. Raises DataError."""
    found = bytearray(wkb)
    try:
        end = _swap(found, 0)
    except (struct.error, IndexError, RecursionError) as error:
        raise DataError(
            "A geometry's well-known binary ends too early, or is nested too deeply"
        ) from error
    return bytes(found[:end])


def _swap(data: bytearray, at: int) -> int:
    order = "<" if data[at] else ">"
    (kind,) = struct.unpack_from(f"{order}I", data, at + 1)
    at += 9 if kind & _HAS_SRID else 5
    size = 16 + 8 * (bool(kind & _HAS_Z) + bool(kind & _HAS_M))
    kind &= 0x1FFFFFFF
    if kind == _POINT:
        return _points(data, at, 1, size)
    (count,) = struct.unpack_from(f"{order}I", data, at)
    at += 4
    if kind == _LINE:
        return _points(data, at, count, size)
    if kind == _POLYGON:
        for _ in range(count):
            (corners,) = struct.unpack_from(f"{order}I", data, at)
            at = _points(data, at + 4, corners, size)
        return at
    if kind not in _COLLECTIONS:
        raise DataError(f"A geometry is of the unknown type {kind}")
    for _ in range(count):
        at = _swap(data, at)
    return at


def _points(data: bytearray, at: int, count: int, size: int) -> int:
    if at + count * size > len(data):
        raise IndexError
    for place in range(at, at + count * size, size):
        middle = place + 8
        data[place:middle], data[middle : place + 16] = (
            data[middle : place + 16],
            data[place:middle],
        )
    return at + count * size


class SwapGeometryCoordinates(PartTransform):
    """Exchanges longitude and latitude in the geometries of `srids`."""

    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        "srids",
        ConfigType.STRING,
        None,
        importance=Importance.LOW,
        width=Width.MEDIUM,
        order=1,
        display_name="Geometry SRIDs that should be considered for coordinate swapping",
        doc="Numbers of the reference systems, separated by commas; by default 4326, 3857 and 4269.",
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the option. Raises ConfigError."""
        text = parsed_untrimmed(self.config_def, config)["srids"]
        try:
            self._srids = (
                _EARTH if text is None else frozenset(map(int, text.rstrip(",").split(",")))
            )
        except ValueError as error:
            raise refused("srids", text, "A list of whole numbers is expected") from error

    def plan(self, schema: Schema | None) -> Plan:
        """Give the plan; values without geometries pass."""
        whole = schema is not None and schema.type is Type.STRUCT
        convert = self._struct(schema) if schema is not None and whole else None
        if convert is None:
            return Plan(schema, lambda rows, _batch: rows)
        return Plan(schema, row_by_row(convert))

    def _converter(self, schema: Schema) -> Convert | None:
        """Give what changes a value of a schema, None where nothing can change."""
        if schema.type is Type.ARRAY and schema.value_schema is not None:
            item = self._converter(schema.value_schema)
            if item is None:
                return None
            change = _optional(item)
            return _optional(lambda value: [*map(change, value)])
        if schema.type is Type.MAP and schema.value_schema is not None:
            member = self._converter(schema.value_schema)
            if member is None:
                return None
            of_member = _optional(member)
            return _optional(lambda value: {k: of_member(v) for k, v in value.items()})
        if schema.type is not Type.STRUCT:
            return None
        refuse_recursion(schema, "geometries inside cannot be changed")
        if schema.name == _GEOMETRY:
            return self._geometry(schema)
        return self._struct(schema)

    def _struct(self, schema: Schema) -> Convert | None:
        """Give what changes a struct: geometries inside, and nulls that have a default."""
        parts = [self._converter(field.schema) for field in schema.fields]
        changes = [
            (field.index, _optional(part or _same), unwrap(field.schema.default))
            for field, part in zip(schema.fields, parts, strict=True)
            if part is not None or field.schema.default is not None
        ]
        if not changes:
            return None

        def convert(row: Any) -> Any:
            values = list(row)
            for place, change, default in changes:
                values[place] = change(default if values[place] is None else values[place])
            return tuple(values)

        return convert

    def _geometry(self, schema: Schema) -> Convert | None:
        srid, wkb = schema.field("srid"), schema.field("wkb")
        if srid is None or wkb is None:
            return None
        system, place = srid.index, wkb.index

        def convert(row: Any) -> Any:
            if row[system] not in self._srids or row[place] is None:
                return row
            return (*row[:place], swapped(bytes(row[place])), *row[place + 1 :])

        return convert


def _same(value: Any) -> Any:
    return value


def _optional(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)
