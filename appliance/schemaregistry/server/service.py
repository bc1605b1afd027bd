"""The registry over its topic: reads from memory, changes as records that are read back.

Every host may serve it. A change claims the topic (which fences other writers), reads to the end, decides,
writes in one transaction and reads that back; when another host was quicker the write is refused and the
change decided again. Threads: any; the topic's records come on the log thread.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.errors import ConnectError
from appliance.kafka.log import LogTopic
from appliance.schemaregistry.server.faults import (
    RegistryFault,
    invalid_schema,
    not_permitted,
    schema_not_found,
    subject_not_found,
)
from appliance.schemaregistry.server.records import (
    Record,
    parsed,
    schema_key,
    schema_value,
    setting_key,
    setting_value,
)
from appliance.schemaregistry.server.registry import (
    LEVELS,
    MODES,
    Comparison,
    Definition,
    Registry,
    Version,
    context_of,
    extras_of,
    form_of,
)
from appliance.schemaregistry.server.schematypes import TYPES

_LOG = logging.getLogger(__name__)
_TIMEOUT_S: Final = 15.0
_PATIENCE_S: Final = 20.0
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 3.0
_LARGEST_TEXT: Final = 5 << 20
R = TypeVar("R")


class SchemaLog(Protocol):
    """What the service needs of a KafkaBasedLog."""

    def subscribe(self, on_record: Callable[[bytes, bytes | None, int], None]) -> None:
        """Give every record to a function."""

    def read_to_end(self, timeout_s: float) -> None:
        """Return when all acknowledged records are delivered."""

    def write(self, records: Sequence[Record], timeout_s: float) -> None:
        """Append in one transaction; NotLeaderError when fenced."""

    def claim(self, timeout_s: float) -> None:
        """Fence every other writer."""


def registry_topic(name: str, replication_factor: int) -> LogTopic:
    """Give the topic as it is made when it is missing."""
    return LogTopic(
        name,
        "appliance.registry.topic",
        replication_factor=replication_factor,
        single=True,
    )


class RegistryService:
    """One method per request; they raise RegistryFault."""

    def __init__(self, log: SchemaLog, clock: Clock = SYSTEM_CLOCK) -> None:
        """Follow the log; nothing is read yet."""
        self._log = log
        self._clock = clock
        self._never = threading.Event()
        self._registry = Registry()
        self._lock = threading.Condition()
        self._awaited: list[Record] = []
        self._writing = threading.Lock()
        self._claimed = False
        log.subscribe(self._take)

    def _take(self, key: bytes, value: bytes | None, _offset: int) -> None:
        try:
            found, content = parsed(key, value)
            with self._lock:
                self._registry.take(found, content)
                if (key, value) in self._awaited:
                    self._awaited.remove((key, value))
                    self._lock.notify_all()
        except (ValueError, KeyError, TypeError) as error:
            _LOG.warning("A record of the registry is not readable and skipped. error=%s", error)

    def ask(self, question: Callable[[Registry], R]) -> R:
        """Give what a function finds in the state."""
        with self._lock:
            return question(self._registry)

    def _change(self, decide: Callable[[Registry], tuple[R, list[Record]]]) -> R:
        """Decide on the newest state, write, and read that back; anew if another host wrote. Blocks."""
        with self._writing:
            deadline_s = self._clock.monotonic_s() + _PATIENCE_S
            pause_s = _FIRST_PAUSE_S
            while True:
                try:
                    return self._change_once(decide)
                except RegistryFault:
                    raise
                except ConnectError as error:
                    self._claimed = False
                    if self._clock.monotonic_s() >= deadline_s:
                        raise RegistryFault(
                            50001, f"Error in the backend data store - {error}"
                        ) from error
                # hosts that claim in turn, each before the other has written, would do so for ever
                self._clock.wait(self._never, pause_s * random.random())
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _change_once(self, decide: Callable[[Registry], tuple[R, list[Record]]]) -> R:
        if not self._claimed:
            self._log.claim(_TIMEOUT_S)
            self._claimed = True
        self._log.read_to_end(_TIMEOUT_S)
        result, records = self.ask(decide)
        if records:
            self._write(records)
        return result

    def _write(self, records: list[Record]) -> None:
        """Write and read back: a broker says that it will commit before readers see that it has."""
        with self._lock:
            self._awaited = list(records)
        self._log.write(records, _TIMEOUT_S)
        self._log.read_to_end(_TIMEOUT_S)
        with self._lock:
            if not self._lock.wait_for(lambda: not self._awaited, _TIMEOUT_S):
                raise RegistryFault(
                    50002, "What was written to the registry's topic did not come back in time"
                )

    # Schemas.

    def definition(self, body: Mapping[str, Any], *, normalize: bool = False) -> Definition:
        """Read the schema of a request into the form in which it is kept."""
        text, kind = body.get("schema"), body.get("schemaType") or "AVRO"
        if not isinstance(text, str) or not text.strip():
            raise RegistryFault(42201, "Empty schema")
        if kind not in TYPES:
            raise RegistryFault(42201, f"Invalid schema type {kind}")
        if len(text) > _LARGEST_TEXT:
            raise RegistryFault(42209, f"The schema has {len(text)} characters, more than allowed")
        try:
            references = tuple(
                (str(r["name"]), str(r["subject"]), int(r["version"]))
                for r in body.get("references") or ()
            )
        except (TypeError, KeyError, ValueError) as error:
            raise invalid_schema("a reference has name, subject and version") from error
        if normalize:
            references = tuple(sorted(set(references)))
        given = Definition(kind, text, references, extras_of(body))
        form = form_of(given, self.ask(lambda registry: registry.texts(references)))
        printed = TYPES[kind].normal if normalize else TYPES[kind].canonical
        return Definition(kind, printed(form), references, given.extras)

    def register(
        self, subject: str, body: Mapping[str, Any], *, normalize: bool = False
    ) -> Version:
        """Give the version of a schema under a subject, made if there is none."""
        definition = self.definition(body, normalize=normalize)
        known = self.ask(lambda registry: _live_version(registry, subject, definition))
        if known is not None and not body.get("id"):
            return known
        wanted = int(body.get("id") or 0), int(body.get("version") or 0)
        while True:
            version = self._register_once(subject, definition, *wanted)
            if version is not None:
                return version

    def _register_once(
        self, subject: str, definition: Definition, wanted_id: int, wanted_version: int
    ) -> Version | None:
        """Compare while nobody waits for it, and register; None when another version came meanwhile."""

        def compare(registry: Registry) -> Comparison:
            return registry.comparison(definition, registry.live(subject), registry.level(subject))

        comparison = self.ask(compare)
        found = _found(comparison)

        def decide(registry: Registry) -> tuple[Version | None, list[Record]]:
            if compare(registry) != comparison:
                return None, []
            return _registered(registry, subject, definition, wanted_id, wanted_version, found)

        return self._change(decide)

    def lookup(
        self, subject: str, body: Mapping[str, Any], *, deleted: bool, normalize: bool
    ) -> Version:
        """Give the version of a schema under a subject."""
        definition = self.definition(body, normalize=normalize)

        def find(registry: Registry) -> Version:
            versions = registry.all_of(subject) if deleted else registry.live(subject)
            if not versions:
                raise subject_not_found(subject)
            found = registry.same(versions, definition)
            if found is None:
                raise schema_not_found()
            return found

        return self.ask(find)

    def compatibility(
        self, subject: str, number: int | None, body: Mapping[str, Any], *, normalize: bool
    ) -> list[str]:
        """Give why a schema does not go with one version, or with the subject (None); empty if it does."""
        definition = self.definition(body, normalize=normalize)

        def compare(registry: Registry) -> Comparison:
            olds = registry.live(subject)
            if number == -1:
                olds = olds[-1:]
            elif number is not None:
                olds = [registry.version(subject, number)]
            return registry.comparison(definition, olds, registry.level(subject))

        return self.ask(compare).incompatibilities()

    # Deleting.

    def delete_subject(self, subject: str, *, permanent: bool) -> list[int]:
        """Delete all versions of a subject; give their numbers."""

        def decide(registry: Registry) -> tuple[list[int], list[Record]]:
            _writable(registry, subject)
            versions = registry.all_of(subject)
            live = [version for version in versions if not version.deleted]
            if not versions:
                raise subject_not_found(subject)
            if permanent and live:
                raise RegistryFault(
                    40405,
                    f"Subject '{subject}' was not deleted first before being permanently deleted",
                )
            if not permanent and not live:
                raise RegistryFault(
                    40404,
                    f"Subject '{subject}' was soft deleted.Set permanent=true to delete permanently",
                )
            for version in live or versions:
                _unreferenced(registry, version)
            if not permanent:
                last = {"subject": subject, "version": live[-1].number}
                key = setting_key("DELETE_SUBJECT", subject)
                return [v.number for v in live], [
                    (key, setting_value(last)),
                    *_settings_cleared(registry, subject),
                ]
            gone: list[Record] = [(schema_key(subject, v.number), None) for v in versions]
            return [v.number for v in versions], [
                *gone,
                (setting_key("DELETE_SUBJECT", subject), None),
            ]

        return self._change(decide)

    def delete_version(self, subject: str, number: int, *, permanent: bool) -> int:
        """Delete one version; give its number."""

        def decide(registry: Registry) -> tuple[int, list[Record]]:
            _writable(registry, subject)
            version = registry.version(subject, number, deleted=permanent or number != -1)
            shown = f"Subject '{subject}' Version {version.number}"
            if permanent and not version.deleted:
                raise RegistryFault(
                    40407, f"{shown} was not deleted first before being permanently deleted"
                )
            if not permanent and version.deleted:
                if not registry.live(subject):
                    raise subject_not_found(subject)
                raise RegistryFault(
                    40406, f"{shown} was soft deleted.Set permanent=true to delete permanently"
                )
            _unreferenced(registry, version)
            key = schema_key(subject, version.number)
            if permanent:
                return version.number, [(key, None)]
            value = schema_value({**version.record(), "deleted": True})
            records: list[Record] = [(key, value)]
            if len(registry.live(subject)) == 1:
                records += _settings_cleared(registry, subject)
            return version.number, records

        return self._change(decide)

    # Settings.

    def set_level(self, subject: str | None, level: str) -> None:
        """Set the compatibility level of a subject, or of all."""
        if level.upper() not in LEVELS:
            raise RegistryFault(
                42203,
                "Invalid compatibility level. Valid values are none, backward, forward, full, "
                "backward_transitive, forward_transitive, and full_transitive",
            )
        value = setting_value({"subject": subject, "compatibilityLevel": level.upper()})
        self._change(lambda _registry: (None, [(setting_key("CONFIG", subject), value)]))

    def set_mode(self, subject: str | None, mode: str, *, force: bool) -> None:
        """Set the mode of a subject, or of all."""
        if mode.upper() not in MODES:
            raise RegistryFault(
                42204, "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD."
            )

        def decide(registry: Registry) -> tuple[None, list[Record]]:
            if mode.upper() == "IMPORT" and not force:
                subjects = [subject] if subject is not None else list(registry.subjects)
                if any(registry.live(name) for name in subjects):
                    raise not_permitted("Cannot import since found existing subjects")
            value = setting_value({"subject": subject, "mode": mode.upper()})
            return None, [(setting_key("MODE", subject), value)]

        self._change(decide)

    def clear_setting(self, keytype: str, subject: str | None, default: str) -> str:
        """Take a level (CONFIG) or mode (MODE) away; give what it was."""

        def decide(registry: Registry) -> tuple[str, list[Record]]:
            table = registry.levels if keytype == "CONFIG" else registry.modes
            if subject is not None and subject not in table:
                raise subject_not_found(subject)
            return table.get(subject, default), [(setting_key(keytype, subject), None)]

        return self._change(decide)


def _live_version(registry: Registry, subject: str, definition: Definition) -> Version | None:
    if registry.mode(subject) not in ("READWRITE", "READONLY_OVERRIDE"):
        return None
    return registry.same(registry.live(subject), definition)


def _writable(registry: Registry, subject: str) -> None:
    if registry.mode(subject).startswith("READONLY"):
        raise not_permitted(
            f"Subject {subject} in context {context_of(subject).strip(':') or '.'} is in read-only mode"
        )


def _found(comparison: Comparison) -> list[str] | RegistryFault:
    try:
        return comparison.incompatibilities()
    except RegistryFault as fault:
        return fault


def _registered(
    registry: Registry,
    subject: str,
    definition: Definition,
    wanted_id: int,
    wanted_version: int,
    found: list[str] | RegistryFault,
) -> tuple[Version, list[Record]]:
    _writable(registry, subject)
    mode, context = registry.mode(subject), context_of(subject)
    where = f"Subject {subject} in context {context.strip(':') or '.'}"
    known = _live_version(registry, subject, definition)
    if known is not None and wanted_id in (0, known.schema_id):
        return known, []
    versions = registry.all_of(subject)
    number = versions[-1].number + 1 if versions else 1
    if mode == "IMPORT":
        if not wanted_id:
            raise not_permitted(f"{where} is not in read-write mode")
        schema_id, number = wanted_id, wanted_version or number
        _same_id(registry, subject, schema_id, definition)
    else:
        if wanted_id:
            raise not_permitted(f"{where} is not in import mode")
        if isinstance(found, RegistryFault):
            raise found
        if found:
            raise RegistryFault(
                40901,
                "Schema being registered is incompatible with an earlier schema for subject "
                f'"{subject}", details: [{", ".join(found)}]',
            )
        schema_id = registry.id_of(context, definition) or registry.highest_id(context) + 1
    version = Version(subject, number, schema_id, definition)
    return version, [(schema_key(subject, number), schema_value(version.record()))]


def _same_id(registry: Registry, subject: str, schema_id: int, definition: Definition) -> None:
    try:
        other = registry.by_id(schema_id, subject)
    except RegistryFault:
        return
    if other != definition:
        raise RegistryFault(
            42207,
            f"Overwrite new schema with id {schema_id} is not permitted.",
        )


def _unreferenced(registry: Registry, version: Version) -> None:
    referring = registry.referring(version.subject, version.number, live=not version.deleted)
    if any(other.subject != version.subject for other in referring):
        key = json.loads(schema_key(version.subject, version.number))
        shown = ",".join(f"{name}={value}" for name, value in key.items())
        raise RegistryFault(42206, f"One or more references exist to the schema {{{shown}}}.")


def _settings_cleared(registry: Registry, subject: str) -> list[Record]:
    found: list[Record] = []
    for keytype, table in (("MODE", registry.modes), ("CONFIG", registry.levels)):
        if subject in table:
            found.append((setting_key(keytype, subject), None))
    return found
