"""Bodies that are not JSON are refused in Jackson's words, recorded from a real worker."""

from __future__ import annotations

import pytest

from appliance.rest.bodies import OFFSETS, read_body, text_map
from appliance.rest.errors import RestError


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"a":}', "Unexpected character ('}' (code 125)): expected a value"),
        ("{nope", "Unexpected character ('n' (code 110)): was expecting double-quote to start"),
        ('{"a":1,}', "Unexpected character ('}' (code 125)): was expecting double-quote to start"),
        ('{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon to separate"),
        ('{"a":1 "b":2}', "('\"' (code 34)): was expecting comma to separate Object entries"),
        (
            "{",
            "Unexpected end-of-input: expected close marker for Object (start marker at [Source",
        ),
        ('{"a":1', "Unexpected end-of-input: expected close marker for Object (start marker at"),
        ('{"a"', "Unexpected end-of-input within/between Object entries"),
        ('{"a":', "Unexpected end-of-input within/between Object entries"),
        ('{"a":"b', "Unexpected end-of-input in VALUE_STRING"),
        ('{"a', "Unexpected end-of-input in field name"),
        (
            '{"a":"\t"}',
            "Illegal unquoted character ((CTRL-CHAR, code 9)): has to be escaped using",
        ),
        ('{"a":"\\x"}', "Unrecognized character escape 'x' (code 120)"),
        ('{"a":01}', "Invalid numeric value: Leading zeroes not allowed"),
        ('{"a":1.}', "('}' (code 125)) in numeric value: Decimal point not followed by a digit"),
        (
            '{"a":-}',
            "in numeric value: expected digit (0-9) to follow minus sign, for valid",
        ),
        (
            '{"a":+1}',
            "in numeric value: JSON spec does not allow numbers to have plus signs: enable",
        ),
        (
            '{"a":.5}',
            "Unexpected character ('.' (code 46)): expected a valid value (JSON String, N",
        ),
        (
            '{"a":/*c*/1}',
            "maybe a (non-standard) comment? (not recognized as one since Feature 'AL",
        ),
        (
            '{"a":yes}',
            "Unrecognized token 'yes': was expecting (JSON String, Number, Array, Object",
        ),
        (
            '{"a":NaN}',
            "Non-standard token 'NaN': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS`",
        ),
        (
            '{"a":1]',
            "Unexpected close marker ']': expected '}' (for Object starting at [Source: RE",
        ),
        ("}", "Unexpected close marker '}': no open Object to close"),
        (
            "{} {}",
            "Trailing token (of type START_OBJECT) found after value (bound as `java.util.Map`)",
        ),
        (
            '{"a":"b"} x',
            "Unrecognized token 'x': was expecting (JSON String, Number, Array, Object",
        ),
        ("null x", "Unrecognized token 'x': was expecting (JSON String"),
        ('{"', "Unexpected end-of-input: was expecting closing '\"' for name"),
        ('{"a": null0}', "Unrecognized token 'null0': was expecting (JSON String"),
        ("[}", "Cannot deserialize value of type `java.util.LinkedHashMap<"),
        ('{"a":,1}', "Unexpected character (',' (code 44)): expected a value"),
        (
            "[1,2",
            "Cannot deserialize value of type `java.util.LinkedHashMap<java.lang.String,java.l",
        ),
    ],
)
def test_fault_is_named_as_jackson_names_it_when_a_body_is_no_json(body, message):
    """Status 500, and what stands in the body says what is wrong with it."""
    with pytest.raises(RestError) as refused:
        read_body(body.encode(), text_map)

    assert refused.value.status == 500
    assert message in str(refused.value)


def test_place_is_told_when_a_body_is_no_json():
    """The text ends with line and column, the body itself is kept out of it."""
    with pytest.raises(RestError) as refused:
        read_body(b'{"a": 1,\n "b": }', text_map)

    assert str(refused.value).endswith("disabled); line: 2, column: 7]")


def test_what_stands_before_a_fault_is_bound_first():
    """A text map with an object in it is refused for that, though a later member is no JSON."""
    with pytest.raises(RestError, match="from Object value"):
        read_body(b'{"a": {}, "b": nul}', text_map)


def test_fault_has_the_way_to_it_when_it_is_inside_of_an_entity():
    """Every container that is open is named with the member that it is in."""
    with pytest.raises(RestError) as refused:
        read_body(b'{"offsets": [{}, {"partition": {"a": 1} "offset": 1}]}', dict, OFFSETS)

    assert str(refused.value).endswith('ConnectorOffsets["offsets"]->java.util.ArrayList[1])')


def test_body_is_read_when_it_begins_with_a_byte_order_mark():
    """Editors of Windows put one there."""
    assert read_body(b'\xef\xbb\xbf{"a": "b"}', text_map) == {"a": "b"}
