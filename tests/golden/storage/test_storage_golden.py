"""The stores against what Java wrote: records of the internal topics and offset files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.clock import ManualClock
from appliance.errors import DataError
from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.storage.configs import ConfigStore
from appliance.storage.memory import MemoryLog
from appliance.storage.offsetfile import decode_offset_map, encode_offset_map
from appliance.storage.offsets import offset_key, offset_value, parse_offset_key
from appliance.storage.statuses import Status, StatusStore

HERE = Path(__file__).parent
RECORDS = [json.loads(line) for line in (HERE / "records.jsonl").read_text().splitlines()]


class Recorder(MemoryLog):
    """A log that remembers what was written."""

    def __init__(self):
        super().__init__()
        self.written = []

    def write(self, records, timeout_s):
        self.written += records
        super().write(records, timeout_s)


class Deaf:
    """A listener that does not mind."""

    def __getattr__(self, name):
        return lambda *_: None


def recorded(store):
    return [
        (row["key"].encode(), None if row["value"] is None else row["value"].encode())
        for row in RECORDS
        if row["store"] == store
    ]


def test_config_records_are_written_as_recorded_when_read_and_written_again():
    """Every kind of record of the config topic leaves the store as Java wrote it."""
    log = Recorder()
    store = ConfigStore(log, Deaf())
    rows = recorded("configs")
    writers = {
        "connector": lambda name, value: store.put_connector(name, value["properties"], None),
        "task": lambda name, value: store.put_task_configs(name[:-2], [value["properties"]]),
        "commit": lambda name, value: store.put_task_configs(name, [{}] * value["tasks"]),
        "target-state": lambda name, value: store.put_target_state(
            name, TargetState(value["state.v2"])
        ),
    }
    for key, value in rows:
        kind, _, rest = key.decode().partition("-dbz-")
        if value is not None:
            writers[kind]("dbz-" + rest, json.loads(value))
            assert (key, value) in log.written[-2:]
    store.remove_connector("dbz-smp-ma")
    assert log.written[-2:] == [row for row in rows if row[1] is None]


def test_status_records_are_written_as_recorded_when_read_and_written_again():
    """States, topics and their deletion leave the store as Java wrote them."""
    log = Recorder()
    clock = ManualClock()
    store = StatusStore(log, clock)
    for key, value in recorded("status"):
        kind, _, rest = key.decode().removeprefix("status-").partition("-")
        parsed = value and json.loads(value)
        if kind == "topic":
            topic, _, connector = rest.partition(":connector-")
            if parsed:
                clock.advance(parsed["topic"]["discoverTimestamp"] - clock.now_ms())
            store.put_topic(topic, ConnectorTaskId(connector, 0))
            if not parsed:
                store.reset_topics(connector)
                assert (key, None) in log.written
                continue
        elif parsed:
            name = ConnectorTaskId.parse(rest) if kind == "task" else rest
            store.put(name, Status(**parsed | {"state": State(parsed["state"])}))
        else:
            store.remove(ConnectorTaskId.parse(rest) if kind == "task" else rest)
        assert log.written[-1] == (key, value)


def test_offset_records_are_written_as_recorded_when_read_and_written_again():
    """Keys and values of the offset topic have Java's bytes."""
    for key, value in recorded("offsets"):
        assert offset_key(*parse_offset_key(key)) == key
        assert offset_value(value and json.loads(value)) == value


@pytest.mark.parametrize("name", ["empty", "one", "many"])
def test_offset_file_is_the_one_java_writes_when_read_and_written_again(name):
    """A file of Java's ObjectOutputStream is read, and written again byte for byte."""
    data = (HERE / f"{name}.bin").read_bytes()
    assert encode_offset_map(decode_offset_map(data)) == data


def test_offset_file_says_what_java_put_in_when_read():
    """Keys, values, nulls and letters beyond ASCII arrive."""
    many = decode_offset_map((HERE / "many.bin").read_bytes())
    assert many['["orders-in",{"filename":"/d/à.txt"}]'.encode()] == b'{"position":913}'
    assert many[b'["orders-in",{"filename":"/d/b.txt"}]'] is None
    assert len(many) == 22


def test_offset_file_is_read_when_two_entries_share_one_array():
    """Java writes a value it has written before as a reference."""
    shared = decode_offset_map((HERE / "shared.bin").read_bytes())
    assert shared == {
        b'["a",{"n":1}]': b'{"position":1}',
        b'["a",{"n":2}]': b'{"position":1}',
    }


@pytest.mark.parametrize("size", [1, 4, 40, 80, 120, 168])
def test_offset_file_is_refused_when_it_is_cut_short(size):
    """A damaged file is an error with a remedy, never an empty map."""
    data = (HERE / "one.bin").read_bytes()[:size]
    with pytest.raises(DataError, match=r"it ends too early|no offset file"):
        decode_offset_map(data)
