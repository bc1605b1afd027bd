"""What is wrong with the texts of options, in Debezium's words."""

from __future__ import annotations

import pytest

from appliance.connectors.binlog.config import parse, split_regexes, validate
from appliance.connectors.binlog.neglected import neglected

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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("snapshot.mode", "custom"),
        ("snapshot.query.mode", "Custom"),
        ("snapshot.locking.mode", "custom"),
        ("post.processors", "reselector"),
        ("transaction.metadata.factory", "my.Factory"),
        ("sourceinfo.struct.maker", "my.Maker"),
        ("topic.naming.strategy", "my.Naming"),
    ],
)
def test_a_java_class_of_ones_own_is_refused(name, text):
    """What cannot run here is one error of the validation that names the way out."""
    (error,) = errors(name, text)
    assert "not supported; " in error


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("snapshot.query.mode", "select_all"),
        ("snapshot.locking.mode", "none"),
        ("post.processors", ""),
        (
            "transaction.metadata.factory",
            "io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory",
        ),
        ("sourceinfo.struct.maker", "io.debezium.connector.mysql.MySqlSourceInfoStructMaker"),
        ("topic.naming.strategy", "io.debezium.schema.DefaultUnicodeTopicNamingStrategy"),
        ("converters", ""),
    ],
)
def test_the_known_class_is_accepted_when_it_is_named(name, text):
    """Naming the default is no error."""
    assert errors(name, text) == []


KNOWN = "io.debezium.connector.binlog.converters.TinyIntOneToBooleanConverter"


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("converters", {"converters": "b"}, "b has no class: set b.type"),
        ("converters", {"converters": "b", "b.type": "my.Own"}, "b names the class my.Own, which"),
        ("converters", {"converters": "a,b", "a.type": KNOWN, "b.type": "my.Own"}, "b names the"),
        ("converters", {"converters": "b", "b.type": KNOWN, "b.selector": "("}, "b.selector: A"),
        ("converters", {"converters": "b", "b.type": KNOWN, "b.selector": "d.t.c"}, None),
        ("topic.naming.strategy", {}, "needs topic.regex and topic.replacement"),
        ("topic.naming.strategy", {"topic.regex": "a", "topic.replacement": "b"}, None),
        (
            "topic.naming.strategy",
            {"topic.regex": "(", "topic.replacement": "b"},
            "Unclosed group",
        ),
    ],
)
def test_what_a_class_needs_is_checked_before_the_connector_starts(name, options, error):
    """One error at the option that names the class."""
    strategy = {"topic.naming.strategy": "io.debezium.schema.DefaultRegexTopicNamingStrategy"}
    given = {**GOOD, **(strategy if name == "topic.naming.strategy" else {}), **options}
    found = {value.name: value.errors for value in validate("mysql", given) if value.errors}

    assert set(found) == ({name} if error else set())
    assert error is None or (len(found[name]) == 1 and error in found[name][0])


def test_the_old_name_counts_when_the_new_one_is_not_set():
    """`event.deserialization.failure.handling.mode` stands in for the option that replaced it."""
    old, new = (
        f"event.{word}.failure.handling.mode" for word in ("deserialization", "processing")
    )
    assert parse("mysql", {**GOOD, old: "WARN"})[new] == "warn"
    assert parse("mysql", {**GOOD, old: "warn", new: "skip"})[new] == "skip"
    assert parse("mysql", GOOD)[new] == "fail"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heartbeat.topics.prefix": "hb"}, "topic.heartbeat.prefix"),
        ({"signal.data.collection": "db.signals"}, "not acted on"),
        ({"incremental.snapshot.chunk.size": "10"}, "no incremental snapshots"),
        ({"event.deserialization.failure.handling.mode": "skip"}, "deprecated"),
        ({"notification.enabled.channels": "sink"}, "notification.sink.topic.name"),
        ({"heartbeat.action.query": "DELETE FROM d.t"}, "heartbeat.interval.ms is 0"),
        ({"openlineage.integration.enabled": "true", "read.only": "false"}, "lineage"),
        (
            {"notification.enabled.channels": "log,sink", "notification.sink.topic.name": "n"},
            "names log,",
        ),
    ],
)
def test_an_option_in_vain_is_told_when_it_is_set(given, words):
    """What is set without the effect it asks for is one sentence, not silence."""
    config = {**GOOD, **given}
    (sentence,) = neglected(config, parse("mysql", config))
    assert words in sentence
    assert neglected(GOOD, parse("mysql", GOOD)) == []
