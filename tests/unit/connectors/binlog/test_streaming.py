from __future__ import annotations

import base64
import json

import pytest

from appliance.errors import ConnectError
from tests.binlog_replay import Replay, masked, recording
from tests.golden import cdc_recordings

DIALECTS = ("mariadb", "mysql")

# what the peer sends -> what is sent here, by meaning
MEANT = {
    "mariadb": [
        # a zero TIMESTAMP of a nullable column is null, as in its own snapshot
        ('"c_ts":"1970-01-01T00:00:00Z"', '"c_ts":null'),
        # UUIDs whose last bytes are zero keep their digits in place
        ("0000123e-4567-e89b-12d3-a45642665544", "123e4567-e89b-12d3-a456-426655440000"),
        # INTEGER UNSIGNED is 64 bits wide instead of wrapping
        ('"i":-294967296', '"i":4000000000'),
    ],
    "mysql": [
        # the statement keeps its first word
        ('"ddl":"unique index', '"ddl":"create unique index'),
    ],
}
SCHEMA_ONLY = {"mariadb": '"i","jdbcType"', "mysql": ""}


def _expected(dialect):
    expected: dict[str, list[tuple]] = {}
    for topic, records in recording(dialect)["records"].items():
        expected[topic] = []
        for key, value, headers in records:
            text = masked(value)
            for peer, ours in MEANT[dialect]:
                text = text and text.replace(peer, ours)
            expected[topic].append((key, text, headers))
    return expected


@pytest.mark.parametrize("dialect", DIALECTS)
def test_records_are_the_peers_when_a_recorded_stream_is_replayed(dialect):
    """Every record of every table and schema change is the one that the peer sent."""
    replay = Replay(dialect)
    replay.start()
    found: dict[str, list[tuple]] = {}
    for topic, key, value, headers, _ in replay.records(replay.batches()):
        found.setdefault(topic, []).append((key, masked(value), headers))
    del found[replay.schemas.names.transactions]
    assert found == _expected(dialect)


def _transaction(payload):
    counts = payload["data_collections"] and [
        (count["data_collection"], count["event_count"]) for count in payload["data_collections"]
    ]
    return payload["status"], payload["event_count"], counts


@pytest.mark.parametrize("dialect", DIALECTS)
def test_transactions_are_the_peers_when_a_recorded_stream_is_replayed(dialect):
    """Every BEGIN and END is the one that the peer sent, with the events of each table counted."""
    replay = Replay(dialect)
    replay.start()
    topic = replay.schemas.names.transactions
    records = [r for r in replay.records(replay.batches()) if r[0] == topic]
    found = [_transaction(json.loads(value)) for _, _, value, _, _ in records]
    topics = cdc_recordings.recording(dialect)["topics"]
    peer = topics[f"{cdc_recordings.PREFIXES[dialect]}.transaction"]
    expected = [_transaction(json.loads(r["value"])["payload"]) for r in peer]
    before_signals = next(
        i for i, (_, _, counts) in enumerate(expected) if counts and counts[0][0] == "smp.sig"
    )
    assert before_signals > 50
    assert found[: before_signals - 1] == expected[: before_signals - 1]
    ids = [json.loads(value)["id"] for _, _, value, _, _ in records]
    assert [json.loads(key)["id"] for _, key, _, _, _ in records] == ids


def _identity(record):
    topic, key, value, headers, _ = record
    return topic, key, value, headers


@pytest.mark.parametrize("dialect", DIALECTS)
def test_exactly_the_rest_follows_when_restarted_after_any_record(dialect):
    """The offset of a record restarts the stream behind it: nothing is missing, nothing comes twice."""
    config = {"include.schema.changes": "false"}
    whole = Replay(dialect, config)
    whole.start()
    records = whole.records(whole.batches())
    events = whole.recorded["events"]
    assert len(records) > 30
    for number, record in enumerate(records):
        offset = record[4]
        replay = Replay(dialect, config, history=whole.history)
        replay.schemas.recover(offset)
        replay.start(offset)
        rest = replay.records(replay.batches(events[_from(events, offset) :]))
        wanted = records[number + 1 :]
        # delete, tombstone and create of one row are one step, repeated from its beginning
        step = 0
        if record[2] is None:
            step = 2 if record[3] else 0
        elif '"op":"d"' in record[2] or '"status":"BEGIN"' in record[2]:
            step = 1
        rest = rest[step:]
        assert [_identity(r) for r in rest] == [_identity(r) for r in wanted], (number, offset)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_statement_is_applied_once_when_started_from_the_peers_offset_after_it(dialect):
    """The peer's offset after a statement does not hold its id, so that the server sends it again."""
    whole = Replay(dialect)
    whole.start()
    whole.batches()
    events = whole.recorded["events"]
    streamed = [r for r in whole.history.records if r["position"] != whole.recorded["offset"]]
    assert len(streamed) > 10
    for record in streamed:
        offset = record["position"]
        replay = Replay(dialect, history=whole.history)
        replay.schemas.recover(offset)
        replay.start(offset)
        ends = [e[4] if dialect == "mysql" else e[3] for e in events]
        first = ends.index(offset["pos"]) - (dialect == "mysql")
        replay.batches(events[first:])
        assert list(replay.schemas.catalog) == list(whole.schemas.catalog)


def _from(events, offset):
    """Find the event with which a server begins after an offset: MySQL's GTID event before BEGIN."""
    for number, (kind, ts, _, start, _, _) in enumerate(events):
        if ts and kind != 15 and start >= offset["pos"]:
            return number - 1 if events[number - 1][0] == 33 else number
    return len(events)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_position_is_the_end_when_the_last_transaction_is_complete(dialect):
    """At a commit the offset moves behind the transaction, with its id among the completed ones."""
    replay = Replay(dialect)
    replay.start()
    replay.batches()
    offset = replay.streaming.offsets.map(replay.streaming.position.mark())
    events = replay.recorded["events"]
    assert offset["pos"] == max(event[4] for event in events)
    assert "event" not in offset
    assert "row" not in offset
    assert offset["gtids"] != replay.recorded["offset"]["gtids"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_offsets_hold_what_the_peer_stores_when_inside_a_transaction(dialect):
    """Inside a transaction an offset is its BEGIN plus the events and rows that are done."""
    replay = Replay(dialect)
    replay.start()
    records = replay.records(replay.batches())
    offset = next(o for t, k, _, _, o in records if t.endswith(".one") and k == '{"id":3}')
    assert offset["event"] == 2
    assert offset["row"] == 2
    assert offset["transaction_data_collection_order_smp.one"] == 2
    assert set(offset) == {
        "transaction_id",
        "ts_sec",
        "file",
        "pos",
        "transaction_data_collection_order_smp.one",
        "gtids",
        "row",
        "server_id",
        "event",
    }


@pytest.mark.parametrize("dialect", DIALECTS)
def test_deletes_and_tombstones_are_missing_when_their_options_say_so(dialect):
    """skipped.operations=d leaves deletes out; tombstones.on.delete=false leaves tombstones out.

    An update that changes the key keeps its delete, as an update is not skipped.
    """
    replay = Replay(dialect, skipped=frozenset({"d"}))
    replay.start()
    records = [r for r in replay.records(replay.batches()) if ".smp." in r[0]]
    deletes = [r for r in records if r[2] is None or '"op":"d"' in r[2]]
    assert {r[3][0][0] for r in deletes if r[3]} == {"__debezium.newkey"}
    assert all(r[3] for r in deletes)
    replay = Replay(dialect, tombstones=False)
    replay.start()
    values = [r[2] for r in replay.records(replay.batches()) if ".smp." in r[0]]
    assert None not in values
    assert any('"op":"d"' in value for value in values)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_only_chosen_columns_come_when_columns_are_excluded(dialect):
    """An excluded column is decoded past, and a key column stays in the key."""
    config = {"column.exclude.list": "smp.one.id,smp.one.w,smp.one.ww,smp.one.n"}
    replay = Replay(dialect, config)
    replay.start()
    records = [r for r in replay.records(replay.batches()) if r[0].endswith(".one")]
    assert records[0][1] == '{"id":2}'
    assert '"after":{"v":"tx"}' in records[0][2]
    assert '"after":{"v":"last"}' in records[-1][2]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_task_stops_when_rows_come_for_an_unknown_table(dialect):
    """Rows of a captured table without a definition stop the stream, in words that name the remedy."""
    replay = Replay(dialect)
    for id_ in list(replay.schemas.catalog):
        if id_.name == "types":
            replay.schemas.catalog.remove(id_.id)
    replay.start()
    with pytest.raises(ConnectError, match=r"smp\.types whose schema isn't known"):
        replay.batches()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_task_stops_when_definition_and_rows_differ(dialect):
    """A definition with another number or kind of columns never maps values wrongly: it stops."""
    for statement in (
        "alter table types drop column c_int",
        "alter table types modify c_int date",
    ):
        replay = Replay(dialect)
        replay.schemas.apply_ddl({}, "smp", statement, lambda *_: (None,) * 17, snapshot=True)
        replay.start()
        with pytest.raises(ConnectError, match=r"smp\.types"):
            replay.batches()


def test_task_stops_when_a_statement_stands_for_rows():
    """Statement-format changes of a captured database are never passed over."""
    replay = Replay("mysql")
    replay.start()
    sql = b"INSERT INTO one VALUES (1)"
    body = bytes(4) + bytes(4) + b"\x03" + bytes(2) + bytes(2) + b"smp\x00" + sql
    event = [2, 1, 1, 100, 200, base64.b64encode(body).decode()]
    with pytest.raises(ConnectError, match="binlog_format=ROW"):
        replay.batches([event])


def test_task_stops_when_an_event_is_unknown_or_reports_loss():
    """An unknown event type or an INCIDENT stops the stream instead of losing changes."""
    for kind in (39, 26, 99):
        replay = Replay("mysql")
        replay.start()
        with pytest.raises(ConnectError):
            replay.batches([[kind, 1, 1, 100, 200, ""]])


def _with_damaged_json(events):
    """Damage the text that the first JSON document holds."""
    for place, (*head, body) in enumerate(events):
        raw = base64.b64decode(body)
        keys = raw.find(b"abb")
        if head[0] == 30 and keys > 0:
            at = raw.index("é".encode(), keys)
            damaged = base64.b64encode(raw[:at] + b"\xff\xff" + raw[at + 2 :])
            return [*events[:place], (*head, damaged), *events[place + 1 :]]
    raise AssertionError("no JSON document in the recording")


@pytest.mark.parametrize(("mode", "warnings"), [("warn", 1), ("skip", 0)])
def test_a_value_is_null_when_it_cannot_be_converted(mode, warnings, caplog):
    """A damaged JSON document is null, with a warning or without; the rest of the row stands."""
    replay = Replay("mysql", converting=mode)
    replay.start()
    events = _with_damaged_json(replay.recorded["events"])
    records = replay.records(replay.batches(events))
    first = next(json.loads(r[2]) for r in records if r[0].endswith(".types") and r[2])
    assert first["after"]["c_json"] is None
    assert first["after"]["c_char"] is not None
    assert caplog.text.count("c_json is null, since it cannot be converted") == warnings


def test_the_task_fails_when_a_conversion_may_not_fail():
    """`event.converting.failure.handling.mode=fail` stops at the damaged value."""
    replay = Replay("mysql", converting="fail")
    replay.start()
    with pytest.raises(ConnectError, match="JSON"):
        replay.batches(_with_damaged_json(replay.recorded["events"]))
