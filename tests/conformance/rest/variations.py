"""Requests made by chance from a seed: configurations to validate and bodies with a fault somewhere.

None of them changes anything, so any number of them may go to two workers side by side.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CONNECTORS: Final = (
    "FileStreamSource",
    "FileStreamSinkConnector",
    "org.apache.kafka.connect.file.FileStreamSourceConnector",
    "Nope",
)
BASES: Final[tuple[dict[str, Any], ...]] = (
    {"connector.class": "FileStreamSource", "file": "{DIR}/in1.txt", "topic": "rd-{RUN}-t1"},
    {"connector.class": "FileStreamSink", "file": "{DIR}/out.txt", "topics": "rd-{RUN}-t1"},
    {},
)
TRANSFORMS: Final = "org.apache.kafka.connect.transforms."
TWO_SIDED: Final = _words(
    "Cast ExtractField Flatten HeaderFrom HoistField InsertField MaskField ReplaceField "
    "SetSchemaMetadata TimestampConverter"
)
ONE_SIDED: Final = _words("DropHeaders Filter InsertHeader RegexRouter TimestampRouter ValueToKey")
PREDICATES: Final = ("TopicNameMatches", "HasHeaderKey", "RecordIsTombstone")
STAGE_OPTIONS: Final = _words(
    "spec field fields headers delimiter header value.literal regex replacement renames include exclude"
    " static.field static.value offset.field topic.field schema.name schema.version target.type format"
    " unix.precision topic.format timestamp.format operation replace.null.with.default predicate negate"
    " pattern name field.syntax.version plugin.version"
)
OPTIONS: Final = _words(
    "tasks.max key.converter value.converter header.converter config.action.reload errors.tolerance"
    " errors.retry.timeout errors.retry.delay.max.ms errors.log.enable errors.log.include.messages"
    " transforms predicates topic.creation.groups topic.creation.default.partitions"
    " topic.creation.default.replication.factor exactly.once.support transaction.boundary"
    " transaction.boundary.interval.ms offsets.storage.topic topics topics.regex"
    " errors.deadletterqueue.topic.name errors.deadletterqueue.topic.replication.factor"
    " errors.deadletterqueue.context.headers.enable batch.size file topic tasks.max.enforce name"
    " connector.class connector.plugin.version key.converter.schemas.enable"
    " value.converter.schemas.cache.size value.converter.decimal.format producer.override.acks"
    " consumer.override.max.poll.records admin.override.x topic.creation.g.include"
    " topic.creation.g.exclude topic.creation.g.partitions key.converter.plugin.version"
    " value.converter.plugin.version zzz"
)
VALUES: Final[tuple[Any, ...]] = (
    *(
        "",
        " ",
        "a",
        "a,b",
        ",",
        "a:b",
        "a:int32",
        "a:float64,b:string",
        "x:",
        "*",
        "[a",
        "(x)",
        "$1",
    ),
    *(
        "0",
        "1",
        "-1",
        "3",
        "1.5",
        " 1 ",
        "2147483648",
        "99999999999999999999",
        "0x1",
        "+1",
        "4.3.1",
    ),
    *("true", "FALSE", "maybe", "null", "none", "all", "restart", "requested", "required", "poll"),
    *(
        "interval",
        "connector",
        "unix",
        "Timestamp",
        "milliseconds",
        "yyyy-MM-dd",
        "qqq",
        "move",
        "V2",
    ),
    *("default", "g", "g,h", "p", "é", "ts!", "[1,5)", "[2", "String", "JsonConverter", None),
    "org.apache.kafka.connect.json.JsonConverter",
    "org.apache.kafka.connect.storage.StringConverter",
    "org.apache.kafka.connect.storage.SimpleHeaderConverter",
)
FAULTS: Final = '{}[]",:\\x\n01tn'


def variations(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Give steps as `Replay.send` takes them."""
    dice = random.Random(seed)
    for number in range(count):
        step: dict[str, Any] = {"id": f"V{number}-", "accept": "application/json"}
        step["ct"] = "application/json"
        kind = dice.random()
        if kind < 0.75:
            path = f"/connector-plugins/{dice.choice(CONNECTORS)}/config/validate"
            step |= {"method": "PUT", "path": path, "req": _body(dice, _config(dice))}
        elif kind < 0.9:
            step |= {"method": "POST", "path": "/connectors", "req": _body(dice, _creation(dice))}
        else:
            path = "/connectors/nope/offsets"
            step |= {"method": "PATCH", "path": path, "req": _body(dice, _offsets(dice))}
        yield step


def _config(dice: random.Random) -> dict[str, Any]:
    config = dict(dice.choice(BASES))
    for _ in range(dice.choice((0, 1, 1, 2, 3, 5))):
        config[dice.choice(OPTIONS)] = dice.choice(VALUES)
    if dice.random() < 0.5:
        aliases = [dice.choice(("t", "u", "v w", "")) for _ in range(dice.choice((1, 1, 2)))]
        config["transforms"] = ",".join(aliases)
        for alias in dict.fromkeys(aliases):
            _add_stage(dice, config, f"transforms.{alias}.", _transform(dice))
    if dice.random() < 0.25:
        config["predicates"] = dice.choice(("p", "p,q", "p,p", ""))
        predicate = f"{TRANSFORMS}predicates.{dice.choice(PREDICATES)}"
        _add_stage(dice, config, "predicates.p.", dice.choice((predicate, predicate, "x", None)))
    if dice.random() < 0.1:
        wrong = dice.choice((1, 1.5, True, [], {}, [1], {"a": "b"}, 1e30, 12345678901234567890))
        config[dice.choice([*config, "x"])] = wrong
    return config


def _transform(dice: random.Random) -> str | None:
    simple = dice.choice((*TWO_SIDED, *ONE_SIDED))
    side = dice.choice(("$Key", "$Value", "")) if simple in TWO_SIDED else ""
    full = f"{TRANSFORMS}{simple}{side}"
    return dice.choice((full, full, full, simple, "nope", "", None))


def _add_stage(
    dice: random.Random, config: dict[str, Any], prefix: str, class_name: str | None
) -> None:
    config[f"{prefix}type"] = class_name
    for _ in range(dice.choice((0, 1, 2, 3))):
        config[prefix + dice.choice(STAGE_OPTIONS)] = dice.choice(VALUES)


def _creation(dice: random.Random) -> dict[str, Any]:
    """Give the body that makes a connector, with something in it that does not do."""
    config = {**_config(dice), "tasks.max": "0", "connector.class": "FileStreamSource"}
    body: dict[str, Any] = {
        "name": dice.choice(("", " x", "é", None, 1, "a" * 300)),
        "config": config,
    }
    if dice.random() < 0.5:
        body["initial_state"] = dice.choice(("STOPPED", "paused", "x", "", None, 1))
    if dice.random() < 0.1:
        body["more"] = 1
    return body


def _offsets(dice: random.Random) -> Any:
    partition: Any = dice.choice(({"filename": "a"}, {"filename": 1}, {}, None, "x"))
    offset: Any = dice.choice(
        ({"position": 1}, {"position": "1"}, {"position": 1.5}, {}, None, [])
    )
    entry = {"partition": partition, "offset": offset}
    return dice.choice(
        ({"offsets": [entry, entry]}, {"offsets": [None]}, {"offsets": "x"}, [entry])
    )


def _body(dice: random.Random, value: Any) -> str:
    """Give the JSON text, once in ten times with a fault."""
    text = json.dumps(value)
    if dice.random() < 0.9:
        return text
    at = dice.randrange(len(text) + 1)
    return dice.choice(
        (
            text[:at],
            text[:at] + dice.choice(FAULTS) + text[at:],
            text[:at] + text[at + 1 :],
            text + text,
            text + " x",
            "\ufeff" + text,
        )
    )
