"""Whether a JSON value is valid under a JSON Schema, and if not, where and why.

Covers the words of draft 7 that say something of a value, except `format`, which draft 7 leaves open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance.errors import DataError
from appliance.schemaregistry.jsonreferences import Documents


def check_json(documents: Documents, json: Any) -> None:
    """Raise DataError unless the value is valid."""
    try:
        found = _Validator(documents).fault(documents.root.part, documents.root.base, json, "#")
    except (RecursionError, TypeError, ValueError, AttributeError, re.error) as error:
        raise DataError(f"Validating JSON by its schema: {error}") from error
    if found is not None:
        raise DataError(f"Validation error in JSON, Error report: {found}")


def _is_number(json: Any) -> bool:
    return json is not None and not isinstance(json, (bool, str, list, dict))


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "null": lambda json: json is None,
    "boolean": lambda json: isinstance(json, bool),
    "string": lambda json: isinstance(json, str),
    "array": lambda json: isinstance(json, list),
    "object": lambda json: isinstance(json, dict),
    "number": _is_number,
    "integer": lambda json: _is_number(json) and json == int(json),
}
_BOUNDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "minimum": lambda json, bound: json >= bound,
    "maximum": lambda json, bound: json <= bound,
    "exclusiveMinimum": lambda json, bound: isinstance(bound, bool) or json > bound,
    "exclusiveMaximum": lambda json, bound: isinstance(bound, bool) or json < bound,
    "multipleOf": lambda json, bound: float(json) % bound == 0,
}
_SIZES: Final[Mapping[type, tuple[str, str]]] = {
    str: ("minLength", "maxLength"),
    list: ("minItems", "maxItems"),
    dict: ("minProperties", "maxProperties"),
}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    if _is_number(one) and _is_number(other):
        return float(one) == float(other)
    return type(one) is type(other) and one == other


class _Validator:
    """Finds the first fault of a value under a schema at an address; `at` is its place in the value."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def fault(self, schema: Any, base: str, json: Any, at: str) -> str | None:
        if isinstance(schema, bool):
            return None if schema else f"{at}: nothing is valid here"
        base = self._documents.base_of(schema, base)
        reference = self._documents.reference(schema)
        if reference is not None:
            target, where = self._documents.find(reference, base)
            found = self.fault(target, where, json, at)
            if found is not None or not self._documents.is_modern:
                return found
        return (
            self._value(schema, json, at)
            or self._combined(schema, base, json, at)
            or (self._object(schema, base, json, at) if isinstance(json, dict) else None)
            or (self._array(schema, base, json, at) if isinstance(json, list) else None)
        )

    def _value(self, schema: Mapping[str, Any], json: Any, at: str) -> str | None:
        kinds = schema.get("type")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(kind in _TYPES and _TYPES[kind](json) for kind in kinds):
            return f"{at}: expected type: {' or '.join(kinds)}"
        if "enum" in schema and not any(_same(json, one) for one in schema["enum"]):
            return f"{at}: not a valid enum value"
        if "const" in schema and not _same(json, schema["const"]):
            return f"{at}: not the one value that is valid"
        if _is_number(json):
            for word, fits in _BOUNDS.items():
                if word in schema and not fits(json, schema[word]):
                    return f"{at}: breaks {word} {schema[word]}"
        if type(json) in _SIZES:
            low, high = _SIZES[type(json)]
            if low in schema and len(json) < schema[low]:
                return f"{at}: breaks {low} {schema[low]}"
            if high in schema and len(json) > schema[high]:
                return f"{at}: breaks {high} {schema[high]}"
        pattern = schema.get("pattern")
        if isinstance(json, str) and pattern is not None and not re.search(pattern, json):
            return f"{at}: does not match pattern {pattern}"
        return None

    def _combined(self, schema: Mapping[str, Any], base: str, json: Any, at: str) -> str | None:
        def fault(one: Any) -> str | None:
            return self.fault(one, base, json, at)

        for one in schema.get("allOf") or ():
            if (found := fault(one)) is not None:
                return found
        if "anyOf" in schema and all(fault(one) is not None for one in schema["anyOf"]):
            return f"{at}: no subschema matched out of the {len(schema['anyOf'])} of anyOf"
        if "oneOf" in schema:
            count = sum(fault(one) is None for one in schema["oneOf"])
            if count != 1:
                return f"{at}: {count} subschemas matched instead of one"
        if "not" in schema and fault(schema["not"]) is None:
            return f"{at}: is valid under what it must not be"
        if "if" in schema:
            word = "then" if fault(schema["if"]) is None else "else"
            return fault(schema.get(word, True))
        return None

    def _object(
        self, schema: Mapping[str, Any], base: str, json: Mapping[str, Any], at: str
    ) -> str | None:
        for name in schema.get("required") or ():
            if name not in json:
                return f"{at}: required key [{name}] not found"
        properties = schema.get("properties") or {}
        patterns = schema.get("patternProperties") or {}
        for name, value in json.items():
            place = f"{at}/{name}"
            found = self.fault(schema.get("propertyNames", True), base, name, place)
            rules = [properties[name]] if name in properties else []
            rules += [rule for pattern, rule in patterns.items() if re.search(pattern, name)]
            if not rules and schema.get("additionalProperties") is False:
                return f"{at}: extraneous key [{name}] is not permitted"
            for rule in rules or [schema.get("additionalProperties", True)]:
                found = found or self.fault(rule, base, value, place)
            if found is not None:
                return found
        return self._dependencies(schema, base, json, at)

    def _dependencies(
        self, schema: Mapping[str, Any], base: str, json: Mapping[str, Any], at: str
    ) -> str | None:
        for word in ("dependencies", "dependentRequired", "dependentSchemas"):
            for name, needs in (schema.get(word) or {}).items():
                if name not in json:
                    continue
                rule = {"required": needs} if isinstance(needs, list) else needs
                if (found := self.fault(rule, base, json, at)) is not None:
                    return found
        return None

    def _array(self, schema: Mapping[str, Any], base: str, json: list[Any], at: str) -> str | None:
        items, first = schema.get("items", True), schema.get("prefixItems") or []
        if isinstance(items, list):
            first, items = items, schema.get("additionalItems", True)
        for place, item in enumerate(json):
            rule = first[place] if place < len(first) else items
            if (found := self.fault(rule, base, item, f"{at}/{place}")) is not None:
                return found
        if schema.get("uniqueItems") and any(
            _same(one, other) for i, one in enumerate(json) for other in json[:i]
        ):
            return f"{at}: array items are not unique"
        contains = schema.get("contains")
        if contains is not None and all(
            self.fault(contains, base, item, at) is not None for item in json
        ):
            return f"{at}: no item is what the array must contain"
        return None
