"""Writing with a schema of the registry: whether it can hold what ours says.

Semantics: Confluent AbstractKafkaSchemaSerDe.lookupLatestVersion and lookupSchemaBySubjectAndId with the
option `latest.compatibility.strict` or `id.compatibility.strict`.
"""

from __future__ import annotations

from appliance.errors import DataError
from appliance.schemaregistry.client import RegistryClient, SchemaText
from appliance.schemaregistry.server.schematypes import TYPES, told


def check_latest(
    client: RegistryClient,
    latest: SchemaText,
    ours: SchemaText,
    option: str = "latest.compatibility.strict",
) -> None:
    """Raise DataError, which names the option, unless that schema reads what is written with ours."""
    found = [f"it is {latest.kind}"]
    kind = TYPES.get(ours.kind)
    if kind is not None and latest.kind == ours.kind:
        referred = [(name, schema.text) for name, schema in client.resolved(latest)]
        try:
            found = told(
                kind.incompatibilities(
                    kind.parse(latest.text, referred), kind.parse(ours.text, ())
                ),
                "new",
                "old",
            )
        except ValueError as error:
            found = [str(error)]
    if found:
        raise DataError(
            f"Incompatible schema of type '{ours.kind}'. Set {option}=false to disable this check. See "
            f"log file for more details. ({'; '.join(found)})"
        )


def check_chosen(client: RegistryClient, chosen: SchemaText, ours: SchemaText) -> None:
    """Raise DataError unless the schema of `use.schema.id` reads what is written with ours."""
    check_latest(client, chosen, ours, "id.compatibility.strict")
