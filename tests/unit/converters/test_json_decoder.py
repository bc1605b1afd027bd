"""JsonConverter's reading of what does not fit its schema."""

from __future__ import annotations

import json

import pytest

from appliance.converters.json import JsonConverter
from appliance.errors import DataError, java_trace

_PLACE = {"type": "struct", "fields": [{"field": "town", "type": "string"}]}
_ORDER = {"type": "struct", "fields": [{"field": "to", **_PLACE}]}


_WRONG = pytest.mark.parametrize("wrong", ["Olot", ["Olot"], 17, None, {"town": 17}, {}], ids=repr)


@_WRONG
def test_another_kind_of_value_is_a_data_error_when_the_schema_is_an_option(wrong):
    """The same with `schema.content`, where values that fit and tombstones are read beside it."""
    converter = JsonConverter()
    converter.configure({"schema.content": json.dumps(_ORDER)})
    good, bad = (json.dumps({"to": to}).encode() for to in ({"town": "Olot"}, wrong))
    for payloads in ([good, good], [good, None]):
        (run,) = converter.decode("t", payloads)
        assert list(run.rows) == [None if one is None else (("Olot",),) for one in payloads]
    for payloads in ([bad], [good, bad], [None, bad]):
        with pytest.raises(DataError):
            converter.decode("t", payloads)


@_WRONG
def test_another_kind_of_value_in_place_of_a_struct_is_a_data_error(wrong):
    """Also after values that fit, alone and in one batch with them."""
    converter = JsonConverter()
    converter.configure({})
    good, bad = (
        json.dumps({"schema": _ORDER, "payload": {"to": to}}, separators=(",", ":")).encode()
        for to in ({"town": "Olot"}, wrong)
    )
    for payloads in ([bad], [good, bad], [bad, good]):
        converter.decode("t", [good])
        with pytest.raises(DataError):
            converter.decode("t", payloads)


@pytest.mark.parametrize("payload", [b"\x00\x00\xff\xfe\x80", b'{"schema":null,"payload":\xff}'])
@pytest.mark.parametrize(
    "options", [{}, {"schema.content": json.dumps(_ORDER)}], ids=["own", "given"]
)
def test_trace_ends_with_the_parsers_words_when_a_payload_is_no_json(payload, options):
    """How a payload came to be read exactly is no cause of what is wrong with it."""
    converter = JsonConverter()
    converter.configure(options)
    with pytest.raises(DataError) as caught:
        converter.decode("t", [payload])
    causes = [
        line for line in java_trace(caught.value).splitlines() if line.startswith("Caused by")
    ]
    assert causes
    assert "json_decoder" not in causes[-1]
