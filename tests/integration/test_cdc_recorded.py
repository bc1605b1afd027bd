"""The recorded statements on real servers give the recorded topics, but for differences that are meant."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from tests.golden.cdc_recordings import FOLDER, PREFIXES, history, recording
from tests.integration.cdc_replay import Replay, replay

DIFFERENCES = tomllib.loads((FOLDER / "differences.toml").read_text())["difference"]
_CLOCKS = {"ts_ms", "ts_us", "ts_ns", "c_dt_cur", "c_ts_cur"}
_SERVER = {"file", "server_id"}


class Comparison:
    """Collects the differences between what came and what was recorded.

    Positions and GTIDs count from the snapshot's. CREATE VIEW holds the name of the user who runs it, so
    that positions behind it may all be off by one number of bytes.
    """

    def __init__(self, database, ours, theirs):
        self.database = database
        self.bases = [_base(ours), _base(theirs)]
        self.found: list[str] = []
        self.shifts: set[int] = {0}

    def differs(self, where, ours, theirs):
        """Compare two values of JSON."""
        if isinstance(ours, dict) and isinstance(theirs, dict):
            for key in dict.fromkeys([*ours, *theirs]):
                self.differs(
                    f"{where}.{key}", ours.get(key, "(absent)"), theirs.get(key, "(absent)")
                )
        elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
            for i, pair in enumerate(zip(ours, theirs, strict=True)):
                self.differs(f"{where}[{i}]", *pair)
        elif where.endswith(".pos"):
            self.shifts.add(ours - theirs)
        elif ours != theirs:
            self.found.append(f"{where}: {ours!r} for {theirs!r}")

    def plain(self, side, payload):
        """Give a payload without what no two runs share."""
        if isinstance(payload, list):
            return [self.plain(side, item) for item in payload]
        if not isinstance(payload, dict):
            return payload
        pos, gtid = self.bases[side]
        out: dict[str, Any] = {}
        for key, value in payload.items():
            if key in _CLOCKS or (key in _SERVER and "pos" in payload) or key == "ts_sec":
                continue
            if key == "pos":
                out[key] = value - pos
            elif key in ("gtid", "gtids", "transaction_id") or (
                key == "id" and "total_order" in payload
            ):
                out[key] = value and _number(value) - gtid
            elif key == "thread":
                out[key] = value is not None
            else:
                out[key] = self.plain(side, value)
        return out

    def check(self):
        """Fail for differences without a reason, and for reasons without a difference."""
        known = [d for d in DIFFERENCES if self.database in d["databases"]]
        used = set()
        unexplained = []
        for text in self.found:
            reasons = [i for i, d in enumerate(known) if re.match(d["where"] + r"(:|\W|$)", text)]
            used.update(reasons)
            if not reasons:
                unexplained.append(text)
        assert unexplained == []
        assert [d["where"] for i, d in enumerate(known) if i not in used] == []
        assert len(self.shifts) <= 2


def _base(record):
    return record["position"]["pos"], _number(record["position"]["gtids"])


def _number(gtid):
    return int(re.split("[-:]", gtid)[-1])


def _until_signal(database, records):
    """Give the records before the first signal."""
    topic = recording(database)["topics"][f"{PREFIXES[database]}.smp.sig"]
    end = json.loads(topic[0]["value"])["payload"]["source"]["pos"]
    kept = []
    for record in records:
        source = json.loads(record["value"])["payload"]["source"] if record["value"] else None
        if source and (source["snapshot"] == "incremental" or source["pos"] >= end):
            break
        kept.append(record)
    return kept


def _headers(headers):
    return [[key, value if key != "__debezium.context.runId" else "…"] for key, value in headers]


def _record(comparison, where, ours, theirs):
    key, value, headers, _ = ours
    sides = [(key, value), (theirs["key"], theirs["value"])]
    parsed = [[part and json.loads(part) for part in side] for side in sides]
    comparison.differs(f"{where} key", *(side[0] for side in parsed))
    values = [side[1] for side in parsed]
    if None in values:
        comparison.differs(f"{where} value", *values)
    else:
        comparison.differs(f"{where} schema", *(v["schema"] for v in values))
        payloads = [comparison.plain(i, v["payload"]) for i, v in enumerate(values)]
        comparison.differs(f"{where} ", *payloads)
    comparison.differs(f"{where} headers", _headers(headers), _headers(theirs["headers"]))


@pytest.mark.parametrize("database", ["mariadb", "mysql"])
def test_topics_are_the_recorded_ones_when_recorded_statements_run(
    request, broker, database, unique_name
):
    """Records, keys, headers, tombstones, schema changes and history equal the peer's."""
    address = request.getfixturevalue(database)
    history_topic = f"{unique_name}-history"
    running = replay(
        database,
        address,
        {
            "database.port": str(address.port),
            "database.user": address.user,
            "database.password": address.password,
            "database.server.id": "21977",
            "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap,
            "schema.history.internal.kafka.topic": history_topic,
        },
    )
    kept = [r for r in running.history() if r["databaseName"] in ("", "smp", "smp2")]
    recorded = [r for r in history(database) if r["databaseName"] != "perf"]
    comparison = Comparison(database, kept[0], recorded[0])
    assert len(kept) == len(recorded)
    for i, sides in enumerate(zip(kept, recorded, strict=True)):
        comparison.differs(f"history {i} ", *(comparison.plain(n, s) for n, s in enumerate(sides)))
    for topic, records in recording(database)["topics"].items():
        _topic(comparison, database, topic, records, running)
    _stored_offsets(comparison, database, running)
    comparison.check()


def _stored_offsets(comparison: Comparison, database, running: Replay):
    """Compare each offset that the peer stored before the first signal with that of the same event here."""
    topics = recording(database)["topics"]
    signal = json.loads(topics[f"{PREFIXES[database]}.smp.sig"][0]["value"])
    end = signal["payload"]["source"]["pos"]
    given = [record[3] for records in running.topics.values() for record in records if record[3]]
    ours = {_event(offset): offset for offset in map(_behind, map(_plain(comparison, 0), given))}
    stored = [record["value"] for record in topics["dbz-w2-offsets"]]
    while None in stored:  # a reset: what was stored before it is of another run
        del stored[: stored.index(None) + 1]
    theirs = [offset for offset in map(json.loads, stored) if offset["pos"] < end]
    assert theirs
    for i, offset in enumerate(map(_plain(comparison, 1), theirs)):
        comparison.differs(f"offsets {i} ", ours[_event(offset)], offset)


def _plain(comparison, side):
    return lambda offset: comparison.plain(side, offset)


def _behind(offset):
    """Give the offset behind an event of one row, which the peer stores with its next heartbeat."""
    if offset.get("row") != 1:
        return offset
    return {**{k: v for k, v in offset.items() if k != "row"}, "event": offset["event"] + 1}


def _event(offset):
    return offset.get("snapshot"), offset.get("transaction_id"), offset.get("event")


def _topic(comparison: Comparison, database, topic, records, running: Replay):
    prefix = PREFIXES[database]
    if topic == prefix:
        theirs = [r for r in records if '"perf"' not in r["key"]]
        ours = [
            r
            for r in running.topics[topic]
            if json.loads(r[0])["payload"]["databaseName"] in ("", "smp", "smp2")
        ]
        name = "schema-changes"
    elif topic.startswith(f"{prefix}.smp."):
        theirs, ours = _until_signal(database, records), running.topics.get(topic, [])
        name = topic.removeprefix(f"{prefix}.")
    else:
        return
    assert len(ours) == len(theirs), topic
    for i, sides in enumerate(zip(ours, theirs, strict=True)):
        _record(comparison, f"{name} {i}", *sides)
