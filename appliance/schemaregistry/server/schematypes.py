"""The three types of schema: how each is read, printed and compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from appliance.schemaregistry.server.avrocompat import avro_incompatibilities
from appliance.schemaregistry.server.avroschema import canonical, parse_avro
from appliance.schemaregistry.server.jsoncompat import (
    canonical_json,
    json_incompatibilities,
    parse_json_schema,
)


class SchemaType(NamedTuple):
    """`parse` takes a text and (name, text) of what it refers to, and raises ValueError.

    `incompatibilities` says why data of its second schema cannot be read with the first.
    """

    parse: Callable[[str, Sequence[tuple[str, str]]], Any]
    canonical: Callable[[Any, str], str]
    incompatibilities: Callable[[Any, Any], list[str]]


def _parse_protobuf(text: str, references: Sequence[tuple[str, str]]) -> Any:
    # The library is loaded with the first schema that needs it.
    from appliance.schemaregistry.server.protocompat import parse_protobuf

    return parse_protobuf(text, references)


def _protobuf_incompatibilities(reader: Any, writer: Any) -> list[str]:
    from appliance.schemaregistry.server.protocompat import protobuf_incompatibilities

    return protobuf_incompatibilities(reader, writer)


TYPES: Final[dict[str, SchemaType]] = {
    "JSON": SchemaType(
        lambda text, _references: parse_json_schema(text),
        lambda parsed, _text: canonical_json(parsed),
        json_incompatibilities,
    ),
    "PROTOBUF": SchemaType(
        _parse_protobuf, lambda _parsed, text: text.strip(), _protobuf_incompatibilities
    ),
    "AVRO": SchemaType(
        lambda text, references: parse_avro(text, [referred for _, referred in references]),
        lambda parsed, _text: canonical(parsed),
        avro_incompatibilities,
    ),
}
"""In the order in which the registry names them."""
