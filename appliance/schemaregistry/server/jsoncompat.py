"""Whether data of one JSON Schema are valid under another, and why they may not be.

Semantics: Confluent JsonSchema.isBackwardCompatible and the classes of its package `json.diff`, strict. A
reference is compared as what it refers to, also through another one (the peer looks through one only).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from appliance.data.regex import java_compiled
from appliance.schemaregistry.jsonreferences import Documents
from appliance.schemaregistry.server.faults import SchemaTextError
from appliance.schemaregistry.server.jsonforms import Form, load_json_schema
from appliance.schemaregistry.server.jsontext import exact_json, json_text

_FAR: Final = 60
"""How many pairs may be compared inside each other when another reference is met."""
_MOST_TURNS: Final = 100

_MOST_FINDINGS: Final = 1000
_MOST_STEPS: Final = 200_000
"""How many changes are told at most: parts that refer to each other have more paths than can be walked."""

Findings = list[tuple[str, Any]]
"""Kinds of change that break, each with its path; or a path with the findings below it, maybe shared."""

_KEYWORD: Final = "The keyword at path '{}' in the %s schema is not present in the %s schema"
_MORE: Final = "The value at path '{}' in the %s schema is more than its value in the %s schema"
_LESS: Final = "The value at path '{}' in the %s schema is less than its value in the %s schema"
_DIFFERENT: Final = "The value at path '{}' is different between the %s and %s schema"
_FEWER_ELEMENTS: Final = (
    "An array or combined type at path '{}' has fewer elements in the %s schema than the %s schema"
)
_MORE_ELEMENTS: Final = (
    "An array or combined type at path '{}' has more elements in the %s schema than the %s schema"
)
_TYPE: Final = "A type at path '{}' is different between the %s schema and the %s schema"
_ADDED_TO_OPEN: Final = (
    "The %s schema has an open content model and has a property or item at path '{}' which is "
    "missing in the %s schema"
)
_ADDED_TO_UNOPEN: Final = (
    "The %s schema has an unopen content model and has a required property at path '{}' which is "
    "missing in the %s schema"
)
_REMOVED: Final = (
    "The %s has a closed content model and is missing a property or item present at path '{}' in "
    "the %s schema"
)
_REMOVED_NOT_COVERED: Final = (
    "A property or item is missing in the %s schema but present at path '{}' in the %s schema and "
    "is not covered by its partially open content model"
)
_ADDED_NOT_COVERED: Final = (
    "The %s schema has a property or item at path '{}' which is missing in the %s schema and is "
    "not covered by its partially open content model"
)
_WORDS: Final = (
    ("DEPENDENCY_SCHEMA_ADDED", _KEYWORD),
    ("SCHEMA_ADDED", ""),
    ("_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", _ADDED_NOT_COVERED),
    ("_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", _REMOVED_NOT_COVERED),
    ("_REMOVED_FROM_CLOSED_CONTENT_MODEL", _REMOVED),
    ("_ADDED_TO_OPEN_CONTENT_MODEL", _ADDED_TO_OPEN),
    ("_ADDED_TO_UNOPEN_CONTENT_MODEL", _ADDED_TO_UNOPEN),
    ("MULTIPLE_OF_EXPANDED", _MORE),
    ("_INCREASED", _MORE),
    ("_DECREASED", _LESS),
    ("SUM_TYPE_NARROWED", _FEWER_ELEMENTS),
    ("TYPE_NARROWED", _TYPE),
    ("TYPE_CHANGED", _TYPE),
    ("SUBSCHEMAS_CHANGED", _TYPE),
    ("ENUM_ARRAY_CHANGED", _TYPE),
    ("_CHANGED", _DIFFERENT),
    ("_NARROWED", _FEWER_ELEMENTS),
    ("_EXTENDED", _MORE_ELEMENTS),
    ("_ADDED", _KEYWORD),
    ("_REMOVED", _KEYWORD),
)
"""What is said of a kind of change, by the end of its name."""
_LIMITS: Final = {
    "string": ("maxLength", "minLength"),
    "number": ("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"),
    "object": ("maxProperties", "minProperties"),
    "array": ("maxItems", "minItems"),
}


class JsonSchemaText:
    """A JSON Schema as its text says it, and as it is compared."""

    def __init__(self, text: str, form: Form) -> None:
        """Keep both."""
        self.text = text
        self.form = form


def parse_json_schema(text: str, references: Sequence[tuple[str, str]] = ()) -> JsonSchemaText:
    """Give a JSON Schema with what it refers to. Raises SchemaTextError."""
    found = _loaded(text)
    referred = [(name, _loaded(content)) for name, content in references]
    try:
        return JsonSchemaText(text, load_json_schema(Documents(found, referred)))
    except (RecursionError, TypeError) as error:
        raise SchemaTextError(f"the schema cannot be read: {error}") from error


def _loaded(text: str) -> Any:
    try:
        form = json.loads(text)
    except RecursionError as error:
        raise SchemaTextError("the schema is nested too deeply") from error
    if not isinstance(form, (dict, bool)):
        raise SchemaTextError("a JSON Schema is an object or a boolean")
    return form


def canonical_json(parsed: JsonSchemaText) -> str:
    """Give the text that the registry keeps."""
    return json_text(exact_json(parsed.text))


def normal_json(parsed: JsonSchemaText) -> str:
    """Give the text with all members in order."""
    return json_text(exact_json(parsed.text), in_order=True)


def json_incompatibilities(reader: JsonSchemaText, writer: JsonSchemaText) -> list[str]:
    """Give why `reader` may refuse what `writer` accepts; empty when it never does."""
    known: dict[tuple[int, int], Findings] = {}
    found: Findings = []
    for _ in range(_MOST_TURNS):
        comparison = _Comparison(known)
        try:
            found = comparison.compare_all(writer.form, reader.form)
        except RecursionError:
            return ["The schemas are nested too deeply to be compared"]
        broken = comparison.broken()
        # What leads back to itself was taken as compatible: with what turned out not to be, once more.
        if not comparison.has_assumed or broken.keys() == known.keys():
            break
        known = broken
    return list(dict.fromkeys(_told(kind, path) for kind, path in _spelled(found)))


def _spelled(found: Findings) -> Iterator[tuple[str, str]]:
    """Give kinds of change with their whole paths, the first ones of very many."""
    told: set[tuple[str, str]] = set()
    stack = [("", iter(found))]
    for _ in range(_MOST_STEPS):
        if not stack or len(told) >= _MOST_FINDINGS:
            return
        above, rest = stack[-1]
        first, second = next(rest, ("", None))
        if second is None:
            stack.pop()
        elif isinstance(second, list):
            stack.append((_joined(above, first), iter(second)))
        else:
            change = first, _joined(above, second)
            if change not in told:
                told.add(change)
                yield change


def _joined(above: str, below: str) -> str:
    return f"{above}/{below}" if above and below else above or below


def _told(kind: str, path: str) -> str:
    words = next(text for end, text in _WORDS if kind.endswith(end)).replace("{}", f"#/{path}")
    return f'{{errorType:"{kind}", description:"{words}\'}}'


class _Comparison:
    """Walks an older and a newer schema together; each pair of parts is compared once."""

    def __init__(self, known: dict[tuple[int, int], Findings]) -> None:
        self._known = known
        self._done: dict[tuple[int, int], Findings] = {}
        self._open: set[tuple[int, int]] = set()
        self._later: dict[tuple[int, int], tuple[Form, Form]] = {}
        self.has_assumed = False

    def compare_all(self, old: Form, new: Form) -> Findings:
        """Give what breaks; references far from the root are compared afterwards, not inside each other."""
        found = self.compare(old, new)
        while self._later:
            _, pair = self._later.popitem()
            self.compare(*pair)
        return found

    def broken(self) -> dict[tuple[int, int], Findings]:
        """Give the pairs that do not go together."""
        return {pair: found for pair, found in self._done.items() if found}

    def compare(self, old: Form | None, new: Form | None) -> Findings:
        """Give what breaks."""
        if old is None or new is None:
            return [] if new is None else [("SCHEMA_ADDED", "")]
        is_far = len(self._open) >= _FAR and "reference" in (old.kind, new.kind)
        old, new = _meant(old), _meant(new)
        pair = (id(old), id(new))
        if pair in self._done:
            return self._done[pair]
        if is_far and pair not in self._open:
            self._later[pair] = (old, new)
        if is_far or pair in self._open:
            self.has_assumed = self.has_assumed or pair not in self._known
            return self._known.get(pair, [])
        self._open.add(pair)
        found = self._done[pair] = self._compared(old, new)
        self._open.discard(pair)
        return found

    def _compared(self, old: Form, new: Form) -> Findings:
        if self._is_one_of(old, new):
            return []
        if old.kind != new.kind:
            if old.kind == "false" or new.is_anything:
                return []
            if {old.words.get("connect.type"), new.words.get("connect.type")} == {"bytes"}:
                return []
            return [("TYPE_CHANGED", "")]
        found = _limits(old, new)
        match old.kind:
            case "string":
                found += _pattern(old, new)
            case "number":
                found += _numbers(old, new)
            case "const" | "enum":
                found += _values(old, new)
            case "combined":
                found += self._combined(old, new)
            case "not":
                if self.compare(new.branches[0], old.branches[0]):
                    found.append(("NOT_TYPE_EXTENDED", "not"))
            case "object":
                found += self._objects(old, new)
            case "array":
                found += self._arrays(old, new)
        return found

    def _is_one_of(self, old: Form, new: Form) -> bool:
        """Whether a part is an alternative of the newer one, or was demanded among others."""
        if (old.kind == "combined") == (new.kind == "combined"):
            return False
        if new.kind == "combined" and (len(new.branches) == 1 or new.criterion != "allOf"):
            return any(not self.compare(old, branch) for branch in new.branches)
        if old.kind == "combined" and (len(old.branches) == 1 or old.criterion == "allOf"):
            return any(not self.compare(branch, new) for branch in old.branches)
        return False

    def _combined(self, old: Form, new: Form) -> Findings:
        if not _may_follow(old, new):
            return [("COMBINED_TYPE_CHANGED", "")]
        olds, news = _distinct(old.branches), _distinct(new.branches)
        found: Findings = []
        if len(olds) < len(news) and new.criterion == "allOf":
            found.append(("PRODUCT_TYPE_EXTENDED", ""))
        elif len(olds) > len(news) and old.criterion != "allOf":
            found.append(("SUM_TYPE_NARROWED", ""))
        fitting = [
            [j for j, after in enumerate(news) if not self.compare(before, after)]
            for before in olds
        ]
        if _matched(fitting) < min(len(olds), len(news)):
            found.append(("COMBINED_TYPE_SUBSCHEMAS_CHANGED", ""))
        return found

    def _objects(self, old: Form, new: Form) -> Findings:
        found: Findings = [
            ("REQUIRED_ATTRIBUTE_ADDED", f"required/{name}")
            for name in old.properties
            if name in new.required - old.required
            and name in new.properties
            and not _has_default(new.properties[name])
        ]
        for name in dict.fromkeys((*old.properties, *new.properties)):
            found += _at(f"properties/{name}", self._property(name, old, new))
        found += _at("dependencies", self._dependencies(old, new))
        return [*found, *self._more("Properties", old, new)]

    def _property(self, name: str, old: Form, new: Form) -> Findings:
        before, after = old.properties.get(name), new.properties.get(name)
        if after is None:
            return self._removed("PROPERTY", before, _covering(new, name), _is_open(new))
        if before is not None:
            return self.compare(before, after)
        needed = name in new.required
        has_default = _has_default(after)
        if _is_open(old):
            if after.is_anything:
                return []
            kind = "OPTIONAL_PROPERTY" if not needed else "REQUIRED_PROPERTY"
            with_default = "_WITH_DEFAULT" if needed and has_default else ""
            return [(f"{kind}{with_default}_ADDED_TO_OPEN_CONTENT_MODEL", "")]
        found = self._added("PROPERTY", after, _covering(old, name))
        if needed and not has_default:
            found.append(("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", ""))
        return found

    def _removed(
        self, what: str, before: Form | None, covering: Form | None, is_open: bool
    ) -> Findings:
        if is_open:
            return []
        if covering is not None:
            found = self.compare(before, covering)
            kind = f"{what}_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
            return [*found, (kind, "")] if found else []
        if before is not None and before.kind == "false":
            return []
        return [(f"{what}_REMOVED_FROM_CLOSED_CONTENT_MODEL", "")]

    def _added(self, what: str, after: Form, covering: Form | None) -> Findings:
        found = [] if covering is None else self.compare(covering, after)
        kind = f"{what}_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
        return [*found, (kind, "")] if found else []

    def _dependencies(self, old: Form, new: Form) -> Findings:
        found: Findings = []
        for name, needed in new.needs.items():
            before = old.needs.get(name)
            if before is None:
                found.append(("DEPENDENCY_ARRAY_ADDED", name))
            elif not needed <= before:
                kind = "EXTENDED" if needed >= before else "CHANGED"
                found.append((f"DEPENDENCY_ARRAY_{kind}", name))
        for name, form in new.depending.items():
            if name not in old.depending:
                found.append(("DEPENDENCY_SCHEMA_ADDED", name))
            else:
                found += _at(name, self.compare(old.depending[name], form))
        return found

    def _more(self, what: str, old: Form, new: Form) -> Findings:
        """Compare what is said of members or items that are not named."""
        found: Findings = []
        shout = what.upper()
        if old.more is not False and new.more is False:
            found = [(f"ADDITIONAL_{shout}_REMOVED", "")]
        elif (old.more is False) == (new.more is False):
            before, after = _form(old.more), _form(new.more)
            if before is None and after is not None:
                found = [(f"ADDITIONAL_{shout}_NARROWED", "")]
            elif after is not None:
                found = self.compare(before, after)
        before, after = old.unevaluated, new.unevaluated
        more: Findings = []
        if after is None or before is after:
            pass
        elif after.kind == "false" and (before is None or before.kind != "false"):
            more = [(f"UNEVALUATED_{shout}_REMOVED", "")]
        elif before is None or (before.is_anything and not after.is_anything):
            more = [(f"UNEVALUATED_{shout}_NARROWED", "")]
        elif before.kind != "false" and not after.is_anything:
            more = self.compare(before, after)
        return [*_at(f"additional{what}", found), *_at(f"unevaluated{what}", more)]

    def _arrays(self, old: Form, new: Form) -> Findings:
        found = _at("items", self.compare(old.items, new.items))
        olds, news = old.branches, new.branches
        for i in range(max(len(olds), len(news))):
            if i >= len(news):
                item = self._removed("ITEM", olds[i], _covering(new), _is_open(new))
            elif i < len(olds):
                item = self.compare(olds[i], news[i])
            elif not _is_open(old):
                item = self._added("ITEM", news[i], _covering(old))
            else:
                added = ("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", "")
                item = [] if news[i].is_anything else [added]
            found += _at(f"items/{i}", item)
        found += self._more("Items", old, new)
        if new.words.get("uniqueItems") and not old.words.get("uniqueItems"):
            found.append(("UNIQUE_ITEMS_ADDED", "uniqueItems"))
        return found


def _meant(form: Form) -> Form:
    """Give what a reference refers to."""
    seen: set[int] = set()
    while form.kind == "reference" and id(form) not in seen:
        seen.add(id(form))
        form = form.branches[0]
    return form


def _at(path: str, found: Findings) -> Findings:
    return [(path, found)] if found else []


def _form(more: bool | Form | None) -> Form | None:
    return more if isinstance(more, Form) else None


def _is_open(form: Form) -> bool:
    """Whether what is not named may be anything."""
    if form.more is False or _form(form.more) is not None or form.patterns:
        return False
    return form.unevaluated is None or form.unevaluated.is_anything


def _covering(form: Form, name: str | None = None) -> Form | None:
    """Give what a member or item that is not named must be, None where that is not said."""
    for pattern, covering in form.patterns.items():
        if name is not None and java_compiled(pattern).search(name):
            return covering
    if _form(form.more) is not None or form.more is False:
        return _form(form.more)
    rest = form.unevaluated
    return None if rest is None or rest.kind == "false" or rest.is_anything else rest


def _has_default(form: Form) -> bool:
    return form.words.get("default") is not None


def _limits(old: Form, new: Form) -> Findings:
    found: Findings = []
    words = list(_LIMITS.get(old.kind, ()))
    if old.kind == "array":
        words += ["maxContains", "minContains"]
    for word in words:
        before, after = old.words.get(word), new.words.get(word)
        if after is None:
            continue
        shout = "".join(f"_{c}" if c.isupper() else c for c in word).upper()
        if before is None:
            found.append((f"{shout}_ADDED", word))
        elif "max" in word.lower() and after < before:
            found.append((f"{shout}_DECREASED", word))
        elif "min" in word.lower() and after > before:
            found.append((f"{shout}_INCREASED", word))
    return found


def _pattern(old: Form, new: Form) -> Findings:
    before, after = old.words.get("pattern"), new.words.get("pattern")
    if after is None or before == after:
        return []
    return [("PATTERN_ADDED" if before is None else "PATTERN_CHANGED", "pattern")]


def _numbers(old: Form, new: Form) -> Findings:
    found: Findings = []
    before, after = old.words.get("multipleOf"), new.words.get("multipleOf")
    if after is not None:
        one, other = Decimal(str(before or 0)), Decimal(str(after))
        if before is None:
            found.append(("MULTIPLE_OF_ADDED", "multipleOf"))
        elif one != other and one and not other % one:
            found.append(("MULTIPLE_OF_EXPANDED", "multipleOf"))
        elif one != other and (not other or one % other):
            found.append(("MULTIPLE_OF_CHANGED", "multipleOf"))
    if new.words.get("integer") and not old.words.get("integer"):
        found.append(("TYPE_NARROWED", ""))
    return found


def _values(old: Form, new: Form) -> Findings:
    before, after = set(map(_text, old.values)), set(map(_text, new.values))
    if after >= before:
        return []
    kind = "ENUM_ARRAY_NARROWED" if after < before else "ENUM_ARRAY_CHANGED"
    return [(kind, old.kind)]


def _may_follow(old: Form, new: Form) -> bool:
    """Whether the newer one combines in the same or a wider way."""
    single, is_single = len(old.branches) == 1, len(new.branches) == 1
    return (
        new.criterion in (old.criterion, "anyOf")
        or (single and (is_single or new.criterion == "oneOf"))
        or (is_single and old.criterion == "allOf")
    )


def _distinct(branches: Iterable[Form]) -> list[Form]:
    return list(
        {(b.kind, b.criterion, _text(b.source)): b for b in reversed([*branches])}.values()
    )[::-1]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _matched(fitting: Sequence[Sequence[int]]) -> int:
    """Give how many of the left can each have a partner of their own on the right."""
    partner: dict[int, int] = {}

    def placed(left: int, tried: set[int]) -> bool:
        for right in fitting[left]:
            if right in tried:
                continue
            tried.add(right)
            if right not in partner or placed(partner[right], tried):
                partner[right] = left
                return True
        return False

    return sum(placed(left, set()) for left in range(len(fitting)))
