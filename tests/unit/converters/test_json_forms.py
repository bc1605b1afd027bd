"""JSON Schema's own forms through the built-in registry: alternatives, enums, anything, other subjects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.converters.json_decoder import RowsUnder
from appliance.converters.json_forms import FormsDecoder
from appliance.converters.registry_json import JsonSchemaConverter
from appliance.data import Schema, SchemaBuilder, Type
from appliance.errors import DataError
from appliance.schemaregistry.client import RegistryError, SchemaText
from appliance.schemaregistry.variant import variant_json, variant_of
from tests.unit.converters.local_registry import configured

P = "io.confluent.connect.json"


def register(converter: Any, schema: Any, subject: str = "t-value", *references: str) -> int:
    """Register a schema under its own name; `references` are subjects, by their own names too."""
    listed = [{"name": name, "subject": name, "version": 1} for name in references]
    body = {"schema": json.dumps(schema), "schemaType": "JSON", "references": listed}
    return int(converter._client.request("POST", f"/subjects/{subject}/versions", body)["id"])


def read(converter: Any, schema_id: int, *values: Any) -> Any:
    head = b"\0" + schema_id.to_bytes(4, "big")
    (run,) = converter.decode("t", [head + json.dumps(value).encode() for value in values])
    return run


def written(converter: Any, run: Any) -> tuple[Any, list[Any]]:
    """Write a run under a new subject; give the schema that was registered and the values."""
    payloads = converter.encoder("u", run.schema)(run.rows, ())
    answer = converter._client.request("GET", "/subjects/u-value/versions/1")
    return json.loads(answer["schema"]), [json.loads(payload[5:]) for payload in payloads]


def test_schemas_of_other_subjects_are_read_and_written_in_place():
    """A reference is found by its name, in whatever schema it stands, and need not be there to write."""
    converter = configured(JsonSchemaConverter)
    register(converter, {"type": "string", "enum": ["ES", "CAT"]}, "land.json")
    address = {
        "type": "object",
        "title": "Address",
        "properties": {"town": {"type": "string"}, "land": {"$ref": "land.json"}},
    }
    register(converter, {"definitions": {"A": address}}, "address.json", "land.json")
    order = {
        "type": "object",
        "properties": {"to": {"$ref": "address.json#/definitions/A"}, "in": {"$ref": "land.json"}},
    }
    schema_id = register(converter, order, "t-value", "address.json", "land.json")
    value = {"to": {"town": "Olot", "land": "CAT"}, "in": "ES"}

    run = read(converter, schema_id, value)
    schema, values = written(converter, run)

    assert run.rows == [(("Olot", "CAT"), "ES")]
    assert run.schema.field("to").schema.name == "Address"
    assert values == [value]
    assert schema["properties"]["to"]["properties"]["land"]["enum"] == ["ES", "CAT"]


def test_addresses_and_anchors_are_followed():
    """A reference is relative to the `$id` it stands in; `$anchor` and `$id` name a place."""
    converter = configured(JsonSchemaConverter)
    register(converter, {"$id": "http://acme/lib/b.json", "type": "integer"}, "b")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "http://acme/lib/root.json",
        "type": "object",
        "properties": {
            "b": {"$ref": "b.json"},
            "n": {"$ref": "#named"},
            "i": {"$ref": "inner/c.json"},
            "p": {"$ref": "#/$defs/odd~1name/items"},
        },
        "$defs": {
            "x": {"$anchor": "named", "type": "boolean"},
            "y": {"$id": "inner/c.json", "$ref": "d.json"},
            "z": {"$id": "http://acme/lib/inner/d.json", "type": "string"},
            "odd/name": {"type": "array", "items": {"type": "number"}},
        },
    }
    schema_id = register(converter, schema, "t-value", "b")

    assert read(converter, schema_id, {"b": 1, "n": True, "i": "x", "p": 2.5}).rows == [
        (1, True, "x", 2.5)
    ]


def test_a_reference_to_nowhere_is_a_data_error():
    """Nothing is fetched, and the error names the reference, whichever registry keeps such a schema."""
    converter = configured(JsonSchemaConverter)
    lost = SchemaText('{"$ref": "http://localhost:1/other.json"}', "JSON")
    converter._client._schemas[7] = lost
    with pytest.raises(DataError, match=r"other\.json is neither in it nor among"):
        read(converter, 7, {})
    with pytest.raises(RegistryError, match=r"other\.json is neither in it .* 42201"):
        converter._client.register("s", lost)


def test_a_schema_has_the_version_of_its_subject_unless_it_says_another():
    """As those of Avro and Protobuf do: sinks tell newer schemas by it."""
    converter = configured(JsonSchemaConverter)
    documents: tuple[dict[str, Any], ...] = ({}, {"description": "newer"}, {"connect.version": 7})
    ids = [register(converter, {"type": "object", **more}) for more in documents]

    versions = [read(converter, schema_id, {}).schema.version for schema_id in ids]

    assert versions == [1, 2, 7]


def test_members_that_are_missing_stay_so():
    """A required one too, at any depth that may be read; an optional one is null."""
    converter = configured(JsonSchemaConverter)
    integer, nullable = {"type": "integer"}, {"type": ["integer", "null"]}
    schema = {"type": "object", "properties": {"a": integer, "b": nullable, "c": integer}}
    values = [{"a": 1, "b": 2, "c": 3}, {"c": 3}, {}]

    _, back = written(converter, read(converter, register(converter, schema), *values))

    assert back == [values[0], {"b": None, "c": 3}, {"b": None}]


def test_a_row_that_does_not_fit_is_refused_all_the_same():
    """The error names what is wrong."""
    converter = configured(JsonSchemaConverter)
    schema = (
        SchemaBuilder.struct()
        .field("n", Schema(Type.INT64))
        .field("s", Schema(Type.STRING))
        .build()
    )
    with pytest.raises(DataError, match="Invalid type for INT64"):
        converter.encoder("t", schema)([("x", None)], ())


ALTERNATIVES = {
    "type": "object",
    "properties": {
        "v": {
            "oneOf": [
                {"type": "null"},
                {"type": "string"},
                {"type": "integer"},
                {"type": "object", "title": "A", "properties": {"x": {"type": "integer"}}},
                {
                    "type": "object",
                    "title": "B",
                    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
                },
            ]
        }
    },
}


@pytest.mark.parametrize(
    ("general", "name", "field"),
    [
        ("false", f"{P}.OneOf", f"{P}.OneOf.field.3"),
        ("true", "connect_union_0", "connect_union_field_3"),
    ],
)
def test_alternatives_are_written_as_they_were_read(general, name, field):
    """The one that fits best is set; the schema is one of alternatives again, null among them."""
    converter = configured(JsonSchemaConverter, generalized_sum_type_support=general)
    values = [{"v": v} for v in ("a", 7, {"x": 1}, {"x": 1, "y": 2}, None)]

    run = read(converter, register(converter, ALTERNATIVES), *values)
    schema, back = written(converter, run)

    union = run.schema.field("v").schema
    assert (union.name, union.fields[3].name, union.optional) == (name, field, True)
    assert [row[0] and [i for i, v in enumerate(row[0]) if v is not None] for row in run.rows] == [
        [0],
        [1],
        [2],
        [3],
        None,
    ]
    assert back == values
    branches = schema["properties"]["v"]["oneOf"]
    assert [branch["type"] for branch in branches] == ["null", "string", "integer"] + 2 * [
        "object"
    ]
    assert [branch.get("title") for branch in branches[3:]] == ["A", "B"]


@pytest.mark.parametrize("general", ["false", "true"])
def test_enums_are_written_as_they_were_read(general):
    """Symbols keep their order; null and a constant are symbols too."""
    converter = configured(JsonSchemaConverter, generalized_sum_type_support=general)
    enums = {
        "e": {"enum": ["B", "A", None]},
        "c": {"const": "x"},
        "n": {"type": "integer", "enum": [1]},
    }

    run = read(
        converter,
        register(converter, {"type": "object", "properties": enums}),
        {"e": "A", "c": "x", "n": 1},
    )
    schema, back = written(converter, run)

    assert back == [{"e": "A", "c": "x", "n": 1}]
    found = schema["properties"]
    assert (found["e"]["enum"], found["c"]["enum"]) == (["B", "A", None], ["x"])
    assert found["n"]["type"] == "integer"
    word = "org.apache.kafka.connect.data.Enum" if general == "true" else f"{P}.Enum"
    second = "1" if general == "true" else "A"
    assert run.schema.field("e").schema.parameters[f"{word}.A"] == second


def test_maps_with_keys_that_are_no_texts_are_lists_of_entries():
    """Optional texts and numbers as keys stand in objects of key and value."""
    optional = Schema(Type.STRING, optional=True)
    schema = (
        SchemaBuilder.struct()
        .field("n", SchemaBuilder.map(Schema(Type.INT32), Schema(Type.STRING)).build())
        .field("o", SchemaBuilder.map(optional, Schema(Type.INT64, optional=True)).build())
        .build()
    )
    row = ({1: "a", 2: "b"}, {None: 1, "k": None})
    converter = configured(JsonSchemaConverter)

    payloads = converter.encoder("t", schema)([row], ())
    (run,) = converter.decode("t", payloads)

    assert json.loads(payloads[0][5:])["o"] == [
        {"key": None, "value": 1},
        {"key": "k", "value": None},
    ]
    assert (run.schema, run.rows) == (schema.replace(version=1), [row])


@pytest.mark.parametrize("value", [{}, [{"key": 1}], [[1, "a"]]])
def test_entries_of_another_form_are_data_errors(value):
    """An entry is an object of key and value."""
    converter = configured(JsonSchemaConverter)
    entry = {"type": "object", "properties": {"key": {"type": "integer"}, "value": {}}}
    schema_id = register(converter, {"type": "array", "connect.type": "map", "items": entry})
    with pytest.raises(DataError, match=r"map entry|should be encoded"):
        read(converter, schema_id, value)


def test_members_without_a_name_are_kept_when_wished():
    """They return to where they were; a closed object has none."""
    converter = configured(JsonSchemaConverter, preserve_additional_properties="true")
    closed = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"q": {"type": "integer"}},
    }
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "c": closed, "o": {"type": "object"}},
    }
    value = {"a": 1, "c": {"q": 2}, "o": {"x": [1, {"y": None}]}, "more": 2.5, "text": "é"}

    run = read(converter, register(converter, schema), value)
    described, back = written(converter, run)

    assert run.rows[0][3]["more"] == (b"\x01\x00\x00", b"\x1c\x00\x00\x00\x00\x00\x00\x04@")
    assert back == [value]
    assert list(described["properties"]) == ["a", "c", "o"]
    with pytest.raises(DataError, match="collides with the reserved field"):
        read(converter, 1, {"__connect_additional_properties__": 1})


def test_anything_is_a_variant():
    """What a schema says nothing of is kept as it is, byte for byte as Confluent's classes have it."""
    converter = configured(JsonSchemaConverter)
    schema_id = register(converter, {"type": "object", "properties": {"e": {}, "t": True}})
    value = {"e": {"a": [1]}, "t": None}

    run = read(converter, schema_id, {"e": {"a": [1]}, "t": "x"})
    _, back = written(converter, run)

    assert run.rows[0][0] == (
        bytes.fromhex("0101000161"),
        bytes.fromhex("0201000009030100051401000000"),
    )
    assert back == [{"e": {"a": [1]}, "t": "x"}]
    with pytest.raises(DataError, match="Invalid null value"):
        read(converter, schema_id, value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**37), 10**37)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
@settings(deadline=None, max_examples=150)
def test_json_returns_from_a_variant(value):
    """Whatever JSON holds."""
    assert json.loads(variant_json(*variant_of(value))) == value


@given(st.binary(max_size=12), st.binary(max_size=40))
@settings(deadline=None, max_examples=150)
def test_bytes_that_are_no_variant_are_data_errors(metadata, value):
    """Never another error."""
    try:
        variant_json(metadata, value)
    except DataError:
        pass


def test_dialects_after_the_seventh_may_be_ignored():
    """Then their words say nothing: a tuple's first items, a name for a place."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "array",
        "prefixItems": [{"type": "string"}],
        "items": {"type": "integer"},
    }
    modern = configured(JsonSchemaConverter)
    with pytest.raises(DataError, match="did not specify the items type"):
        read(modern, register(modern, schema), [1])
    ignoring = configured(JsonSchemaConverter, ignore_modern_dialects="true")
    assert read(ignoring, register(ignoring, schema), [1]).rows == [[1]]


VALID = {
    "type": "object",
    "required": ["n"],
    "additionalProperties": False,
    "properties": {
        "n": {"type": "integer", "minimum": 1, "exclusiveMaximum": 10},
        "s": {"type": "string", "pattern": "^a", "maxLength": 3},
        "l": {"type": "array", "items": {"enum": ["y", "x"]}, "uniqueItems": True, "minItems": 1},
        "o": {"oneOf": [{"type": "null"}, {"$ref": "#/properties/n"}]},
        "i": {"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"not": {"const": 5}}},
    },
}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"n": 0},
        {"n": 10},
        {"n": 1.5},
        {"n": 1, "more": 1},
        {"n": 1, "s": "b"},
        {"n": 1, "s": "abcd"},
        {"n": 1, "l": []},
        {"n": 1, "l": ["x", "x"]},
        {"n": 1, "l": ["z"]},
        {"n": 1, "o": 11},
        {"n": 1, "i": "x"},
        {"n": 1, "i": 5},
    ],
)
def test_values_that_are_not_valid_are_refused_when_wished(value):
    """The error says where; without the option they are read."""
    converter = configured(JsonSchemaConverter, json_fail_invalid_schema="true")
    schema_id = register(converter, VALID)
    good = {"n": 1.0, "s": "abc", "l": ["y", "x"], "o": None, "i": "xy"}
    assert read(converter, schema_id, good).rows[0][1] == "abc"
    with pytest.raises(DataError, match="Validation error in JSON, Error report: #"):
        read(converter, schema_id, value)


def test_written_values_are_validated_by_the_schema_they_are_written_with():
    """The newest schema may say more than ours does."""
    converter = configured(
        JsonSchemaConverter,
        auto_register_schemas="false",
        use_latest_version="true",
        latest_compatibility_strict="false",
        json_fail_invalid_schema="true",
    )
    register(converter, VALID)
    schema = SchemaBuilder.struct().field("n", Schema(Type.INT64)).build()

    encode = converter.encoder("t", schema)

    assert encode([(1,)], ())[0][5:] == b'{"n":1}'
    with pytest.raises(DataError, match="Validation error"):
        encode([(11,)], ())


SCALARS = st.sampled_from(
    [
        (Schema(Type.INT64), st.integers(-(2**63), 2**63 - 1)),
        (Schema(Type.STRING), st.text(max_size=5)),
        (Schema(Type.BOOLEAN), st.booleans()),
        (Schema(Type.BYTES), st.binary(max_size=5)),
    ]
)


def _wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def as_list(pair: Any) -> Any:
        return SchemaBuilder.array(pair[0]).build(), st.lists(pair[1], max_size=3)

    def as_map(pair: Any) -> Any:
        return (
            SchemaBuilder.map(Schema(Type.INT32), pair[0]).build(),
            st.dictionaries(st.integers(0, 9), pair[1], max_size=3),
        )

    def as_optional(pair: Any) -> Any:
        return pair[0].replace(optional=True), st.none() | pair[1]

    def as_struct(pairs: Any) -> Any:
        builder = SchemaBuilder.struct()
        for number, (schema, _) in enumerate(pairs):
            builder.field(f"f{number}/~%", schema)
        return builder.build(), st.tuples(*[values for _, values in pairs])

    return (
        inner.map(as_list)
        | inner.map(as_map)
        | inner.map(as_optional)
        | st.lists(inner, min_size=1, max_size=3).map(as_struct)
    )


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_rows_and_schemas_return_when_written_and_read(data):
    """Lists, maps, nullable values and structs, inside each other."""
    members = st.lists(st.recursive(SCALARS, _wrapped, max_leaves=6), min_size=1, max_size=3)
    builder, values = SchemaBuilder.struct().name("acme.Any"), []
    for number, (schema, strategy) in enumerate(data.draw(members)):
        builder.field(f"m{number}", schema)
        values.append(strategy)
    schema, row = builder.build(), data.draw(st.tuples(*values))
    converter = configured(JsonSchemaConverter)

    (run,) = converter.decode("t", converter.encoder("t", schema)([row], ()))

    assert (run.schema, run.rows) == (schema.replace(version=1), [row])


def _of(kind: str, one: Schema, two: Schema) -> Schema:
    if kind == "struct":
        return SchemaBuilder.struct().field("a", one).field("b", two).build()
    if kind == "array":
        return SchemaBuilder.array(one).build()
    return SchemaBuilder.map(two if two.type.is_primitive else one, one).build()


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abx"), inner),
    max_leaves=6,
)
_SCHEMAS = st.recursive(
    st.builds(
        lambda kind, optional: Schema(kind, optional=optional),
        st.sampled_from([kind for kind in Type if kind.is_primitive]),
        st.booleans(),
    ),
    lambda inner: st.builds(_of, st.sampled_from(["struct", "array", "map"]), inner, inner),
    max_leaves=4,
)


@given(_SCHEMAS, st.lists(_VALUES.map(lambda value: json.dumps(value).encode()), max_size=3))
@settings(max_examples=300)
def test_rows_are_the_exact_ones_when_read_by_generated_code(schema, payloads):
    """Whether a batch is read at once or value by value, rows and complaints are the same."""
    exact = FormsDecoder(schema)
    exact._rows = RowsUnder(schema, exact._exact, replace_null=True, plain=False)
    assert _outcome(FormsDecoder(schema), payloads) == _outcome(exact, payloads)


def _outcome(decoder: FormsDecoder, payloads: list[bytes]) -> Any:
    try:
        return repr([list(run.rows) for run in decoder.decode(payloads)])
    except DataError as error:
        return str(error)
