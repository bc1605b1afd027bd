"""JSON with its schema in a registry: what is written is read back."""

from __future__ import annotations

import decimal
import json
from typing import Any

import pytest

from appliance.api import NULL
from appliance.converters.registry_json import JsonSchemaConverter
from appliance.data import Schema, SchemaBuilder, Type
from appliance.data.logical import DECIMAL_NAME, TIMESTAMP_NAME
from appliance.errors import DataError
from appliance.schemaregistry.client import ClientOptions, RegistryClient


class Registry(RegistryClient):
    """A registry in memory."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(ClientOptions(("http://registry",)))
        self.bodies: list[dict[str, Any]] = []

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Answer from memory."""
        if method == "POST":
            self.bodies.append(body)
            return {"id": len(self.bodies), "version": 1}
        return self.bodies[int(path.split("/")[3].partition("?")[0]) - 1]


def _converter(**options: str) -> tuple[JsonSchemaConverter, Registry]:
    converter, registry = JsonSchemaConverter(), Registry()
    config = {name.replace("_", "."): value for name, value in options.items()}
    converter.configure({"schema.registry.url": "http://registry", **config}, is_key=False)
    converter._client = registry
    return converter, registry


@pytest.mark.parametrize("form", ["BASE64", "NUMERIC"])
def test_rows_return_when_written_and_read(form: str) -> None:
    """Every type comes back under an equal schema, tombstones too."""
    parameters = {"scale": "2"}
    price = Schema(Type.BYTES, name=DECIMAL_NAME, version=1, parameters=parameters)
    schema = (
        SchemaBuilder.struct()
        .name("acme.Order")
        .field("z", Schema(Type.INT64))
        .field("a", Schema(Type.INT8, optional=True))
        .field("f", Schema(Type.FLOAT32))
        .field("raw", Schema(Type.BYTES))
        .field("price", price)
        .field("at", Schema(Type.INT64, name=TIMESTAMP_NAME, version=1))
        .field("tags", SchemaBuilder.array(Schema(Type.STRING)).build())
        .field("by", SchemaBuilder.map(Schema(Type.STRING), Schema(Type.INT32)).build())
        .build()
    )
    row = (1, None, 2.5, b"ab", decimal.Decimal("1.50"), 1_641_600_000_000, ["x"], {"k": 1})
    converter, registry = _converter(decimal_format=form)
    payloads = converter.encoder("t", schema)([row, None], ())
    assert payloads[0] is not None
    assert payloads[0][:5] == b"\0\0\0\0\1"
    assert registry.bodies[0]["schemaType"] == "JSON"
    first, second = converter.decode("t", payloads)
    assert (first.schema, first.rows) == (schema.replace(version=1), [row])
    assert second.rows == [None]


def test_null_is_json_null_when_the_schema_is_optional() -> None:
    """A null under a schema is no tombstone here."""
    converter, _ = _converter()
    payloads = converter.encoder("t", Schema(Type.STRING, optional=True))([NULL], ())
    assert payloads == [b"\0\0\0\0\1null"]
    assert converter.decode("t", payloads)[0].rows == [NULL]


def test_foreign_schema_is_understood_when_read() -> None:
    """References, lists of types and required properties of others become Connect schemas."""
    converter, registry = _converter(use_optional_for_nonrequired="true")
    document = {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"$ref": "#/definitions/N"}, "s": {"type": ["string", "null"]}},
        "definitions": {"N": {"type": "integer"}},
    }
    registry.bodies.append({"schema": json.dumps(document), "schemaType": "JSON"})
    (run,) = converter.decode("t", [b'\0\0\0\0\1{"n":5}'])
    assert run.rows == [(5, None)]


@pytest.mark.parametrize("payload", [b"", b"{}", b"\0\0\0\0\1{"])
def test_bad_payload_is_refused_when_read(payload: bytes) -> None:
    """What is no wire format or no JSON is a data error."""
    converter, registry = _converter()
    registry.bodies.append({"schema": '{"type":"string"}', "schemaType": "JSON"})
    with pytest.raises(DataError):
        converter.decode("t", [payload])


def _foreign(document: dict[str, Any], *values: Any) -> Any:
    converter, registry = _converter()
    registry.bodies.append({"schema": json.dumps(document), "schemaType": "JSON"})
    payloads = [b"\x00\x00\x00\x00\x01" + json.dumps(value).encode() for value in values]
    return converter.decode("t", payloads)[0]


def test_alternatives_are_structs_with_a_field_for_each() -> None:
    """The first alternative that fits is set; null is null."""
    inner = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    document = {
        "type": "object",
        "properties": {
            "v": {"oneOf": [{"type": "null"}, {"type": "string"}, {"type": "number"}, inner]}
        },
    }

    run = _foreign(document, {"v": "a"}, {"v": 1.5}, {"v": {"x": 3}}, {"v": None})

    assert run.rows == [
        (("a", None, None),),
        ((None, 1.5, None),),
        ((None, None, (3,)),),
        (None,),
    ]
    assert run.schema.field("v").schema.name == "io.confluent.connect.json.OneOf"


def test_a_value_of_no_alternative_is_refused() -> None:
    """It would be lost."""
    with pytest.raises(DataError, match="Did not find matching oneof field"):
        _foreign({"type": ["string", "integer"]}, True)


def test_enums_and_merged_objects_are_read() -> None:
    """An enum keeps its symbols as parameters; allOf adds properties up."""
    document = {
        "definitions": {"base": {"type": "object", "properties": {"id": {"type": "integer"}}}},
        "allOf": [
            {"$ref": "#/definitions/base"},
            {"properties": {"color": {"enum": ["RED", "BLUE"]}}},
        ],
    }

    run = _foreign(document, {"id": 1, "color": "RED"})

    assert run.rows == [(1, "RED")]
    parameters = run.schema.field("color").schema.parameters
    assert parameters["io.confluent.connect.json.Enum.BLUE"] == "BLUE"


def _nested(depth: int) -> str:
    return '{"type":"array","items":' * depth + '{"type":"string"}' + "}" * depth


@pytest.mark.parametrize(
    "text",
    [
        '{"allOf":[{"$ref":"#"}]}',
        '{"allOf":[{"$ref":"#/definitions/a"}],"definitions":{"a":{"allOf":[{"$ref":"#"}]}}}',
        _nested(900),
        _nested(50_000),
    ],
    ids=["itself", "by another", "deep", "very deep"],
)
def test_schema_without_an_end_is_a_data_error(text: str) -> None:
    """Whoever may write to the registry cannot make a task fail without a word on why."""
    converter, registry = _converter()
    registry.bodies.append({"schema": text, "schemaType": "JSON"})
    with pytest.raises(DataError):
        converter.decode("t", [b'\x00\x00\x00\x00\x01["a"]'])
