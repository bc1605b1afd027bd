"""A JSON Schema as what it is compared by: each part has one kind, or is all of several.

Semantics: the loaders of Confluent's JsonSchema (everit for drafts 4 to 7; its SchemaTranslator for later
ones, which joins what says things of the same type). References lead to parts of the document, or of those
it is registered with. Raises SchemaTextError.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from appliance.errors import DataError
from appliance.schemaregistry.jsonreferences import Documents, Place
from appliance.schemaregistry.server.faults import SchemaTextError

CRITERIA: Final = ("allOf", "anyOf", "oneOf")
_OBJECT: Final = (
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "dependencies",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
)
_ARRAY: Final = ("items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains")
_NUMBER: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_STRING: Final = ("minLength", "maxLength", "pattern", "format")
_KEYWORDS: Final = {"array": _ARRAY, "object": _OBJECT, "number": _NUMBER, "string": _STRING}
_LATER: Final[Mapping[str, str]] = {
    **{word: kind for kind, words in _KEYWORDS.items() for word in words},
    "prefixItems": "array",
    "unevaluatedItems": "array",
    "unevaluatedProperties": "object",
    "dependentRequired": "object",
    "dependentSchemas": "object",
}
_SIZES: Final = frozenset(
    f"{end}{what}" for end in ("min", "max") for what in ("Length", "Items", "Properties")
)
_TEXTS: Final = frozenset(("pattern", "title", "description", "format"))
_META_SCHEMAS: Final = ("http://json-schema.org/", "https://json-schema.org/")


@dataclasses.dataclass(eq=False, slots=True)
class Form:
    """One part: `words` are keywords with plain values, `source` the JSON that it stands for.

    `branches` are what a combined part combines, the positions of an array, or the one part that a `not`
    or a reference means. `more` tells of members and items that are not named, None when nothing does.
    """

    kind: str
    source: Any
    words: dict[str, Any] = dataclasses.field(default_factory=dict)
    criterion: str = ""
    branches: list[Form] = dataclasses.field(default_factory=list)
    properties: dict[str, Form] = dataclasses.field(default_factory=dict)
    patterns: dict[str, Form] = dataclasses.field(default_factory=dict)
    required: frozenset[str] = frozenset()
    needs: dict[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    depending: dict[str, Form] = dataclasses.field(default_factory=dict)
    values: list[Any] = dataclasses.field(default_factory=list)
    items: Form | None = None
    more: bool | Form | None = None
    unevaluated: Form | None = None
    is_joined: bool = False

    @property
    def is_anything(self) -> bool:
        """Whether every value is valid under it."""
        return self.kind in ("empty", "true")


def load_json_schema(documents: Documents) -> Form:
    """Give the form of a document. Raises SchemaTextError."""
    loader = (_LaterDrafts if documents.is_modern else _Drafts)(documents)
    try:
        return loader.load()
    except DataError as error:
        raise SchemaTextError(str(error)) from error


class _Drafts:
    """Drafts 4, 6 and 7: a `$ref` hides what stands beside it."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._made: dict[int, Form] = {}
        self._waiting: list[tuple[Form, str, str]] = []
        root = documents.root.part
        dialect = root.get("$schema") if isinstance(root, Mapping) else None
        self._is_fourth = isinstance(dialect, str) and "draft-04" in dialect

    def load(self) -> Form:
        """Give the root, its references tied."""
        form = self.form(self._documents.root.part, self._documents.root.base)
        while self._waiting:
            reference, address, base = self._waiting.pop()
            reference.branches = [self._referred(address, base)]
        return form

    def _referred(self, address: str, base: str) -> Form:
        if address.startswith(_META_SCHEMAS):
            return Form("empty", {})
        place: Place = self._documents.find(address, base)
        known = self._made.get(id(place.part))
        if known is None:
            known = self._made[id(place.part)] = self.form(place.part, place.base)
        return known

    def form(self, part: Any, base: str) -> Form:
        """Give the form of a part."""
        if isinstance(part, bool):
            return Form("true" if part else "false", part)
        if not isinstance(part, Mapping):
            raise SchemaTextError(f"a JSON Schema is an object or a boolean, not {part!r:.80}")
        return self._read(part, self._documents.base_of(part, base))

    def _read(self, part: Mapping[str, Any], base: str) -> Form:
        reference = self._documents.reference(part)
        if reference is not None:
            form = self._reference(part, reference, base)
        else:
            found = list(self._adjacent(part, base))
            if len(found) > 1:
                found.sort(key=lambda one: one.kind != "combined")
                form = Form("combined", part, criterion="allOf", branches=found)
            else:
                form = found[0] if found else Form("empty", part)
        form.words.update(_notes(part, "id" if self._is_fourth else "$id"))
        return form

    def _reference(self, part: Mapping[str, Any], reference: str, base: str) -> Form:
        form = Form("reference", part)
        self._waiting.append((form, reference, base))
        return form

    def _adjacent(self, part: Mapping[str, Any], base: str) -> Iterator[Form]:
        """Give what the keywords of a part say, by kind."""
        if "enum" in part:
            yield Form("enum", part, values=_list(part, "enum"))
        for criterion in CRITERIA:
            if criterion in part:
                branches = [self.form(one, base) for one in _list(part, criterion)]
                branches.sort(key=lambda one: one.kind != "combined")
                yield Form("combined", part, criterion=criterion, branches=branches)
        if "not" in part:
            yield Form("not", part, branches=[self.form(part["not"], base)])
        if "const" in part and not self._is_fourth:
            yield Form("const", part, values=[part["const"]])
        kinds: list[str] = []
        if "type" in part:
            names = part["type"]
            typed = [self._typed(name, part, base) for name in _many(names)]
            kinds = [form.kind for form in typed]
            yield (
                Form("combined", part, criterion="anyOf", branches=typed)
                if isinstance(names, list)
                else typed[0]
            )
        for kind, words in _KEYWORDS.items():
            if kind not in kinds and any(word in part for word in words):
                yield self._typed(kind, part, base)
        if any(word in part for word in ("if", "then", "else")):
            yield Form("conditional", part)

    def _typed(self, name: Any, part: Mapping[str, Any], base: str) -> Form:
        form = _of_type(name, part)
        read = {"object": self._object, "array": self._array}.get(form.kind)
        form.words.update(_plain(part, _KEYWORDS.get(form.kind, ())))
        if read is not None:
            read(form, part, base)
        if self._is_fourth and form.kind == "number":
            for word in ("exclusiveMinimum", "exclusiveMaximum"):
                form.words.pop(word, None)
        return form

    def _object(self, form: Form, part: Mapping[str, Any], base: str) -> None:
        form.properties = self._forms(part, "properties", base)
        form.patterns = self._forms(part, "patternProperties", base)
        form.required = frozenset(_list(part, "required"))
        form.more = self._more(part, "additionalProperties", base)
        for name, needed in _object(part, "dependencies").items():
            if isinstance(needed, list):
                form.needs[name] = frozenset(needed)
            else:
                form.depending[name] = self.form(needed, base)

    def _array(self, form: Form, part: Mapping[str, Any], base: str) -> None:
        items = part.get("items")
        if isinstance(items, list):
            form.branches = [self.form(one, base) for one in items]
        elif items is not None:
            form.items = self.form(items, base)
        form.more = self._more(part, "additionalItems", base)

    def _forms(self, part: Mapping[str, Any], word: str, base: str) -> dict[str, Form]:
        return {name: self.form(one, base) for name, one in _object(part, word).items()}

    def _more(self, part: Mapping[str, Any], word: str, base: str) -> bool | Form | None:
        more = part.get(word)
        return more if more is None or isinstance(more, bool) else self.form(more, base)


class _LaterDrafts(_Drafts):
    """Drafts 2019-09 and 2020-12: what says things of the same type is joined."""

    def _read(self, part: Mapping[str, Any], base: str) -> Form:
        found = Form("combined", part, criterion="allOf", is_joined=True)
        reference = self._documents.reference(part)
        said = [] if reference is None else [self._reference(part, reference, base)]
        for word in part:
            said.extend(self._said(word, part, base))
        for one in said:
            found = _joined(found, one)
        if _is_joined(found, "allOf") and len(found.branches) < 2:
            found = found.branches[0] if found.branches else Form("empty", part)
        found.words.update(_notes(part, "$id"))
        return found

    def _said(self, word: str, part: Mapping[str, Any], base: str) -> Iterator[Form]:
        """Give what one keyword says."""
        if word in CRITERIA:
            form = Form("combined", part, criterion=word)
            for one in _list(part, word):
                form.branches.extend(_parts(self.form(one, base)))
            yield form
        elif word == "type" and isinstance(part[word], list):
            branches = [_of_type(name, part) for name in part[word]]
            yield Form("combined", part, criterion="anyOf", branches=branches, is_joined=True)
        elif word == "type":
            yield _of_type(part[word], part)
        elif word == "enum":
            yield Form("enum", part, values=_list(part, word))
        elif word == "const":
            yield Form("const", part, values=[part[word]])
        elif word == "not":
            yield Form("not", part, branches=[self.form(part[word], base)])
        elif word == "if":
            yield Form("conditional", part)
        elif word == "properties" and part[word] == {}:
            return
        elif word in _LATER and word not in ("format", "dependencies", "additionalItems"):
            form = Form(_LATER[word], part, _plain(part, (word,)))
            reader = _READERS.get(word)
            if reader is not None:
                reader(self, form, part, base)
            yield form

    def _unnamed_items(self, form: Form, part: Mapping[str, Any], base: str) -> None:
        if isinstance(part["items"], list):
            form.branches = [self.form(one, base) for one in part["items"]]
            form.more = self._more(part, "additionalItems", base)
        elif part["items"] is False:
            form.more = False
        elif part["items"] is not True and part.get("prefixItems"):
            form.more = self.form(part["items"], base)
        elif part["items"] is not True:
            form.items = self.form(part["items"], base)

    def _positions(self, form: Form, part: Mapping[str, Any], base: str) -> None:
        form.branches = [self.form(one, base) for one in _list(part, "prefixItems")]

    def _properties(self, form: Form, part: Mapping[str, Any], base: str) -> None:
        form.properties = self._forms(part, "properties", base)

    def _patterns(self, form: Form, part: Mapping[str, Any], base: str) -> None:
        form.patterns = self._forms(part, "patternProperties", base)

    def _required(self, form: Form, part: Mapping[str, Any], _base: str) -> None:
        form.required = frozenset(_list(part, "required"))

    def _additional(self, form: Form, part: Mapping[str, Any], base: str) -> None:
        form.more = self._more(part, "additionalProperties", base) or form.more
        if part["additionalProperties"] is False:
            form.more = False

    def _unevaluated(self, form: Form, part: Mapping[str, Any], base: str) -> None:
        word = "unevaluatedItems" if form.kind == "array" else "unevaluatedProperties"
        form.unevaluated = self.form(part[word], base)

    def _contains(self, form: Form, part: Mapping[str, Any], _base: str) -> None:
        form.words.update({"minContains": 1, **_plain(part, ("minContains", "maxContains"))})

    def _needs(self, form: Form, part: Mapping[str, Any], _base: str) -> None:
        members = _object(part, "dependentRequired")
        form.needs = {name: frozenset(needed) for name, needed in members.items()}

    def _depending(self, form: Form, part: Mapping[str, Any], base: str) -> None:
        form.depending = self._forms(part, "dependentSchemas", base)


_READERS: Final[Mapping[str, Callable[[_LaterDrafts, Form, Mapping[str, Any], str], None]]] = {
    "items": _LaterDrafts._unnamed_items,
    "prefixItems": _LaterDrafts._positions,
    "properties": _LaterDrafts._properties,
    "patternProperties": _LaterDrafts._patterns,
    "required": _LaterDrafts._required,
    "additionalProperties": _LaterDrafts._additional,
    "unevaluatedItems": _LaterDrafts._unevaluated,
    "unevaluatedProperties": _LaterDrafts._unevaluated,
    "contains": _LaterDrafts._contains,
    "dependentRequired": _LaterDrafts._needs,
    "dependentSchemas": _LaterDrafts._depending,
}


def _is_joined(form: Form, criterion: str) -> bool:
    return form.is_joined and form.criterion == criterion


def _parts(form: Form) -> list[Form]:
    return list(form.branches) if _is_joined(form, "allOf") else [form]


def _joined(one: Form, other: Form) -> Form:
    """Give what two parts of one schema say together."""
    if one.kind == other.kind and one.kind in _KEYWORDS:
        return _merged(one, other)
    for alternatives, form in ((one, other), (other, one)):
        if _is_joined(alternatives, "anyOf") and any(
            branch.kind == form.kind for branch in alternatives.branches
        ):
            return dataclasses.replace(
                alternatives, branches=_gathered([*alternatives.branches, form])
            )
    return Form(
        "combined",
        one.source,
        criterion="allOf",
        branches=_gathered([*_parts(one), *_parts(other)]),
        is_joined=True,
    )


def _gathered(forms: list[Form]) -> list[Form]:
    found: list[Form] = []
    for form in forms:
        same = [i for i, known in enumerate(found) if known.kind == form.kind in _KEYWORDS]
        if same:
            found[same[0]] = _merged(found[same[0]], form)
        else:
            found.append(form)
    return found


def _merged(one: Form, other: Form) -> Form:
    return Form(
        one.kind,
        one.source,
        {**one.words, **other.words},
        branches=[*one.branches, *other.branches],
        properties={**one.properties, **other.properties},
        patterns={**one.patterns, **other.patterns},
        required=one.required | other.required,
        needs={**one.needs, **other.needs},
        depending={**one.depending, **other.depending},
        items=other.items or one.items,
        more=one.more if other.more is None else other.more,
        unevaluated=other.unevaluated or one.unevaluated,
    )


def _of_type(name: Any, part: Mapping[str, Any]) -> Form:
    if name == "integer":
        return Form("number", part, {"integer": True})
    if name not in (*_KEYWORDS, "boolean", "null"):
        raise SchemaTextError(f"unknown type: [{name}]")
    return Form(name, part)


def _many(names: Any) -> list[Any]:
    return names if isinstance(names, list) else [names]


def _notes(part: Mapping[str, Any], id_word: str) -> dict[str, Any]:
    """Give what a part says about itself."""
    words = (id_word, "title", "description", "default", "connect.type")
    return {word: part[word] for word in words if word in part}


def _plain(part: Mapping[str, Any], words: tuple[str, ...]) -> dict[str, Any]:
    """Give the keywords with plain values. Raises SchemaTextError for one of another type."""
    found = {}
    for word in words:
        value = part.get(word)
        if word in _SIZES or word in ("minContains", "maxContains"):
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        elif word in _NUMBER:
            fits = isinstance(value, (int, float))
        elif word == "uniqueItems":
            fits = isinstance(value, bool)
        elif word in _TEXTS:
            fits = isinstance(value, str)
        else:
            continue
        if word in part and not fits:
            raise SchemaTextError(f"{word} may not be {value!r:.80}")
        if word in part:
            found[word] = value
    return found


def _list(part: Mapping[str, Any], word: str) -> list[Any]:
    found = part.get(word, [])
    if not isinstance(found, list):
        raise SchemaTextError(f"{word} is a list, not {found!r:.80}")
    return found


def _object(part: Mapping[str, Any], word: str) -> Mapping[str, Any]:
    found = part.get(word, {})
    if not isinstance(found, Mapping):
        raise SchemaTextError(f"{word} is an object, not {found!r:.80}")
    return found
