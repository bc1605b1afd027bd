"""What is wrong with the texts of options, in Debezium's words."""

from __future__ import annotations

import pytest

from appliance.connectors.binlog.config import split_regexes, validate

FORM = r"has an invalid format (expecting '^\s*([^:]+):([^:,]+(,[^:,]+)*)\s*$')"
GOOD = {
    "topic.prefix": "p",
    "database.hostname": "h",
    "database.user": "u",
    "database.server.id": "5",
}


def errors(name, text):
    found = {value.name: value.errors for value in validate("mysql", {**GOOD, name: text})}
    assert all(not texts for other, texts in found.items() if other != name)
    prefix = f"The '{name}' value is invalid: "
    return [error.removeprefix(prefix) for error in found[name]]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("db.t:a,b;db.u:c;", []),
        (";", []),
        ("a : b", []),
        ("hex", ["hex"]),
        ("a;b", ["a", "b"]),
        ("db.t:a;;db.u:b", [""]),
        ("a:b,", ["a:b,"]),
        ("a:b:c", ["a:b:c"]),
    ],
)
def test_each_part_of_the_message_key_is_checked(text, wrong):
    """Every part that is not `table:column,column` is told."""
    assert [f"{part} {FORM}" for part in wrong] == errors("message.key.columns", text)


def test_a_message_key_is_refused_when_it_is_empty():
    """Two of Debezium's checks say so."""
    assert errors("message.key.columns", "") == ["Must not be empty", f" {FORM}"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [("(", "Unclosed group near index 1\n("), ("a{", "Illegal repetition near index 2\na{")],
)
def test_a_list_of_expressions_tells_javas_fault(text, fault):
    """A wrong expression is told as Java tells it."""
    expected = f"A comma-separated list of valid regular expressions is expected, but {fault}"
    assert [expected] == errors("column.include.list", text)


@pytest.mark.parametrize("name", ["column.mask.with.5.chars", "column.truncate.to.x.chars"])
def test_options_of_columns_are_not_checked_when_their_name_is_variable(name):
    """Debezium finds a wrong one when the connector starts."""
    assert all(not value.errors for value in validate("mysql", {**GOOD, name: "("}))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (" a , b,,", ["a", "b"]),
        ("a\\,b", ["a,b"]),
        ("a\\\\,b", ["a\\\\", "b"]),
        ("a\\.b,c\\,d", ["a\\.b", "c,d"]),
    ],
)
def test_a_comma_of_an_expression_is_written_with_a_backslash(text, parts):
    """A backslash that is itself escaped leaves the comma a separator."""
    assert parts == [pattern.pattern for pattern in split_regexes(text)]
