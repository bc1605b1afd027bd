"""Texts of values."""

from __future__ import annotations

from appliance.data import Schema, SchemaBuilder, Struct, Type
from appliance.data.values import format_value, parse_string


def test_names_of_fields_are_escaped_when_a_struct_becomes_text():
    """A text with a quote in a name is read back."""
    schema = SchemaBuilder.struct().field('q"u', Schema(Type.STRING)).build()

    text = format_value(schema, Struct(schema, {'q"u': "x"}))

    assert text == '{"q\\"u":"x"}'


def test_lists_and_maps_are_keys_when_a_text_says_so():
    """The map is one, not a text, and is written as it was read."""
    schema, value = parse_string('{[1,2]:"a",[3]:"b"}')

    assert schema is not None
    assert schema.key_schema is not None
    assert schema.key_schema.type is Type.ARRAY
    assert format_value(schema, value) == '{[1,2]:"a",[3]:"b"}'
