"""Whether what one JSON Schema accepts the other accepts too, and why not.

Covers types, properties, required, additionalProperties, items, enum and const, bounds, and combined
schemas that are equal; what it cannot tell it refuses. Findings are in Confluent's form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from appliance.schemaregistry.server.avrocompat import finding
from appliance.schemaregistry.server.faults import SchemaTextError

_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_COMBINED: Final = ("oneOf", "anyOf", "allOf", "not", "if", "then", "else")
_LIMIT: Final = 200


def parse_json_schema(text: str) -> Any:
    """Give a JSON Schema as parsed JSON. Raises SchemaTextError."""
    try:
        form = json.loads(text)
    except RecursionError as error:
        raise SchemaTextError("the schema is nested too deeply") from error
    if not isinstance(form, (dict, bool)):
        raise SchemaTextError("a JSON Schema is an object or a boolean")
    return form


def canonical_json(form: Any) -> str:
    """Give the text that the registry keeps."""
    return json.dumps(form, separators=(",", ":"), ensure_ascii=False)


def json_incompatibilities(reader: Any, writer: Any) -> list[str]:
    """Give why `reader` may refuse what `writer` accepts; empty when it never does."""
    return _Comparer(reader, writer).compare(reader, writer, "#/", 0)


class _Comparer:
    """Walks two schemas together, following references into each one's definitions."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._roots = (reader, writer)
        self._walked: set[tuple[int, int]] = set()

    def compare(self, new: Any, old: Any, path: str, depth: int) -> list[str]:
        new, old = self._resolved(new, 0), self._resolved(old, 1)
        key = (id(new), id(old))
        if new == old or new is True or new == {} or old is False or key in self._walked:
            return []
        if depth > _LIMIT:
            return [finding("SCHEMA_TOO_DEEP", "The schemas are nested too deeply", path)]
        self._walked.add(key)
        if not isinstance(new, dict) or not isinstance(old, dict):
            return [_found("TYPE_NARROWED", path, "accepts less than before")]
        found = self._combined(new, old, path, depth)
        if found is not None:
            return found
        found = _types(new, old, path)
        if found:
            return found
        return [
            *_values(new, old, path),
            *_bounds(new, old, path),
            *self._objects(new, old, path, depth),
            *self._arrays(new, old, path, depth),
        ]

    def _resolved(self, form: Any, side: int) -> Any:
        for _ in range(50):
            if not isinstance(form, dict) or not isinstance(form.get("$ref"), str):
                return form
            target: Any = self._roots[side]
            reference = form["$ref"]
            if not reference.startswith("#"):
                return form
            for part in reference.removeprefix("#").strip("/").split("/"):
                if part:
                    name = part.replace("~1", "/").replace("~0", "~")
                    target = target.get(name) if isinstance(target, dict) else None
            form = target
        return form

    def _combined(self, new: Any, old: Any, path: str, depth: int) -> list[str] | None:
        """Compare schemas with alternatives: each old one must fit a new one; None for others."""
        if any(name in form for form in (new, old) for name in ("allOf", "not", "if", "$ref")):
            return [_found("COMBINED_TYPE_CHANGED", path, "is combined in another way")]
        olds, news = _alternatives(old), _alternatives(new)
        if olds is None and news is None:
            return None
        found: list[str] = []
        for one in olds or [old]:
            tries = [self.compare(candidate, one, path, depth + 1) for candidate in news or [new]]
            if all(tries):
                found.append(_found("SUM_TYPE_NARROWED", path, "no longer has an alternative"))
        return found

    def _objects(self, new: Any, old: Any, path: str, depth: int) -> list[str]:
        found: list[str] = []
        news, olds = new.get("properties") or {}, old.get("properties") or {}
        for name in sorted(set(news) | set(olds)):
            at = f"{path}properties/{name}"
            if name in news and name in olds:
                found.extend(self.compare(news[name], olds[name], f"{at}/", depth + 1))
            elif name in olds:
                if new.get("additionalProperties", True) is False:
                    found.append(
                        _found("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", at, "is removed")
                    )
                elif isinstance(new.get("additionalProperties"), dict):
                    more = new["additionalProperties"]
                    found.extend(self.compare(more, olds[name], f"{at}/", depth + 1))
            elif old.get("additionalProperties", True) is not False and news[name] not in (
                True,
                {},
            ):
                rest = old.get("additionalProperties", True)
                if not isinstance(rest, dict) or self.compare(news[name], rest, at, depth + 1):
                    found.append(
                        _found(
                            "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL",
                            at,
                            "is added to an open object",
                        )
                    )
        required = set(new.get("required") or ()) - set(old.get("required") or ())
        for name in sorted(required):
            own = news.get(name)
            if not isinstance(own, dict) or "default" not in own:
                found.append(
                    _found("REQUIRED_ATTRIBUTE_ADDED", f"{path}required/{name}", "is required now")
                )
        return found + self._additional(new, old, path, depth)

    def _additional(self, new: Any, old: Any, path: str, depth: int) -> list[str]:
        more, less = new.get("additionalProperties", True), old.get("additionalProperties", True)
        if more is False and less is not False:
            return [_found("ADDITIONAL_PROPERTIES_REMOVED", path, "takes no other members now")]
        if isinstance(more, dict) and less is not False:
            return self.compare(more, less, f"{path}additionalProperties/", depth + 1)
        return []

    def _arrays(self, new: Any, old: Any, path: str, depth: int) -> list[str]:
        found = []
        if new.get("uniqueItems") and not old.get("uniqueItems"):
            found.append(_found("UNIQUE_ITEMS_ADDED", path, "wants unique items now"))
        items, before = new.get("items", True), old.get("items", True)
        if isinstance(items, list) or isinstance(before, list):
            if items != before:
                found.append(_found("ITEM_CHANGED", f"{path}items", "has other positions"))
            return found
        return found + self.compare(items, before, f"{path}items/", depth + 1)


def _found(kind: str, path: str, what: str) -> str:
    return finding(kind, f"The new schema at path '{path}' {what}", path)


def _alternatives(form: Mapping[str, Any]) -> list[Any] | None:
    for name in ("oneOf", "anyOf"):
        if isinstance(form.get(name), list):
            return list(form[name])
    if isinstance(form.get("type"), list):
        return [{**form, "type": one} for one in form["type"]]
    return None


def _types(new: Mapping[str, Any], old: Mapping[str, Any], path: str) -> list[str]:
    now, was = new.get("type"), old.get("type")
    if now is None or now == was or (now == "number" and was == "integer"):
        return []
    return [_found("TYPE_CHANGED", path, "has another type")]


def _values(new: Mapping[str, Any], old: Mapping[str, Any], path: str) -> list[str]:
    now = new["enum"] if "enum" in new else [new["const"]] if "const" in new else None
    was = old["enum"] if "enum" in old else [old["const"]] if "const" in old else None
    if now is None or (was is not None and all(value in now for value in was)):
        return []
    return [_found("ENUM_ARRAY_NARROWED", path, "lists fewer values")]


def _bounds(new: Mapping[str, Any], old: Mapping[str, Any], path: str) -> list[str]:
    decreased = [
        _found(f"{_shout(name)}_DECREASED", f"{path}{name}", "allows less")
        for name in _UPPER
        if name in new and (name not in old or new[name] < old[name])
    ]
    increased = [
        _found(f"{_shout(name)}_INCREASED", f"{path}{name}", "allows less")
        for name in _LOWER
        if name in new and (name not in old or new[name] > old[name])
    ]
    changed = [
        _found(f"{_shout(name)}_CHANGED", f"{path}{name}", "is another")
        for name in ("pattern", "multipleOf", "format")
        if name in new and new[name] != old.get(name)
    ]
    return [*decreased, *increased, *changed]


def _shout(name: str) -> str:
    return "".join(f"_{c}" if c.isupper() else c for c in name).upper()
