"""The transforms of Confluent and Aiven: topics and times from fields, digests, tombstones."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from appliance.api import NULL, Batch
from appliance.data import Schema, SchemaBuilder, Type
from appliance.errors import ConfigError, DataError
from appliance.transforms import PLUGINS

_SCHEMA = (
    SchemaBuilder.struct()
    .field("name", Schema(Type.STRING, optional=True))
    .field("at", Schema(Type.INT64))
    .build()
)


def _apply(java_class: str, config: dict[str, str], batch: Batch) -> list[Batch]:
    transform = next(p for p in PLUGINS if p.java_class == java_class).load()()
    transform.configure(config)
    found: list[Batch] = transform.compile(batch.key_schema, batch.value_schema)(batch)
    return found


def _batch(*rows: Any, schema: Schema | None = _SCHEMA) -> Batch:
    return Batch(topic="t", values=list(rows), value_schema=schema)


@pytest.mark.parametrize(
    ("java_class", "option"),
    [
        ("io.confluent.connect.transforms.ExtractTopic$Value", "field"),
        ("io.aiven.kafka.connect.transforms.ExtractTopic$Value", "field.name"),
    ],
)
def test_topic_comes_from_field_when_extracted(java_class: str, option: str) -> None:
    """Each row has the topic its field names; null keeps it only where that is allowed."""
    rows = (("a", 1), (None, 2))
    config = {option: "name", "skip.missing.or.null": "true"}
    (found,) = _apply(java_class, config, _batch(*rows))
    assert found.topic == ["a", "t"]
    with pytest.raises(DataError, match="missing or null"):
        _apply(java_class, {option: "name"}, _batch(*rows))


def test_topic_is_the_whole_key_when_no_field_is_named() -> None:
    """Without a field the key itself is the topic."""
    batch = Batch(topic="t", values=[1], keys=["k"], key_schema=Schema(Type.STRING))
    (found,) = _apply("io.confluent.connect.transforms.ExtractTopic$Key", {}, batch)
    assert found.topic == ["k"]


def test_timestamp_comes_from_field_when_extracted() -> None:
    """Seconds become milliseconds; a field without a time is refused."""
    java_class = "io.aiven.kafka.connect.transforms.ExtractTimestamp$Value"
    config = {"field.name": "at", "timestamp.resolution": "seconds"}
    (found,) = _apply(java_class, config, _batch(("a", 7)))
    assert found.timestamps == [7000]
    with pytest.raises(DataError, match="Field name must be INT64"):
        _apply(java_class, {"field.name": "name"}, _batch(("a", 7)))


def test_field_is_replaced_by_digest_when_hashed() -> None:
    """With and without a schema the text gives way to its digest."""
    java_class = "io.aiven.kafka.connect.transforms.Hash$Value"
    config = {"field.name": "name", "function": "sha256"}
    digest = hashlib.sha256(b"a").hexdigest()
    assert _apply(java_class, config, _batch(("a", 1)))[0].values == [(digest, 1)]
    found = _apply(java_class, config, _batch({"name": "a", "x": 1}, schema=None))
    assert found[0].values == [{"name": digest, "x": 1}]


@pytest.mark.parametrize("vendor", ["io.confluent.connect", "io.aiven.kafka.connect"])
def test_tombstones_fail_or_go_when_handled(vendor: str) -> None:
    """A null value is dropped or refused, whatever its schema."""
    java_class = f"{vendor}.transforms.TombstoneHandler"
    quiet = "ignore" if "confluent" in vendor else "drop_silent"
    (found,) = _apply(java_class, {"behavior": quiet}, _batch(None, ("a", 1), NULL))
    assert found.values == [("a", 1)]
    assert _apply(java_class, {"behavior": quiet}, _batch(None)) == []
    with pytest.raises(DataError, match="Tombstone record encountered"):
        _apply(java_class, {"behavior": "fail"}, _batch(None))
    with pytest.raises(ConfigError, match="behavior"):
        _apply(java_class, {"behavior": "other"}, _batch(None))


def test_value_is_null_when_made_a_tombstone() -> None:
    """Nothing remains of the value, its schema neither."""
    (found,) = _apply("io.aiven.kafka.connect.transforms.MakeTombstone", {}, _batch(("a", 1)))
    assert (found.values, found.value_schema) == ([None], None)
