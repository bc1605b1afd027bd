"""Avro schemas as the registry keeps and compares them: parsed, checked, printed again.

The printed form has no blanks, keeps docs and properties, and orders members as Java's Avro prints them;
so the same schema gets the same id whoever wrote it. Raises SchemaTextError for what is no Avro schema.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from appliance.schemaregistry.server.faults import SchemaTextError
from appliance.schemaregistry.server.jsontext import json_text

PRIMITIVES: Final = frozenset(
    ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: Final = {
    "record": {"type", "name", "namespace", "doc", "fields", "aliases"},
    "enum": {"type", "name", "namespace", "doc", "symbols", "default", "aliases"},
    "fixed": {"type", "name", "namespace", "doc", "size", "aliases"},
    "array": {"type", "items"},
    "map": {"type", "values"},
    "field": {"name", "type", "doc", "default", "order", "aliases"},
}
MISSING: Final[Any] = object()


@dataclasses.dataclass(eq=False)
class Node:
    """One type: `kind` is a primitive, record, enum, fixed, array, map or union."""

    kind: str
    name: str = ""
    doc: str | None = None
    aliases: list[str] = dataclasses.field(default_factory=list)
    props: dict[str, Any] = dataclasses.field(default_factory=dict)
    fields: list[Member] = dataclasses.field(default_factory=list)
    symbols: list[str] = dataclasses.field(default_factory=list)
    default: Any = MISSING
    size: int = 0
    items: Any = None
    branches: list[Node] = dataclasses.field(default_factory=list)
    is_referred: bool = False
    is_error: bool = False

    @property
    def short_name(self) -> str:
        """Give the name without its namespace."""
        return self.name.rpartition(".")[2]


@dataclasses.dataclass(eq=False)
class Member:
    """A field of a record."""

    name: str
    type: Node
    doc: str | None = None
    default: Any = MISSING
    order: str = "ascending"
    aliases: list[str] = dataclasses.field(default_factory=list)
    props: dict[str, Any] = dataclasses.field(default_factory=dict)


def parse_avro(text: str, references: Iterable[str] = ()) -> Node:
    """Give the schema of a text; `references` are texts of schemas it may name, those they need first."""
    names: dict[str, Node] = {}
    for reference in references:
        _parse(_loaded(reference), "", names)
    referred = list(names.values())
    node = _parse(_loaded(text), "", names)
    for other in referred:
        other.is_referred = True
    return node


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        stripped = text.strip()
        if _NAME.fullmatch(stripped.rpartition(".")[2]):
            return stripped
        raise SchemaTextError(f"the schema is no JSON ({error})") from error
    except RecursionError as error:
        raise SchemaTextError("the schema is nested too deeply") from error


def _parse(form: Any, namespace: str, names: dict[str, Node]) -> Node:
    if isinstance(form, str):
        return _named(form, namespace, names)
    if isinstance(form, list):
        return _union(form, namespace, names)
    if not isinstance(form, dict) or "type" not in form:
        raise SchemaTextError(f"a type is missing in {json.dumps(form)[:200]}")
    kind = form["type"]
    if isinstance(kind, (dict, list)):
        return _parse(kind, namespace, names)
    define = _DEFINITIONS.get(kind) if isinstance(kind, str) else None
    if define is not None:
        known = names.get(_full_name(form, namespace))
        return (
            define(form, namespace, names)
            if known is None
            else _again(known, define(form, namespace, _without(names, known)))
        )
    if kind in ("array", "map"):
        member = "items" if kind == "array" else "values"
        if member not in form:
            raise SchemaTextError(f"{member} is missing in {json.dumps(form)[:200]}")
        inner = _parse(form[member], namespace, names)
        return Node(kind, items=inner, props=_props(form, kind))
    if not isinstance(kind, str):
        raise SchemaTextError(f"a type must be a name: {json.dumps(kind)[:200]}")
    if kind in PRIMITIVES:
        return Node(kind, props={k: v for k, v in form.items() if k != "type"})
    return _named(kind, namespace, names)


def _props(form: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: value for name, value in form.items() if name not in _RESERVED[kind]}


def _named(name: str, namespace: str, names: dict[str, Node]) -> Node:
    if name in PRIMITIVES:
        return Node(name)
    full = name if "." in name or not namespace else f"{namespace}.{name}"
    found = names.get(full) or names.get(name)
    if found is None:
        raise SchemaTextError(f'"{full}" is not a defined name')
    return found


def _union(form: list[Any], namespace: str, names: dict[str, Node]) -> Node:
    branches = [_parse(branch, namespace, names) for branch in form]
    seen: set[str] = set()
    for branch in branches:
        if branch.kind == "union":
            raise SchemaTextError("a union may not hold a union")
        key = branch.name or branch.kind
        if key in seen:
            raise SchemaTextError(f"duplicate in a union: {key}")
        seen.add(key)
    return Node("union", branches=branches)


def _full_name(form: Mapping[str, Any], namespace: str) -> str:
    name = form.get("name")
    if not isinstance(name, str):
        raise SchemaTextError(f"the name of a {form['type']} is missing")
    space = form.get("namespace", namespace)
    return name if "." in name or not space else f"{space}.{name}"


def _without(names: Mapping[str, Node], known: Node) -> dict[str, Node]:
    return {name: node for name, node in names.items() if node is not known}


def _again(known: Node, node: Node) -> Node:
    """Give a type that is defined once more, which it may be when nothing differs."""
    if canonical(known) != canonical(node):
        raise SchemaTextError(f"can't redefine: {known.name}")
    return known


def _defined(form: Mapping[str, Any], namespace: str, names: dict[str, Node], kind: str) -> Node:
    name = _full_name(form, namespace)
    for part in name.split("."):
        if not _NAME.fullmatch(part):
            raise SchemaTextError(f"illegal name: {name}")
    if name.rpartition(".")[2] in PRIMITIVES and "." not in name:
        raise SchemaTextError(f"a {kind} may not be called {name}")
    aliases = [_absolute(alias, name) for alias in form.get("aliases") or ()]
    node = Node(kind, name=name, doc=form.get("doc"), aliases=aliases, props=_props(form, kind))
    names[name] = node
    return node


def _absolute(alias: str, name: str) -> str:
    space = name.rpartition(".")[0]
    return alias if "." in alias or not space else f"{space}.{alias}"


def _record(form: Mapping[str, Any], namespace: str, names: dict[str, Node]) -> Node:
    node = _defined(form, namespace, names, "record")
    node.is_error = form["type"] == "error"
    members = form.get("fields")
    if not isinstance(members, list):
        raise SchemaTextError(f"the record {node.name} has no fields")
    space = node.name.rpartition(".")[0]
    seen: set[str] = set()
    for member in members:
        field = _member(member, space, names, node.name)
        if field.name in seen:
            raise SchemaTextError(f"duplicate field {field.name} in record {node.name}")
        seen.add(field.name)
        node.fields.append(field)
    return node


def _member(form: Any, namespace: str, names: dict[str, Node], record: str) -> Member:
    if not isinstance(form, dict) or not isinstance(form.get("name"), str) or "type" not in form:
        raise SchemaTextError(f"a field of {record} lacks its name or type")
    if not _NAME.fullmatch(form["name"]):
        raise SchemaTextError(f"illegal character in the field name {form['name']} of {record}")
    field = Member(
        form["name"],
        _parse(form["type"], namespace, names),
        form.get("doc"),
        form.get("default", MISSING),
        form.get("order", "ascending"),
        list(form.get("aliases") or ()),
        _props(form, "field"),
    )
    if field.default is not MISSING and not default_fits(field.type, field.default):
        raise SchemaTextError(
            f"invalid default for field {record}.{field.name}: {json.dumps(field.default)[:100]}"
        )
    return field


def default_fits(node: Node, value: Any) -> bool:
    """Whether a default in JSON is one of the type; a union's is of its first branch."""
    kind = node.kind
    if kind == "union":
        return any(default_fits(branch, value) for branch in node.branches)
    if kind == "null":
        return value is None
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("int", "long"):
        bound = 2 ** (31 if kind == "int" else 63)
        return (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and value == int(value)
            and -bound <= value < bound
        )
    if kind in ("float", "double"):
        special = ("NaN", "Infinity", "-Infinity", "INF", "-INF")
        return (
            isinstance(value, (int, float)) and not isinstance(value, bool)
        ) or value in special
    if kind == "array":
        return isinstance(value, list) and all(default_fits(node.items, item) for item in value)
    if kind == "map":
        return isinstance(value, dict) and all(
            default_fits(node.items, item) for item in value.values()
        )
    if kind == "record":
        return isinstance(value, dict) and all(
            default_fits(f.type, value[f.name]) if f.name in value else f.default is not MISSING
            for f in node.fields
        )
    return isinstance(value, str)


def _enum(form: Mapping[str, Any], namespace: str, names: dict[str, Node]) -> Node:
    node = _defined(form, namespace, names, "enum")
    symbols = form.get("symbols")
    if not isinstance(symbols, list) or not all(
        isinstance(symbol, str) and _NAME.fullmatch(symbol) for symbol in symbols
    ):
        raise SchemaTextError(f"the enum {node.name} has no proper symbols")
    if len(set(symbols)) < len(symbols):
        raise SchemaTextError(f"duplicate symbol in the enum {node.name}")
    node.symbols = symbols
    node.default = form.get("default", MISSING)
    if node.default is not MISSING and node.default not in symbols:
        raise SchemaTextError(
            f"the enum default {node.default} is not in the symbols of {node.name}"
        )
    return node


def _fixed(form: Mapping[str, Any], namespace: str, names: dict[str, Node]) -> Node:
    node = _defined(form, namespace, names, "fixed")
    if not isinstance(form.get("size"), int) or form["size"] < 0:
        raise SchemaTextError(f"the fixed {node.name} has no proper size")
    node.size = form["size"]
    return node


_DEFINITIONS: Final = {"record": _record, "error": _record, "enum": _enum, "fixed": _fixed}


def canonical(node: Node) -> str:
    """Give the text that the registry keeps."""
    return json_text(_form(node, "", set()))


def _form(node: Node, namespace: str, written: set[str]) -> Any:
    if node.kind == "union":
        return [_form(branch, namespace, written) for branch in node.branches]
    if node.name:
        return _definition(node, namespace, written)
    if node.kind in PRIMITIVES:
        return {"type": node.kind, **node.props} if node.props else node.kind
    member = "items" if node.kind == "array" else "values"
    return {"type": node.kind, member: _form(node.items, namespace, written), **node.props}


def _definition(node: Node, namespace: str, written: set[str]) -> Any:
    space, _, short = node.name.rpartition(".")
    if node.name in written or node.is_referred:
        return short if space == namespace else node.name
    written.add(node.name)
    form: dict[str, Any] = {"type": "error" if node.is_error else node.kind, "name": short}
    if space != namespace:
        form["namespace"] = space
    if node.doc is not None:
        form["doc"] = node.doc
    if node.kind == "record":
        form["fields"] = [_field_form(field, space, written) for field in node.fields]
    elif node.kind == "enum":
        form["symbols"] = node.symbols
        if node.default is not MISSING:
            form["default"] = node.default
    else:
        form["size"] = node.size
    form.update(node.props)
    if node.aliases:
        form["aliases"] = [
            alias.removeprefix(f"{space}.") if space else alias for alias in node.aliases
        ]
    return form


def _field_form(field: Member, namespace: str, written: set[str]) -> dict[str, Any]:
    form: dict[str, Any] = {"name": field.name, "type": _form(field.type, namespace, written)}
    if field.doc is not None:
        form["doc"] = field.doc
    if field.default is not MISSING:
        form["default"] = field.default
    if field.order != "ascending":
        form["order"] = field.order
    if field.aliases:
        form["aliases"] = field.aliases
    form.update(field.props)
    return form
