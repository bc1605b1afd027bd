"""The three types of schema: how each is read, printed and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from appliance.schemaregistry.server.avrocompat import avro_incompatibilities
from appliance.schemaregistry.server.avronormal import normal
from appliance.schemaregistry.server.avroschema import canonical, parse_avro
from appliance.schemaregistry.server.jsoncompat import (
    canonical_json,
    json_incompatibilities,
    normal_json,
    parse_json_schema,
)


class SchemaType(NamedTuple):
    """`parse` takes a text and (name, text) of what it refers to, and raises ValueError.

    `canonical` gives the text that is kept, `normal` the one of the normal form.
    `incompatibilities` says why data of its second schema cannot be read with the first: `told` says it of
    an old and a new one.
    """

    parse: Callable[[str, Sequence[tuple[str, str]]], Any]
    canonical: Callable[[Any], str]
    normal: Callable[[Any], str]
    incompatibilities: Callable[[Any, Any], list[str]]


def told(found: Iterable[str], reader: str, writer: str) -> list[str]:
    """Give incompatibilities as they are shown: the reader's schema is the new one, or the old one."""
    return [why.replace("%s", reader, 1).replace("%s", writer, 1) for why in found]


def _parse_protobuf(text: str, references: Sequence[tuple[str, str]]) -> Any:
    # The library is loaded with the first schema that needs it.
    from appliance.schemaregistry.server.protocompat import parse_protobuf

    return parse_protobuf(text, references)


def _protobuf_incompatibilities(reader: Any, writer: Any) -> list[str]:
    from appliance.schemaregistry.server.protocompat import protobuf_incompatibilities

    return protobuf_incompatibilities(reader, writer)


TYPES: Final[dict[str, SchemaType]] = {
    "JSON": SchemaType(
        parse_json_schema,
        canonical_json,
        normal_json,
        json_incompatibilities,
    ),
    "PROTOBUF": SchemaType(
        _parse_protobuf,
        lambda parsed: str(parsed.text),
        lambda parsed: str(parsed.normal),
        _protobuf_incompatibilities,
    ),
    "AVRO": SchemaType(
        lambda text, references: parse_avro(text, [referred for _, referred in references]),
        canonical,
        lambda parsed: canonical(normal(parsed)),
        avro_incompatibilities,
    ),
}
"""In the order in which the registry names them."""
