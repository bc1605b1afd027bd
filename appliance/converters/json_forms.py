"""The forms that values have under a JSON Schema, where JsonConverter has others.

Semantics: Confluent JsonSchemaData. Alternatives are a struct of which one field is set, and stand in JSON as
that field alone; anything is a Variant; a map whose keys are no required texts is a list of objects with key
and value; members that no field names stand in a map of Variants, where they are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from appliance.api import NULL, Run
from appliance.converters.json_coerce import Coercion, kind_of
from appliance.converters.json_decoder import RowsUnder
from appliance.converters.json_encoder import Generator, Options
from appliance.converters.json_parser import MISSING, parse
from appliance.data import Schema, Type
from appliance.data.mapkeys import as_key
from appliance.data.schema import Field
from appliance.data.struct import unwrap, validate_value, wrap
from appliance.data.text import json_quote
from appliance.errors import DataError, SerializationError
from appliance.schemaregistry.jsonschemadata import EXTRAS, is_extras, is_object_map, is_sum
from appliance.schemaregistry.variant import VARIANT, variant_json, variant_of

_INTEGERS: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64)
_NUMBERS: Final = (*_INTEGERS, Type.FLOAT32, Type.FLOAT64)


def _is_form(schema: Schema) -> bool:
    return is_sum(schema) or schema.name == VARIANT


class FormsGenerator(Generator):
    """Writes these forms."""

    def __init__(self, options: Options, *, keep_additional: bool = False) -> None:
        """Take whether members that no field names are kept."""
        super().__init__(options)
        self._keeps = keep_additional

    def is_whole(self, schema: Schema) -> bool:
        """Whether the value is no object with a member for each field."""
        return super().is_whole(schema) or _is_form(schema)

    def is_spread(self, field: Field) -> bool:
        """Whether the field holds the members that no field names."""
        return self._keeps and is_extras(field)

    def spread(self, _schema: Schema) -> Callable[[Any, str], str]:
        """Give what writes them."""
        return _spread

    def struct_body(self, schema: Schema) -> str:
        """Give the statements that return the text of a struct `v`."""
        if not _is_form(schema):
            return super().struct_body(schema)
        null = self.null_text(schema)
        body = "" if null is None else f"    if v is None:\n        return {null!r}\n"
        if schema.name == VARIANT:
            return f"{body}    return {self.bind(variant_json)}(*v)\n"
        return body + self.sum_body(schema, null)

    def sum_body(self, schema: Schema, null: str | None) -> str:
        """Give the statements that return the text of the alternative that is set."""
        body = ""
        for field in schema.fields:
            required = field.schema.replace(optional=False, default=None)
            text = self.expression(required, "x")
            body += (
                f"    x = v[{field.index}]\n    if x is not None:\n        return f'{{{text}}}'\n"
            )
        if null is not None:
            return f"{body}    return {null!r}\n"
        return f"{body}    raise {self.bind(DataError)}('No alternative of a value is set')\n"

    def map_body(self, schema: Schema) -> str:
        """Give the statements that return the text of a map `v`."""
        if is_object_map(schema) or schema.key_schema is None or schema.value_schema is None:
            return super().map_body(schema)
        key = self.expression(schema.key_schema, "k")
        item = self.expression(schema.value_schema, "x")
        entry = f'{{{{"key":{{{key}}},"value":{{{item}}}}}}}'
        return f"    return '[' + ','.join([f'{entry}' for k, x in v.items()]) + ']'\n"


class OmittingGenerator(FormsGenerator):
    """Writes the same, leaving out members that are required and null: what was missing stays so."""

    def is_whole(self, _schema: Schema) -> bool:
        """Whether the value is written by a function of its own: all are."""
        return True

    def struct_body(self, schema: Schema) -> str:
        """Give the statements that return the text of a struct `v`."""
        if _is_form(schema):
            return super().struct_body(schema)
        null = self.null_text(schema)
        body = "" if null is None else f"    if v is None:\n        return {null!r}\n"
        body += "    members = []\n"
        last = ""
        for field in schema.fields:
            body += f"    x = v[{field.index}]\n"
            if self.is_spread(field):
                last = f" + {self.bind(self.spread(field.schema))}(v[{field.index}], members and ',' or '')"
                continue
            name = self.bind(f"{json_quote(field.name)}:")
            required = self.null_text(field.schema) is None
            body += "    if x is not None:\n    " if required else ""
            body += f"    members.append({name} + f'{{{self.expression(field.schema, 'x')}}}')\n"
        return f"{body}    return '{{' + ','.join(members){last} + '}}'\n"


def _spread(members: Mapping[str, Any] | None, before: str) -> str:
    texts = [
        f"{json_quote(name)}:{variant_json(*value)}" for name, value in (members or {}).items()
    ]
    return f"{before}{','.join(texts)}" if texts else ""


class FormsDecoder:
    """Decodes payloads of one schema; `check` is told each of them, and may raise DataError."""

    def __init__(
        self,
        schema: Schema,
        *,
        keep_additional: bool = False,
        check: Callable[[Any], None] | None = None,
    ) -> None:
        """Take the schema, and whether members that no field names are kept."""
        self._schema = schema
        self._check = check
        self._coercion = _Coercion(keep_additional=keep_additional)
        plain = check is None and _is_plain(schema, keep_additional=keep_additional)
        self._rows = RowsUnder(schema, self._exact, replace_null=True, plain=plain)

    def decode(self, payloads: Sequence[bytes]) -> list[Run]:
        """Decode in order. Raises DataError."""
        return [Run(self._schema, self._rows.rows(payloads))]

    def _exact(self, payload: bytes) -> Any:
        try:
            found = parse(payload)
            json = None if found is MISSING else found
            if self._check is not None:
                self._check(json)
            row = self._coercion.top(self._schema, json)
        except SerializationError as error:
            raise DataError(
                "Converting byte[] to Kafka Connect data failed due to serialization error: "
            ) from error
        except RecursionError as error:
            raise DataError("A JSON document is nested too deeply") from error
        return NULL if row is None else row


def _is_plain(schema: Schema, *, keep_additional: bool, above: tuple[Schema, ...] = ()) -> bool:
    """Whether JsonConverter has no other form for any value under a schema, which is finite."""
    if _is_form(schema) or any(schema is one for one in above):
        return False
    if schema.type is Type.STRUCT:
        inner = [field.schema for field in schema.fields]
        if keep_additional and any(map(is_extras, schema.fields)):
            return False
    elif schema.type is Type.ARRAY or (schema.type is Type.MAP and is_object_map(schema)):
        inner = [schema.value_schema] if schema.value_schema is not None else []
    else:
        return schema.type is not Type.MAP
    within = (*above, schema)
    return all(_is_plain(one, keep_additional=keep_additional, above=within) for one in inner)


class _Coercion(Coercion):
    """Reads these forms; a member that is missing is unset, whether required or not."""

    def __init__(self, *, keep_additional: bool) -> None:
        super().__init__(replace_null_with_default=True)
        self._keeps = keep_additional

    def top(self, schema: Schema, json: Any) -> Any:
        """Give the row; what stands inside the members of a struct must be complete."""
        row = self.row(schema, json)
        if row is not None and schema.type is Type.STRUCT:
            for field, value in zip(schema.fields, row, strict=True):
                if value is not None and not field.schema.type.is_primitive:
                    wrapped = wrap(field.schema, value)
                    validate_value(f'field: "{field.name}"', field.schema, wrapped)
        return row

    def row(self, schema: Schema, json: Any) -> Any:
        if json is not None and schema.type is Type.STRUCT:
            if is_sum(schema):
                return self._alternative(schema, json)
            if schema.name == VARIANT:
                return variant_of(json)
        return super().row(schema, json)

    def _struct(self, schema: Schema, json: Any) -> tuple[Any, ...]:
        if not isinstance(json, dict):
            raise DataError(
                f"Structs should be encoded as JSON objects, but found {kind_of(json)}"
            )
        row: list[Any] = []
        for field in schema.fields:
            if self._keeps and is_extras(field):
                row.append(_extras(schema, json))
                continue
            member = json.get(field.name, MISSING)
            if member is MISSING:
                row.append(unwrap(field.schema.default))
            else:
                row.append(self.row(field.schema, member))
        return tuple(row)

    def _map(self, schema: Schema, json: Any) -> dict[Any, Any]:
        key_schema, item = schema.key_schema, schema.value_schema
        if is_object_map(schema) or key_schema is None or item is None:
            return super()._map(schema, json)
        if not isinstance(json, list):
            raise DataError(
                "Maps with non-string fields should be encoded as JSON array of objects, but "
                f"found {kind_of(json)}"
            )
        rows: dict[Any, Any] = {}
        for entry in json:
            if not isinstance(entry, dict):
                raise DataError(f"Found invalid map entry instead of object: {kind_of(entry)}")
            if len(entry) != 2:
                raise DataError(
                    f"Found invalid map entry, expected length 2 but found :{len(entry)}"
                )
            key = self.row(key_schema, entry.get("key"))
            rows[as_key(key)] = self.row(item, entry.get("value"))
        return rows

    def _alternative(self, schema: Schema, json: Any) -> tuple[Any, ...]:
        """Give the struct of which the alternative that fits best is set."""
        best, most = None, 0
        for field in schema.fields:
            if _is_simple_of(field.schema, json):
                best = field
                break
            shared = _shared_members(field.schema, json)
            if shared > most:
                best, most = field, shared
        if best is None:
            best = next((field for field in schema.fields if _fits(field.schema, json)), None)
        if best is None:
            raise DataError("Did not find matching oneof field for data")
        row: list[Any] = [None] * len(schema.fields)
        row[best.index] = self.row(best.schema, json)
        return tuple(row)


def _extras(schema: Schema, json: Mapping[str, Any]) -> dict[str, Any] | None:
    if EXTRAS in json:
        raise DataError(
            f"JSON payload contains a property named '{EXTRAS}' which collides with the reserved "
            "field name for preserve.additional.properties=true. Rename the property in the source "
            "data or disable the config."
        )
    extras = {
        name: variant_of(value) for name, value in json.items() if schema.field(name) is None
    }
    return extras or None


def _is_simple_of(schema: Schema, json: Any) -> bool:
    """Whether a value is plainly of a type other than a struct."""
    if schema.type in _NUMBERS:
        whole = isinstance(json, int) and not isinstance(json, bool)
        return whole or (schema.type not in _INTEGERS and _is_number(json))
    if schema.type is Type.BOOLEAN:
        return isinstance(json, bool)
    if schema.type is Type.STRING:
        return isinstance(json, str)
    if schema.type is Type.ARRAY:
        return isinstance(json, list)
    return schema.type is Type.MAP and isinstance(json, (dict, list))


def _is_number(json: Any) -> bool:
    return not isinstance(json, (bool, str, list, dict))


def _shared_members(schema: Schema, json: Any) -> int:
    """Count the members that a struct and an object have both, at all depths."""
    if schema.type is not Type.STRUCT or not isinstance(json, dict):
        return 0
    shared = [field for field in schema.fields if field.name in json]
    return len(shared) + sum(_shared_members(f.schema, json[f.name]) for f in shared)


def _fits(schema: Schema, json: Any) -> bool:
    """Whether a value may be read at all: bytes, alternatives inside, structs without members."""
    if schema.type is Type.BYTES:
        return isinstance(json, str) or (schema.name is not None and _is_number(json))
    if is_sum(schema):
        return any(
            _is_simple_of(f.schema, json)
            or _shared_members(f.schema, json)
            or _fits(f.schema, json)
            for f in schema.fields
        )
    if schema.type is not Type.STRUCT:
        return False
    if schema.name == VARIANT:
        return True
    return isinstance(json, dict) and all(field.schema.optional for field in schema.fields)
