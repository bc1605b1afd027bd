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


TYPES: Final[dict[str, SchemaType]] = {
    "JSON": SchemaType(
        lambda text, _references: parse_json_schema(text),
        lambda parsed, _text: canonical_json(parsed),
        json_incompatibilities,
    ),
    "AVRO": SchemaType(
        lambda text, references: parse_avro(text, [referred for _, referred in references]),
        lambda parsed, _text: canonical(parsed),
        avro_incompatibilities,
    ),
}
"""In the order in which the registry names them."""
