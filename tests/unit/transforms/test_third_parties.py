"""Transforms of Confluent and Aiven, by their public documentation and the latter's classes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.data import Header, Schema, SchemaBuilder, SinkRecord, Struct, Type
from appliance.errors import ConfigError, DataError
from appliance.transforms import PLUGINS
from appliance.transforms.jsonpath import JsonPath

CONFLUENT, AIVEN = "io.confluent.connect.transforms", "io.aiven.kafka.connect.transforms"
INNER = SchemaBuilder.struct().field("city", Schema(Type.STRING)).optional().build()
ROW = (
    SchemaBuilder.struct()
    .name("acme.Row")
    .field("id", Schema(Type.INT32))
    .field("name", Schema(Type.STRING, optional=True))
    .field("ratio", Schema(Type.FLOAT64))
    .field("address", INNER)
    .build()
)
MAP = {"id": 7, "name": "Ana", "ratio": 0.5, "address": {"city": "Vic"}}


def struct(name="Ana"):
    inner = Struct(INNER, {"city": "Vic"})
    return Struct(ROW, {"id": 7, "name": name, "ratio": 0.5, "address": inner})


def applied(java_class, record, **options):
    transform = next(p for p in PLUGINS if p.java_class == java_class).load()()
    transform.configure({name.replace("__", "."): value for name, value in options.items()})
    return transform.apply(record)


def record(value, schema=None, **more):
    return SinkRecord(
        "t", 0, more.pop("key_schema", None), more.pop("key", None), schema, value, **more
    )


@pytest.mark.parametrize("schema", [None, ROW])
def test_fields_are_joined_as_texts(schema):
    """Paths lead into structs and maps; what is missing has its stand-in."""
    value = MAP if schema is None else struct()
    made = applied(
        f"{AIVEN}.ConcatFields$Value", record(value, schema),
        field__names="id,name,address.city,nope,ratio", output__field__name="all",
        delimiter="-", field__replace__missing="?",
    )  # fmt: skip

    found = made.value["all"] if schema is None else made.value.get("all")
    assert found == "7-Ana-Vic-?-0.5"


@pytest.mark.parametrize("schema", [None, ROW])
@pytest.mark.parametrize(("case", "name"), [("upper", "ANA"), ("LOWER", "ana")])
def test_texts_change_their_case(schema, case, name):
    """Other fields stay."""
    value = MAP if schema is None else struct()
    options = {"field__names": "name", "case": case}
    made = applied(f"{AIVEN}.CaseTransform$Value", record(value, schema), **options)

    found = made.value if schema is None else {"name": made.value.get("name"), "id": 7}
    assert (found["name"], found["id"]) == (name, 7)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"field__name": "name", "field__value": "Ana"}, True),
        ({"field__name": "name", "field__value": "Eva"}, False),
        ({"field__name": "name", "field__value": "Eva", "field__value__matches": "false"}, True),
        ({"field__name": "address.city", "field__value__pattern": "^V"}, True),
        ({"field__name": "ratio", "field__value__pattern": "^0\\.5$"}, True),
        ({"field__name": "nope", "field__value": "x"}, False),
        ({"field__name": "nope", "field__value": "x", "field__value__matches": "false"}, True),
    ],
)
@pytest.mark.parametrize("schema", [None, ROW])
def test_records_are_kept_by_the_value_of_a_field(options, kept, schema):
    """Equal, or found by a pattern in its text."""
    given_record = record(MAP if schema is None else struct(), schema)
    made = applied(f"{AIVEN}.FilterByFieldValue$Value", given_record, **options)

    assert (made is not None) is kept


@pytest.mark.parametrize("options", [{}, {"field__value": "x", "field__value__pattern": "y"}])
def test_one_of_value_and_pattern_is_wanted(options):
    """Neither and both are refused."""
    with pytest.raises(ConfigError, match=r"Either field\.value or field\.value\.pattern"):
        applied(f"{AIVEN}.FilterByFieldValue$Value", record(1), **options)


KEY = SchemaBuilder.struct().field("k", Schema(Type.INT64)).build()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "name=Ana,ratio=0.5,address=Struct{city=Vic},_key=Struct{k=3}}"),
        ({"key__fields": "k"}, "address=Struct{city=Vic},k=3}"),
        ({"key__fields": "k", "value__fields": "id"}, "Struct{id=3,name=Ana"),
    ],
)
def test_keys_go_into_structs(options, text):
    """A field that exists gets another schema."""
    key = Struct(KEY, {"k": 3})
    made = applied(
        f"{AIVEN}.KeyToValue", record(struct(), ROW, key_schema=KEY, key=key), **options
    )

    assert text in str(made.value)
    assert made.value.schema.name == "acme.Row"


def test_keys_go_into_maps():
    """Without a schema any key fits."""
    made = applied(f"{AIVEN}.KeyToValue", record({"a": 1}, key="x"))

    assert made.value == {"a": 1, "_key": "x"}


@pytest.mark.parametrize(
    ("key", "options", "why"),
    [
        ("x", {"key__fields": "a"}, "cannot be copied from the key class"),
        ({"a": 1}, {"key__fields": "*"}, "the key class is a schemaless Map"),
        ("x", {"key__fields": "*,*"}, "More than one key value"),
    ],
)
def test_keys_that_do_not_fit_are_refused(key, options, why):
    """The error says what cannot be copied."""
    value, schema = (
        ({"b": 1}, None) if "class" in why and "schemaless" not in why else (struct(), ROW)
    )

    with pytest.raises(DataError, match=why):
        applied(f"{AIVEN}.KeyToValue", record(value, schema, key=key), **options)


def test_a_header_becomes_the_topic():
    """The last one of its name counts; a missing one fails or is passed over."""
    headers = (Header("to", None, "a"), Header("to", Schema(Type.INT32), 5))
    kind = f"{CONFLUENT}.ExtractTopic$Header"

    assert applied(kind, record(1, headers=headers), field="to").topic == "5"
    skipped = applied(kind, record(1), field="to", skip__missing__or__null="true")
    assert skipped.topic == "t"
    with pytest.raises(DataError, match="The header to is missing or null"):
        applied(kind, record(1), field="to")


def test_a_time_in_the_message_becomes_part_of_the_topic():
    """The first member that has one counts."""
    options = {"message__timestamp__keys": "none,at", "topic__timestamp__format": "yyyy.MM.dd"}
    kind = f"{CONFLUENT}.MessageTimestampRouter"

    assert applied(kind, record({"at": "2020-01-02"}), **options).topic == "t-2020.01.02"
    with pytest.raises(DataError, match="None of none, at holds a time"):
        applied(kind, record({}), **options)
    with pytest.raises(DataError, match="Could not parse timestamp"):
        applied(kind, record({"at": "x"}), **options)


@pytest.mark.parametrize(
    ("behavior", "optional", "schema"),
    [("nullify", False, None), ("retain", False, "row"), ("force_optional", False, "optional"),
     ("validate", True, "row")],
)  # fmt: skip
def test_values_are_dropped_with_or_without_their_schema(behavior, optional, schema):
    """The value is null under what the option leaves."""
    own = ROW.replace(optional=optional)
    made = applied(f"{CONFLUENT}.Drop$Value", record(struct(), own), schema__behavior=behavior)

    wanted = {"row": own, "optional": ROW.replace(optional=True), None: None}[schema]
    assert (made.value, made.value_schema) == (None, wanted)


def test_a_required_schema_is_refused_when_validated():
    """`validate` keeps only what null fits."""
    with pytest.raises(DataError, match="its schema is not optional"):
        applied(f"{CONFLUENT}.Drop$Value", record(struct(), ROW), schema__behavior="validate")


@pytest.mark.parametrize(
    ("condition", "keeps"),
    [
        ("$[?(@.id == 7)]", True),
        ("$[?(@.id == 8)]", False),
        ("$.address[?(@.city == 'Vic')]", True),
        ("$.name[?(@ =~ /a.*/i)]", True),
        ("$[?(@.ratio > 0.4 && (@.name == 'Eva' || @.id < 10))]", True),
        ("$[?(!(@.id in [1, 7]))]", False),
        ("$[?(@.name nin ['Eva'])]", True),
        ("$[?(@.nope)]", False),
    ],
)
@pytest.mark.parametrize("schema", [None, ROW])
def test_json_paths_keep_records(condition, keeps, schema):
    """Include keeps what the path finds, exclude the rest."""
    value = MAP if schema is None else struct()
    kind = f"{CONFLUENT}.Filter$Value"
    options = {"filter__condition": condition}
    included = applied(kind, record(value, schema), filter__type="include", **options)
    excluded = applied(kind, record(value, schema), filter__type="exclude", **options)

    assert (included is not None, excluded is not None) == (keeps, not keeps)


@pytest.mark.parametrize(("behavior", "kept"), [("include", True), ("exclude", False)])
def test_what_a_path_misses_is_kept_dropped_or_refused(behavior, kept):
    """What stands before the condition must be there, unless told otherwise."""
    kind = f"{CONFLUENT}.Filter$Value"
    options = {"filter__condition": "$.nope[?(@ == 1)]", "filter__type": "include"}

    made = applied(kind, record(MAP), missing__or__null__behavior=behavior, **options)
    assert (made is not None) is kept
    with pytest.raises(DataError, match="has nothing at"):
        applied(kind, record(MAP), **options)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.a.b", [1]),
        ("$['a']['b']", [1]),
        ("$..x", [2, 3]),
        ("$.l[*].x", [2, 3]),
        ("$.l[0,-1].x", [2, 3]),
        ("$.l[?(@.x >= 3)].x", [3]),
        ("$", [{"a": {"b": 1}, "l": [{"x": 2}, {"x": 3}]}]),
    ],
)
def test_paths_lead_to_values(path, found):
    """Names, places, all of them, any depth, and conditions."""
    assert JsonPath("o", path).find({"a": {"b": 1}, "l": [{"x": 2}, {"x": 3}]}) == found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["$", ".", "..", "a", "[", "]", "?", "(", ")", "@", "==", "'x'", "1", "&&",
                         "||", "!", "*", ",", "=~", "/a/", "in", "<", " "]),
        max_size=16,
    ).map("".join)
)  # fmt: skip
def test_texts_are_paths_or_refused(text):
    """Never another class of error."""
    try:
        JsonPath("o", text).find({"a": [1, {"a": None}]})
    except ConfigError:
        pass
