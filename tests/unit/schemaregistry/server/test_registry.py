"""The built-in registry: Confluent's rules over records."""

from __future__ import annotations

import hashlib
import json
import uuid

import pytest
from starlette.testclient import TestClient

from appliance.rest.registry import RegistryApp
from appliance.schemaregistry.server.service import RegistryService
from tests.unit.schemaregistry.server.fakes import MemoryLog, Topic

V1 = '{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}'
V2 = (
    '{"type":"record","name":"R","fields":[{"name":"a","type":"int"},'
    '{"name":"b","type":"string","default":"x"}]}'
)
BAD = '{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"c","type":"string"}]}'
OTHER = '{"type":"record","name":"O","fields":[{"name":"z","type":"long"}]}'
NAMED = [
    {"name": "g", "type": {"type": "enum", "name": "E", "symbols": ["A"], "connect.name": "q"}},
    {"name": "f", "type": "int", "doc": "x"},
]


class Api:
    """A host's registry over a topic, asked as a client would."""

    def __init__(self, topic: Topic | None = None) -> None:
        self.topic = topic or Topic()
        log = MemoryLog(self.topic)

        def opened() -> RegistryService:
            service = RegistryService(log)
            log.read_to_end(1)
            return service

        self.http = TestClient(RegistryApp(opened))

    def ask(self, method: str, path: str, body=None):
        answer = self.http.request(method, path, json=body)
        return answer.status_code, answer.json()

    def register(self, subject: str, schema: str, **more):
        return self.ask("POST", f"/subjects/{subject}/versions", {"schema": schema, **more})


@pytest.fixture
def api():
    return Api()


def test_a_schema_gets_one_id_in_all_subjects_and_a_version_in_each(api):
    """Ids count up from 1; the same schema again is the same version."""
    assert api.register("a", V1)[1] == {
        "id": 1,
        "version": 1,
        "guid": str(uuid.UUID(hashlib.md5(V1.encode()).hexdigest())),
        "schema": V1,
    }
    assert api.register("a", V2)[1]["id"] == 2
    assert api.register("b", V1)[1]["id"] == 1
    again = api.register("a", " " + V1.replace(":", " : "))[1]
    assert (again["id"], again["version"]) == (1, 1)
    assert api.ask("GET", "/subjects") == (200, ["a", "b"])
    assert api.ask("GET", "/subjects/a/versions") == (200, [1, 2])
    assert api.ask("GET", "/schemas/ids/2")[1]["schema"] == V2
    assert api.ask("GET", "/schemas/ids/1/subjects") == (200, ["a", "b"])
    latest = api.ask("GET", "/subjects/a/versions/latest")[1]
    assert (latest["subject"], latest["version"], latest["id"]) == ("a", 2, 2)
    assert latest["schema"] == V2


def test_records_are_those_of_the_peer(api):
    """Key and value are compact, in the peer's order of members."""
    api.register("a", V1)
    api.ask("PUT", "/config/a", {"compatibility": "FULL"})
    api.ask("DELETE", "/subjects/a")

    shown = [
        (key.decode(), value.decode() if value else value) for key, value in api.topic.records
    ]
    schema = json.dumps(V1)
    assert shown == [
        (
            '{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}',
            f'{{"subject":"a","version":1,"id":1,"schema":{schema},"deleted":false}}',
        ),
        (
            '{"keytype":"CONFIG","subject":"a","magic":0}',
            '{"subject":"a","compatibilityLevel":"FULL"}',
        ),
        (
            '{"keytype":"DELETE_SUBJECT","subject":"a","magic":0}',
            '{"subject":"a","version":1}',
        ),
        ('{"keytype":"CONFIG","subject":"a","magic":0}', None),
    ]


def test_another_host_sees_everything_and_goes_on_counting(api):
    """State is what the topic says; two hosts that write in turn never give one id twice."""
    api.register("a", V1)
    other = Api(api.topic)

    assert other.register("b", OTHER)[1]["id"] == 2
    assert api.register("c", V2)[1]["id"] == 3
    assert other.register("d", V1)[1]["id"] == 1


@pytest.mark.parametrize(
    ("level", "old", "new", "fits"),
    [
        ("BACKWARD", V1, V2, True),
        ("BACKWARD", V1, BAD, False),
        ("FORWARD", V1, BAD, True),
        ("FORWARD", BAD, V1, False),
        ("FULL", V1, V2, True),
        ("FULL", V1, BAD, False),
        ("NONE", V1, OTHER, True),
    ],
)
def test_a_level_decides_what_may_follow(api, level, old, new, fits):
    """Registration is refused as the check foretells."""
    api.ask("PUT", "/config", {"compatibility": level})
    api.register("s", old)

    check = "/compatibility/subjects/s/versions/latest?verbose=true"
    status, answer = api.ask("POST", check, {"schema": new})
    registered, body = api.register("s", new)

    assert (status, answer["is_compatible"]) == (200, fits)
    assert registered == (200 if fits else 409)
    assert fits or body["message"].startswith(
        'Schema being registered is incompatible with an earlier schema for subject "s", details: ['
    )


def test_transitive_levels_look_at_all_versions(api):
    """What goes with the last version only is refused."""
    api.ask("PUT", "/config", {"compatibility": "NONE"})
    api.register("s", V1.replace('"int"', '"string"'))
    api.register("s", V1)
    api.ask("PUT", "/config/s", {"compatibility": "BACKWARD_TRANSITIVE"})

    assert api.register("s", V2)[0] == 409
    api.ask("PUT", "/config/s", {"compatibility": "BACKWARD"})
    assert api.register("s", V2)[0] == 200


def test_deleting_goes_in_two_steps(api):
    """Soft first, then for good; a schema again is a new version with the old id."""
    api.register("s", V1)
    refused = api.ask("DELETE", "/subjects/s?permanent=true")
    assert refused[1]["error_code"] == 40405
    assert api.ask("DELETE", "/subjects/s/versions/1") == (200, 1)
    assert api.ask("GET", "/subjects/s/versions/1")[1]["error_code"] == 40401
    assert api.ask("GET", "/subjects/s/versions/1?deleted=true")[0] == 200
    assert api.ask("DELETE", "/subjects/s")[1]["error_code"] == 40404
    again = api.register("s", V1)[1]
    assert (again["id"], again["version"]) == (1, 2)
    assert api.ask("DELETE", "/subjects/s") == (200, [2])
    assert api.ask("DELETE", "/subjects/s?permanent=true") == (200, [1, 2])
    assert api.ask("GET", "/subjects?deleted=true") == (200, [])
    assert api.register("s", OTHER)[1]["id"] == 2


def test_a_schema_that_others_refer_to_stays(api):
    """References resolve, and hold what they name."""
    api.register("o", OTHER)
    user = '{"type":"record","name":"U","fields":[{"name":"o","type":"O"}]}'
    references = [{"name": "O", "subject": "o", "version": 1}]

    assert api.register("u", user, references=references)[0] == 200
    assert api.ask("GET", "/subjects/o/versions/1/referencedby") == (200, [2])
    assert api.ask("DELETE", "/subjects/o")[1]["error_code"] == 42206
    assert api.ask("GET", "/subjects/u/versions/1")[1]["references"] == references
    assert api.register("x", user)[1]["error_code"] == 42201


def test_modes_forbid_and_import(api):
    """READONLY refuses; IMPORT takes ids and versions as given."""
    api.ask("PUT", "/mode", {"mode": "READONLY"})
    assert api.register("s", V1)[1]["error_code"] == 42205
    api.ask("PUT", "/mode", {"mode": "READWRITE"})
    assert api.register("s", V1, id=7)[1]["error_code"] == 42205
    api.ask("PUT", "/mode/t", {"mode": "IMPORT"})
    imported = api.register("t", V1, id=7, version=3)[1]
    assert (imported["id"], imported["version"]) == (7, 3)
    assert api.register("t", OTHER, id=7)[1]["error_code"] == 42207
    assert api.register("s", OTHER)[1]["id"] == 8
    assert api.ask("PUT", "/mode", {"mode": "IMPORT"})[1]["error_code"] == 42205
    assert api.ask("DELETE", "/mode/t") == (200, {"mode": "IMPORT"})


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/subjects/x/versions", None, 40401),
        ("GET", "/subjects/s/versions/9", None, 40402),
        ("GET", "/subjects/s/versions/0", None, 42202),
        ("GET", "/subjects/s/versions/x", None, 42202),
        ("GET", "/schemas/ids/9", None, 40403),
        ("POST", "/subjects/s", {"schema": OTHER}, 40403),
        ("POST", "/subjects/x", {"schema": OTHER}, 40401),
        ("POST", "/subjects/s/versions", {"schema": "{"}, 42201),
        ("POST", "/subjects/s/versions", {"schema": ""}, 42201),
        ("POST", "/subjects/s/versions", {"schema": V1, "schemaType": "XML"}, 42201),
        ("PUT", "/config", {"compatibility": "SOMEHOW"}, 42203),
        ("PUT", "/mode", {"mode": "SOMEHOW"}, 42204),
        ("GET", "/config/s", None, 40408),
        ("GET", "/mode/s", None, 40409),
        ("DELETE", "/config/s", None, 40401),
        ("GET", "/nothing", None, 404),
        ("PATCH", "/subjects", None, 405),
        ("POST", "/compatibility/subjects/s/versions/9", {"schema": V1}, 40402),
    ],
)
def test_refusals_have_the_peers_codes(api, method, path, body, code):
    """The status is the code's first three digits."""
    api.register("s", V1)

    status, answer = api.ask(method, path, body)

    assert answer["error_code"] == code
    assert status == int(str(code)[:3])


def test_contexts_have_ids_of_their_own(api):
    """A qualified subject counts in its context."""
    api.register("a", V1)

    assert api.register(":.blue:a", OTHER)[1]["id"] == 1
    assert api.ask("GET", "/schemas/ids/1?subject=:.blue:a")[1]["schema"] == OTHER
    assert api.ask("GET", "/contexts") == (200, [".", ".blue"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('{"type":"string"}', '"string"'),
        ('{"type":{"type":"array","items":"int"}}', '{"type":"array","items":"int"}'),
        (
            json.dumps({"name": "n.R", "type": "record", "doc": "d", "fields": NAMED[::-1]}),
            json.dumps(
                {
                    "type": "record",
                    "name": "R",
                    "namespace": "n",
                    "doc": "d",
                    "fields": NAMED[::-1],
                },
                separators=(",", ":"),
            ),
        ),
        (
            '{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}',
            '{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}',
        ),
    ],
)
def test_avro_is_kept_in_one_form(api, given, kept):
    """Blanks and the order of members make no difference; docs and properties stay."""
    assert api.register("s", given)[1]["schema"] == kept


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        ({"type": "integer"}, {"type": "number"}, True),
        ({"type": "number"}, {"type": "integer"}, False),
        ({"type": "object"}, {"type": "object", "properties": {"a": {"type": "string"}}}, False),
        (
            {"type": "object", "additionalProperties": False},
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": False,
            },
            True,
        ),
        ({"type": "object", "properties": {"a": {}}}, {"type": "object"}, True),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            False,
        ),
        ({"type": "string"}, {"type": "string", "maxLength": 3}, False),
        ({"type": "string", "maxLength": 3}, {"type": "string", "maxLength": 5}, True),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, False),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, True),
        ({"type": "string"}, {"oneOf": [{"type": "null"}, {"type": "string"}]}, True),
        ({"oneOf": [{"type": "null"}, {"type": "string"}]}, {"type": "string"}, False),
        (
            {"type": "array", "items": {"type": "string"}},
            {"type": "array", "items": {"type": "integer"}},
            False,
        ),
        ({"type": "string"}, True, True),
    ],
)
def test_json_schemas_are_compared(api, old, new, fits):
    """Backward: whatever the old one accepts the new one accepts."""
    api.register("j", json.dumps(old), schemaType="JSON")

    assert (api.register("j", json.dumps(new), schemaType="JSON")[0] == 200) is fits


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        ("int32 a = 1;", "int32 a = 1; string b = 2;", True),
        ("int32 a = 1;", "int64 other = 1;", True),
        ("int32 a = 1;", "string a = 1;", False),
        ("optional int32 a = 1;", "repeated int32 a = 1;", False),
        ("int32 a = 1; string b = 2;", "int32 a = 1;", True),
        ("message I {} I i = 1;", "int32 a = 2;", False),
        ("oneof o { int32 a = 1; string b = 2; }", "oneof o { int32 a = 1; }", False),
    ],
)
def test_protobuf_files_are_compared(api, old, new, fits):
    """Numbers and their kinds count, names do not."""
    texts = [f'syntax = "proto3"; message M {{ {body} }}' for body in (old, new)]
    api.register("p", texts[0], schemaType="PROTOBUF")

    assert (api.register("p", texts[1], schemaType="PROTOBUF")[0] == 200) is fits


def entangled(last: str, count: int = 24) -> str:
    """Give a JSON Schema of objects that refer to each other; `last` is a type in the last of them."""
    definitions = {
        f"d{i}": {
            "type": "object",
            "properties": {
                "v": {"type": last if i == count - 1 else "string"},
                "k": {
                    "oneOf": [{"$ref": f"#/definitions/d{(i * 7 + j) % count}"} for j in (1, 2, 3)]
                },
            },
            "additionalProperties": False,
        }
        for i in range(count)
    }
    return json.dumps({"$ref": "#/definitions/d0", "definitions": definitions})


def test_definitions_that_all_refer_to_each_other_are_compared(api):
    """Equal ones go together, and one change far from the root is found."""
    old = {"schema": entangled("string"), "schemaType": "JSON"}
    api.register("e", old["schema"] + " ", schemaType="JSON")
    path = "/compatibility/subjects/e/versions/latest"

    assert api.ask("POST", path, old) == (200, {"is_compatible": True})
    other = {**old, "schema": entangled("integer")}
    assert api.ask("POST", path, other) == (200, {"is_compatible": False})


def test_what_a_schema_refers_to_stays_where_it_is(api):
    """The text is kept as given, and fits what it refers to when it is read again."""
    text = '{"type":"record","name":"U","fields":[{"name":"o","type":"O"}]}'
    api.register("o", OTHER)
    references = [{"name": "O", "subject": "o", "version": 1}]

    assert api.register("u", text, references=references)[1]["schema"] == text
    assert api.register("u", text.replace('"O"', '["null","O"]'), references=references)[0] == 200


def test_a_type_may_be_defined_twice_in_the_same_way(api):
    """As Avro's own parser takes it; another definition is refused."""
    text = '{"type":"record","name":"U","fields":[{"name":"a","type":%s},{"name":"b","type":%s}]}'

    assert api.register("s", text % (OTHER, OTHER))[0] == 200
    status, body = api.register("t", text % (OTHER, OTHER.replace("long", "int")))
    assert (status, "can't redefine: O" in body["message"]) == (422, True)


def test_another_type_of_schema_does_not_follow(api):
    """One subject, one type."""
    api.register("s", V1)

    status, body = api.register("s", "{}", schemaType="JSON")

    assert status == 409
    assert "Incompatible because of different schema type" in body["message"]
