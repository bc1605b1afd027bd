"""Which schema of the registry records are written with, and which they are read into.

Semantics: Confluent 8.x AbstractKafkaAvroSerializer.serializeImpl (those of Protobuf and JSON Schema are
alike) with lookupSchemaBySubjectAndId, lookupSchemaByGuid, getLatestWithMetadata and lookupLatestVersion;
AbstractKafkaAvroDeserializer.read, without migration rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from appliance.errors import DataError
from appliance.schemaregistry.client import RegistryClient, SchemaId, SchemaText
from appliance.schemaregistry.server.schematypes import TYPES, told


class Chosen(NamedTuple):
    """A schema's id, and its text in the registry; None where that is what the records have."""

    id: SchemaId
    text: SchemaText | None = None


def chosen(
    client: RegistryClient, options: Mapping[str, Any], subject: str, ours: SchemaText
) -> Chosen:
    """Give the schema that the options ask for, by their precedence.

    Raises DataError when it cannot hold what ours says, RegistryError and RetriableError.
    """
    normalize = options["normalize.schemas"]
    if options["auto.register.schemas"]:
        return Chosen(client.register(subject, ours, normalize=normalize))
    number, guid = options["use.schema.id"], options["use.schema.guid"]
    if number >= 0:
        text = client.by_id(number, subject)
        _check(client, options, "id.compatibility.strict", text, ours)
        return Chosen(SchemaId(number, text.guid), text)
    if guid is not None:
        text = client.by_guid(guid)
        _check(client, options, "id.compatibility.strict", text, ours)
        return Chosen(SchemaId(client.lookup(subject, text).number, guid), text)
    if options["use.latest.with.metadata"]:
        number, text = client.latest_with(subject, options["use.latest.with.metadata"])
        return Chosen(SchemaId(number, text.guid), text)
    if options["use.latest.version"]:
        number, text = client.latest(subject)
        _check(client, options, "latest.compatibility.strict", text, ours)
        return Chosen(SchemaId(number, text.guid), text)
    return Chosen(client.lookup(subject, ours, normalize=normalize))


def wanted(
    client: RegistryClient, options: Mapping[str, Any], subject: Callable[[], str]
) -> SchemaText | None:
    """Give the schema that records are read into, whatever they were written with; None for that one.

    Raises RegistryError and RetriableError, and what `subject` does.
    """
    if options["use.latest.with.metadata"]:
        return client.latest_with(subject(), options["use.latest.with.metadata"])[1]
    if options["use.latest.version"]:
        return client.latest(subject())[1]
    return None


def _check(
    client: RegistryClient,
    options: Mapping[str, Any],
    strict: str,
    text: SchemaText,
    ours: SchemaText,
) -> None:
    """Raise DataError, which names the option, unless that schema reads what is written with ours."""
    if not options[strict]:
        return
    found = [f"it is {text.kind}"]
    kind = TYPES.get(ours.kind)
    if kind is not None and text.kind == ours.kind:
        referred = [(name, schema.text) for name, schema in client.resolved(text)]
        try:
            found = told(
                kind.incompatibilities(kind.parse(text.text, referred), kind.parse(ours.text, ())),
                "new",
                "old",
            )
        except ValueError as error:
            found = [str(error)]
    if found:
        raise DataError(
            f"Incompatible schema of type '{ours.kind}'. Set {strict}=false to disable this check. See "
            f"log file for more details. ({'; '.join(found)})"
        )
