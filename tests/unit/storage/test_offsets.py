"""Offsets by partition, and the offset file."""

from __future__ import annotations

import pytest

from appliance.errors import ConnectError, RetriableError
from appliance.storage.memory import MemoryLog
from appliance.storage.offsetfile import FileLog
from appliance.storage.offsets import OffsetStore


def test_partition_is_found_when_its_members_stand_in_another_order():
    """Two workers may write one partition in different byte forms."""
    log = MemoryLog()
    store = OffsetStore(log)
    log.write([(b'["x",{"b":1,"a":"2"}]', b'{"p":1}')], 0)
    assert store.get("x", {"a": "2", "b": 1}) == {"p": 1}
    assert store.key_for("x", {"a": "2", "b": 1}) == b'["x",{"b":1,"a":"2"}]'


def test_partition_keeps_its_byte_form_when_it_was_reset():
    """What is written after a reset replaces the record that compaction knows."""
    log = MemoryLog()
    store = OffsetStore(log)
    log.write([(b'["x",{"b":1,"a":"2"}]', b'{"p":1}')], 0)
    store.put("x", [({"a": "2", "b": 1}, None)])
    assert store.all_of("x") == []
    store.put("x", [({"a": "2", "b": 1}, {"p": 2})])
    assert [found.key for found in store.all_of("x")] == [b'["x",{"b":1,"a":"2"}]']


@pytest.mark.parametrize("key", [b"no json", b"[1,2]", b'["x"]', b'{"x":{}}', b'["x",null]'])
def test_record_is_ignored_when_no_worker_writes_such_a_key(key):
    """A foreign record in the topic is passed over."""
    log = MemoryLog()
    store = OffsetStore(log)
    log.write([(key, b"{}"), (b'["x",{"n":1}]', b"{}")], 0)
    assert len(store.all_of("x")) == 1


def test_offsets_come_back_when_a_file_is_opened_again(tmp_path):
    """What was acknowledged is on disk, resets included."""
    path = tmp_path / "connect.offsets"
    store = OffsetStore(FileLog(path))
    store.put("x", [({"n": 1}, {"p": 1}), ({"n": 2}, {"p": 2})])
    store.put("x", [({"n": 1}, None)])
    log = FileLog(path)
    again = OffsetStore(log)
    log.load()
    assert [(found.partition, found.offset) for found in again.all_of("x")] == [
        ({"n": 2}, {"p": 2})
    ]


@pytest.mark.parametrize("content", [None, b""])
def test_file_holds_nothing_when_missing_or_empty(tmp_path, content):
    """A first start needs no file."""
    path = tmp_path / "connect.offsets"
    if content is not None:
        path.write_bytes(content)
    log = FileLog(path)
    store = OffsetStore(log)
    log.load()
    assert store.all_of("x") == []


def test_start_fails_when_the_file_is_something_else(tmp_path):
    """A wrong file is never overwritten silently."""
    path = tmp_path / "connect.offsets"
    path.write_text("hello")
    with pytest.raises(ConnectError, match=r"reading the offset file .*no offset file"):
        FileLog(path).load()


def test_old_content_stays_when_the_file_cannot_be_written(tmp_path):
    """A full or read-only disk is reported, and what was stored before still is."""
    folder = tmp_path / "gone"
    log = FileLog(folder / "connect.offsets")
    store = OffsetStore(log)
    with pytest.raises(RetriableError, match="writing the offset file"):
        store.put("x", [({"n": 1}, {"p": 1})])
    assert store.all_of("x") == []
