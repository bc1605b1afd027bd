"""The registry's state, told by the records of its topic, and the answers that need no change of it.

Semantics: Confluent KafkaSchemaRegistry. Subjects may be qualified by a context, `:.ctx:name`; ids count
per context. Not thread-safe: the service guards it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from appliance.schemaregistry.server.faults import (
    RegistryFault,
    invalid_schema,
    invalid_version,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from appliance.schemaregistry.server.guids import guid_of
from appliance.schemaregistry.server.schematypes import TYPES, told

LEVELS: Final = (
    "NONE",
    "BACKWARD",
    "FORWARD",
    "FULL",
    "BACKWARD_TRANSITIVE",
    "FORWARD_TRANSITIVE",
    "FULL_TRANSITIVE",
)
MODES: Final = ("READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD")
_CONTEXT: Final = re.compile(r"(:\.[^:]*:)(.*)", re.DOTALL)
_LARGEST: Final = 2**31 - 1
_LONGEST_SHOWN: Final = 10 * 1024
Texts = list[tuple[str, str]]
"""Name and text of what a schema refers to, each after what it needs."""


@dataclasses.dataclass(frozen=True)
class Definition:
    """What makes two schemas the same: type, canonical text, references, and what rides along."""

    kind: str
    text: str
    references: tuple[tuple[str, str, int], ...] = ()
    extras: str = ""

    @functools.cached_property
    def guid(self) -> str:
        """Give the id that it has in every registry."""
        return guid_of(self.text, self.references, json.loads(self.extras or "{}"))

    def members(self) -> dict[str, Any]:
        """Give the members of an answer or record that stand for it."""
        form: dict[str, Any] = {}
        if self.kind != "AVRO":
            form["schemaType"] = self.kind
        if self.references:
            form["references"] = [
                {"name": name, "subject": subject, "version": version}
                for name, subject, version in self.references
            ]
        extras = json.loads(self.extras) if self.extras else {}
        return {**form, **extras, "schema": self.text}


@dataclasses.dataclass
class Version:
    """One version of a subject."""

    subject: str
    number: int
    schema_id: int
    definition: Definition
    deleted: bool = False

    def record(self) -> dict[str, Any]:
        """Give the value of its record."""
        return {
            "subject": self.subject,
            "version": self.number,
            "id": self.schema_id,
            **self.definition.members(),
            "deleted": self.deleted,
        }

    def answer(self) -> dict[str, Any]:
        """Give it as the API shows it."""
        return {
            "subject": self.subject,
            "version": self.number,
            "id": self.schema_id,
            "guid": self.definition.guid,
            **self.definition.members(),
        }


def context_of(subject: str) -> str:
    """Give the context of a subject, empty for the default one."""
    match = _CONTEXT.fullmatch(subject)
    return "" if match is None or match[1] == ":.:" else match[1]


def normal_subject(subject: str) -> str:
    """Give the subject as it is kept: without the name of the default context. Raises RegistryFault."""
    match = _CONTEXT.fullmatch(subject)
    if match is not None and match[1] == ":.:":
        subject = match[2]
    if (
        not subject
        or any(ord(char) < 32 for char in subject)
        or subject in ("__GLOBAL", "__EMPTY")
    ):
        raise RegistryFault(42208, f"The specified subject '{subject}' is not a valid.")
    return subject


def version_number(text: str) -> int:
    """Read a version: a positive number, or -1 for the latest. Raises RegistryFault."""
    if text in ("latest", "-1"):
        return -1
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= _LARGEST:
        raise invalid_version(text)
    return int(text)


class Registry:
    """Everything that the topic says."""

    def __init__(self) -> None:
        """Start empty."""
        self.subjects: dict[str, dict[int, Version]] = {}
        self.levels: dict[str | None, str] = {}
        self.modes: dict[str | None, str] = {}
        self._ids: dict[str, dict[int, Definition]] = {}
        self._numbers: dict[str, dict[Definition, int]] = {}
        self._highest: dict[str, int] = {}
        self._canonical: dict[Definition, Definition] = {}

    # What a record does.

    def take(self, key: Mapping[str, Any], value: Mapping[str, Any] | None) -> None:
        """Take in one record; kinds not known are skipped."""
        kind, subject = key.get("keytype"), key.get("subject")
        if kind == "SCHEMA" and isinstance(subject, str):
            self._take_schema(subject, int(key["version"]), value)
        elif kind in ("CONFIG", "MODE"):
            table = self.levels if kind == "CONFIG" else self.modes
            setting = (value or {}).get("compatibilityLevel" if kind == "CONFIG" else "mode")
            if setting is None:
                table.pop(subject or None, None)
            else:
                table[subject or None] = str(setting)
        elif kind == "DELETE_SUBJECT" and value is not None and isinstance(subject, str):
            for version in self.subjects.get(subject, {}).values():
                if version.number <= int(value["version"]):
                    version.deleted = True
        elif kind == "CLEAR_SUBJECT" and isinstance(subject, str):
            for number in [n for n, v in self.subjects.get(subject, {}).items() if v.deleted]:
                self._forget(subject, number)

    def _take_schema(self, subject: str, number: int, value: Mapping[str, Any] | None) -> None:
        if value is None:
            self._forget(subject, number)
            return
        references = tuple(
            (str(r["name"]), str(r["subject"]), int(r["version"]))
            for r in value.get("references") or ()
        )
        kind = str(value.get("schemaType") or "AVRO")
        definition = Definition(kind, str(value["schema"]), references, extras_of(value))
        schema_id = int(value["id"])
        version = Version(subject, number, schema_id, definition, bool(value.get("deleted")))
        self.subjects.setdefault(subject, {})[number] = version
        context = context_of(subject)
        self._ids.setdefault(context, {})[schema_id] = definition
        self._numbers.setdefault(context, {}).setdefault(definition, schema_id)
        self._highest[context] = max(self._highest.get(context, 0), schema_id)

    def _forget(self, subject: str, number: int) -> None:
        versions = self.subjects.get(subject, {})
        gone = versions.pop(number, None)
        if not versions:
            self.subjects.pop(subject, None)
        if gone is None:
            return
        context = context_of(subject)
        if not any(v.schema_id == gone.schema_id for v in self.versions_in(context)):
            self._ids[context].pop(gone.schema_id, None)
            self._numbers[context].pop(gone.definition, None)

    # What can be asked.

    def versions_in(self, context: str) -> Iterator[Version]:
        """Walk over all versions of a context, deleted ones too."""
        for subject, versions in self.subjects.items():
            if context_of(subject) == context:
                yield from versions.values()

    def live(self, subject: str) -> list[Version]:
        """Give the versions that are not deleted, oldest first."""
        found = self.subjects.get(subject, {})
        return [found[number] for number in sorted(found) if not found[number].deleted]

    def all_of(self, subject: str) -> list[Version]:
        """Give all versions, oldest first."""
        found = self.subjects.get(subject, {})
        return [found[number] for number in sorted(found)]

    def version(self, subject: str, number: int, *, deleted: bool = False) -> Version:
        """Give one version, -1 for the latest. Raises RegistryFault."""
        found = self.all_of(subject) if deleted else self.live(subject)
        if not found:
            raise subject_not_found(subject)
        if number == -1:
            return found[-1]
        for version in found:
            if version.number == number:
                return version
        raise version_not_found(number)

    def latest_with(
        self, subject: str, properties: Mapping[str, str], *, deleted: bool = False
    ) -> Version:
        """Give the newest version whose metadata has these properties. Raises RegistryFault."""
        versions = self.all_of(subject) if deleted else self.live(subject)
        if not versions:
            raise subject_not_found(subject)
        for version in reversed(versions):
            extras = json.loads(version.definition.extras or "{}")
            found = (extras.get("metadata") or {}).get("properties")
            if found is not None and properties.items() <= found.items():
                return version
        raise schema_not_found()

    def by_id(self, schema_id: int, subject: str | None = None) -> Definition:
        """Give the schema of an id, looked for in the context of `subject` first."""
        context = context_of(subject) if subject else ""
        for place in (context, ""):
            found = self._ids.get(place, {}).get(schema_id)
            if found is not None:
                return found
        raise schema_not_found(schema_id)

    def by_guid(self, guid: str) -> tuple[Definition, list[tuple[str, int]]]:
        """Give the schema of a guid with its ids by context. Raises RegistryFault."""
        found = [
            (context.strip(":") or ".", schema_id, definition)
            for context, ids in self._ids.items()
            for schema_id, definition in ids.items()
            if definition.guid == guid.lower()
        ]
        if not found:
            raise RegistryFault(40403, f"Schema {guid} not found")
        return found[0][2], sorted((context, schema_id) for context, schema_id, _ in found)

    def highest_id(self, context: str = "") -> int:
        """Give the highest id ever given in a context."""
        return self._highest.get(context, 0)

    def id_of(self, context: str, definition: Definition) -> int | None:
        """Give the id that a schema has in a context, if any."""
        return self._numbers.get(context, {}).get(definition)

    def contexts(self) -> list[str]:
        """Give the names of all contexts."""
        names = {context_of(subject).strip(":") or "." for subject in self.subjects}
        return sorted({".", *names})

    def referring(self, subject: str, number: int, *, live: bool = False) -> list[Version]:
        """Give the versions that refer to one."""
        return [
            version
            for versions in self.subjects.values()
            for version in versions.values()
            if not (live and version.deleted)
            and any(ref[1:] == (subject, number) for ref in version.definition.references)
        ]

    def level(self, subject: str) -> str:
        """Give the compatibility level that counts for a subject."""
        return self._setting(self.levels, subject, "BACKWARD")

    def mode(self, subject: str) -> str:
        """Give the mode that counts for a subject."""
        return self._setting(self.modes, subject, "READWRITE")

    @staticmethod
    def _setting(table: Mapping[str | None, str], subject: str, default: str) -> str:
        for place in (subject, context_of(subject) or None, None):
            if place in table:
                return table[place]
        return default

    def texts(self, references: Iterable[tuple[str, str, int]]) -> Texts:
        """Give name and text of what is referred to, each after what it needs. Raises RegistryFault."""
        found: dict[str, str] = {}
        self._collect(references, found, set())
        return list(found.items())

    def _collect(
        self,
        references: Iterable[tuple[str, str, int]],
        found: dict[str, str],
        above: set[tuple[str, int]],
    ) -> None:
        for name, subject, number in references:
            if (subject, number) in above:
                raise invalid_schema(f"the reference {name} leads back to itself")
            try:
                version = self.version(subject, number, deleted=True)
            except RegistryFault as fault:
                raise invalid_schema(
                    f'No schema reference found for subject "{subject}" and version {number}'
                ) from fault
            inner = version.definition
            self._collect(inner.references, found, {*above, (subject, number)})
            found.setdefault(name, inner.text)

    def parsed(self, definition: Definition) -> Any:
        """Give a schema in the form of its type. Raises RegistryFault."""
        return form_of(definition, self.texts(definition.references))

    def same(self, versions: Iterable[Version], definition: Definition) -> Version | None:
        """Give the version that is a schema, also when it was stored before texts were printed as now."""
        latest_first = sorted(versions, key=lambda version: -version.number)
        for version in latest_first:
            if version.definition == definition:
                return version
        for version in latest_first:
            if self._printed(version.definition) == definition:
                return version
        return None

    def _printed(self, stored: Definition) -> Definition:
        if stored not in self._canonical:
            try:
                text = TYPES[stored.kind].canonical(self.parsed(stored))
            except (KeyError, RegistryFault):
                text = stored.text
            self._canonical[stored] = dataclasses.replace(stored, text=text)
        return self._canonical[stored]

    def comparison(
        self, definition: Definition, olds: Sequence[Version], level: str
    ) -> Comparison:
        """Give what is needed to compare a schema with older ones under a level. Raises RegistryFault."""
        if level == "NONE" or not olds:
            return Comparison(level)
        compared = olds if level.endswith("_TRANSITIVE") else olds[-1:]
        return Comparison(
            level,
            (definition, self.texts(definition.references)),
            [
                (old.number, old.definition, self.texts(old.definition.references))
                for old in reversed(compared)
            ],
        )


@dataclasses.dataclass
class Comparison:
    """A schema and older ones, newest first, with the texts that they refer to: comparing needs no state."""

    level: str
    new: tuple[Definition, Texts] | None = None
    olds: list[tuple[int, Definition, Texts]] = dataclasses.field(default_factory=list)

    def incompatibilities(self) -> list[str]:
        """Give why the schema does not go with the older ones; empty when it does. Raises RegistryFault."""
        if self.new is None:
            return []
        definition, texts = self.new
        new = form_of(definition, texts)
        way = self.level.removesuffix("_TRANSITIVE")
        for number, old, old_texts in self.olds:
            found = _against(definition, new, number, old, old_texts, way)
            if found:
                return [*found, f"{{validateFields: 'false', compatibility: '{self.level}'}}"]
        return []


def form_of(definition: Definition, texts: Texts) -> Any:
    """Give a schema in the form of its type, with the texts that it refers to. Raises RegistryFault."""
    kind = TYPES.get(definition.kind)
    if kind is None:
        raise RegistryFault(42201, f"Invalid schema type {definition.kind}")
    try:
        return kind.parse(definition.text, texts)
    except (ValueError, RecursionError) as error:
        raise invalid_schema(str(error)) from error


def _against(
    definition: Definition, new: Any, number: int, old: Definition, old_texts: Texts, way: str
) -> list[str]:
    if old.kind != definition.kind:
        return ["Incompatible because of different schema type"]
    before = form_of(old, old_texts)
    compare = TYPES[definition.kind].incompatibilities
    forward = told(compare(before, new), "old", "new") if way in ("FORWARD", "FULL") else []
    backward = told(compare(new, before), "new", "old") if way in ("BACKWARD", "FULL") else []
    if not (backward or (forward and way == "FORWARD")):
        return forward
    text = old.text
    shown = (
        f"'{text}'" if len(text) <= _LONGEST_SHOWN else f"<truncated> '{text[:_LONGEST_SHOWN]}...'"
    )
    return [
        *forward,
        *backward,
        f"{{oldSchemaVersion: {number}}}",
        f"{{oldSchema: {shown}}}",
    ]


def extras_of(value: Mapping[str, Any]) -> str:
    """Give metadata and rules as one text, empty without any."""
    found = {name: value[name] for name in ("metadata", "ruleSet") if value.get(name)}
    return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else ""
