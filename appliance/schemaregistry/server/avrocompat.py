"""Whether data written with one Avro schema can be read with another, and why not.

Semantics: Avro's schema resolution (SchemaCompatibility): promotions, aliases of the reader, defaults,
enum defaults, union branches. Findings are in Confluent's form, with a path into the reader's schema.
"""

from __future__ import annotations

from typing import Final

from appliance.schemaregistry.server.avroschema import MISSING, Node

_PROMOTIONS: Final = {
    "long": {"int"},
    "float": {"int", "long"},
    "double": {"int", "long", "float"},
    "string": {"bytes"},
    "bytes": {"string"},
}


def finding(kind: str, description: str, info: str) -> str:
    """Give one incompatibility as text."""
    return f"{{errorType:'{kind}', description:'{description}', additionalInfo:'{info}'}}"


def avro_incompatibilities(reader: Node, writer: Node) -> list[str]:
    """Give why `reader` cannot read what `writer` wrote; empty when it can."""
    return _Resolver().compare(reader, writer, "")


class _Resolver:
    """Compares pairs of types, each pair of named ones once (they may contain themselves)."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], list[str]] = {}

    def compare(self, reader: Node, writer: Node, path: str) -> list[str]:
        key = (id(reader), id(writer))
        if key in self._known:
            return self._known[key]
        self._known[key] = []
        found = self._known[key] = self._compared(reader, writer, path)
        return found

    def _compared(self, reader: Node, writer: Node, path: str) -> list[str]:
        if writer.kind == "union":
            return self._written_union(reader, writer, path)
        if reader.kind == "union":
            if any(not self.compare(branch, writer, path) for branch in reader.branches):
                return []
            why = (
                f"The %s schema is missing a type inside a union field at path '{path or '/'}' in "
                "the %s schema"
            )
            return [
                finding(
                    "MISSING_UNION_BRANCH",
                    why,
                    f"reader union lacking writer type: {writer.kind.upper()}",
                )
            ]
        if reader.kind != writer.kind:
            if writer.kind in _PROMOTIONS.get(reader.kind, ()):
                return []
            why = (
                f"The type (path '{path or '/'}') of a field in the %s schema does not match with "
                "the %s schema"
            )
            info = (
                f"reader type: {reader.kind.upper()} not compatible with "
                f"writer type: {writer.kind.upper()}"
            )
            return [finding("TYPE_MISMATCH", why, info)]
        if reader.kind in ("array", "map"):
            inner = "items" if reader.kind == "array" else "values"
            return self.compare(reader.items, writer.items, f"{path}/{inner}")
        if reader.kind == "record":
            return self._names(reader, writer, path) or self._records(reader, writer, path)
        if reader.kind == "enum":
            return self._names(reader, writer, path) or _enums(reader, writer, path)
        if reader.kind == "fixed":
            return self._names(reader, writer, path) or _fixed(reader, writer, path)
        return []

    def _written_union(self, reader: Node, writer: Node, path: str) -> list[str]:
        found: list[str] = []
        for i, branch in enumerate(writer.branches):
            found.extend(self.compare(reader, branch, f"{path}/{i}"))
        return found

    @staticmethod
    def _names(reader: Node, writer: Node, path: str) -> list[str]:
        if reader.short_name == writer.short_name or writer.name in reader.aliases:
            return []
        why = f"The name of the schema has changed (path '{path}/name')"
        return [finding("NAME_MISMATCH", why, f"expected: {writer.name}")]

    def _records(self, reader: Node, writer: Node, path: str) -> list[str]:
        found: list[str] = []
        written = {field.name: field for field in writer.fields}
        for i, field in enumerate(reader.fields):
            names = (field.name, *field.aliases)
            old = next((written[name] for name in names if name in written), None)
            at = f"{path}/fields/{i}"
            if old is not None:
                found.extend(self.compare(field.type, old.type, f"{at}/type"))
            elif field.default is MISSING:
                why = (
                    f"The field '{field.name}' at path '{at}' in the %s schema has no default value "
                    "and is missing in the %s schema"
                )
                found.append(finding("READER_FIELD_MISSING_DEFAULT_VALUE", why, field.name))
        return found


def _enums(reader: Node, writer: Node, path: str) -> list[str]:
    missing = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
    if not missing or reader.default is not MISSING:
        return []
    shown = f"[{', '.join(missing)}]"
    why = f"The %s schema is missing enum symbols '{shown}' at path '{path}/symbols' in the %s schema"
    return [finding("MISSING_ENUM_SYMBOLS", why, shown)]


def _fixed(reader: Node, writer: Node, path: str) -> list[str]:
    if reader.size == writer.size:
        return []
    why = (
        f"The size of FIXED type field at path '{path}/size' in the %s schema does not match with "
        "the %s schema"
    )
    return [finding("FIXED_SIZE_MISMATCH", why, f"expected: {writer.size}, found: {reader.size}")]
