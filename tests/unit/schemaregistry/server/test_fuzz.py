"""Texts that are no schemas, or strange ones: the registry refuses or keeps them, and never fails."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.converters.local_registry import LocalRegistry

WORDS = (
    "type properties items required additionalProperties patternProperties dependencies enum const oneOf anyOf"
    " allOf not if then $ref $id $schema $defs definitions minimum maxLength pattern default prefixItems"
    " additionalItems contains minContains unevaluatedProperties dependentRequired dependentSchemas uniqueItems"
    " name fields symbols size namespace values aliases doc logicalType"
)
PLAIN: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(
            "string",
            "integer",
            "object",
            "array",
            "null",
            "record",
            "enum",
            "fixed",
            "map",
            "int",
            "a",
        ),
        *(
            "#",
            "#/$defs/a",
            "#/definitions/a",
            "#a",
            "(",
            "",
            0,
            -1,
            2.5,
            10**400,
            True,
            False,
            None,
        ),
        *(
            "http://json-schema.org/draft-04/schema#",
            "https://json-schema.org/draft/2020-12/schema",
        ),
        *([], {}, ["a"], ["string", "null"]),
    ]
)
FORMS = st.recursive(
    PLAIN,
    lambda inner: (
        st.dictionaries(st.sampled_from(re.findall(r"\S+", WORDS + " a")), inner, max_size=4)
        | st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)
SOURCE = (
    'syntax = "proto3"; package a; import "b.proto"; message M { } enum E A = 0 oneof map<string, int32>'
    " repeated optional 1 -1 99999999999 [ ] ( ) : , 'x' \" reserved to max option a.b .a /* // \\"
)
TOKENS = st.lists(st.sampled_from(re.findall(r"\S+", SOURCE)), max_size=25).map(" ".join)


@pytest.fixture(scope="module")
def registry():
    return LocalRegistry()


@settings(max_examples=60, deadline=None)
@given(old=FORMS, new=FORMS, kind=st.sampled_from(["JSON", "AVRO"]))
def test_any_json_is_kept_or_refused_as_a_schema(registry, old, new, kind):
    """Never an answer of the 500s, whatever stands where a schema has something else."""
    registry.http.delete("/subjects/s?permanent=false")
    for form in (old, new):
        body = {"schema": json.dumps(form), "schemaType": kind}
        answer = registry.http.post("/subjects/s/versions", json=body)
        assert answer.status_code in (200, 409, 422), answer.text
    path = "/compatibility/subjects/s/versions?verbose=true"
    answer = registry.http.post(path, json={"schema": json.dumps(old), "schemaType": kind})
    assert answer.status_code in (200, 404, 422), answer.text


@settings(max_examples=60, deadline=None)
@given(old=TOKENS, new=TOKENS)
def test_any_tokens_are_kept_or_refused_as_a_proto_file(registry, old, new):
    """As above."""
    for text in (old, new):
        body = {"schema": text, "schemaType": "PROTOBUF"}
        answer = registry.http.post("/subjects/p/versions", json=body)
        assert answer.status_code in (200, 409, 422), answer.text
