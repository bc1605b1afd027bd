"""FileStream tasks on a real file: follow, truncate, replace, resume; append and sync."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest

from appliance.api import NULL, Batch, OffsetChange
from appliance.connectors.filestream.sink import FileStreamSinkTask
from appliance.connectors.filestream.source import (
    FileStreamSourceConnector,
    FileStreamSourceTask,
)
from appliance.data import SchemaBuilder
from appliance.data.schema import INT32_SCHEMA
from appliance.errors import ConnectError, java_trace
from appliance.ids import ConnectorTaskId
from tests.fulldisk import largest_file


class Context:
    def __init__(self, stored: dict[str, Any] | None = None) -> None:
        self.id = ConnectorTaskId("c", 0)
        self.stored = stored

    def offsets(self, partitions):
        return [self.stored for _ in partitions]

    def wait(self, timeout_s: float) -> bool:
        return False


def started(file: Path, stored=None, **more) -> FileStreamSourceTask:
    task = FileStreamSourceTask()
    context: Any = Context(stored)
    task.start(context, {"file": str(file), "topic": "t", **more})
    return task


def drained(task: FileStreamSourceTask, polls: int = 6) -> list[tuple[str, int]]:
    return [
        (value, (batch.source_offset_at(row) or {})["position"])
        for _ in range(polls)
        for batch in task.poll()
        for row, value in enumerate(batch.values)
    ]


def test_lines_come_with_byte_positions_when_text_has_accents(tmp_path) -> None:
    """A position is where the next line begins, in bytes; an unfinished line waits."""
    file = tmp_path / "f"
    file.write_text("añb\ncd\nrest", encoding="utf-8")
    task = started(file)
    assert drained(task) == [("añb", 5), ("cd", 8)]
    with file.open("a") as out:
        out.write("!\n")
    assert drained(task) == [("rest!", 14)]
    task.close()


def test_reading_goes_on_at_the_stored_position(tmp_path) -> None:
    """Nothing is read twice after a restart."""
    file = tmp_path / "f"
    file.write_text("a\nb\n")
    task = started(file, {"position": 2})
    assert drained(task) == [("b", 4)]
    task.close()


def test_missing_file_is_waited_for(tmp_path, caplog) -> None:
    """One warning, then the file is read when it comes."""
    caplog.set_level("WARNING", "org.apache.kafka.connect.file.FileStreamSourceTask")
    task = started(tmp_path / "f")
    assert drained(task) == []
    (tmp_path / "f").write_text("a\n")
    found = drained(task)
    task.close()
    assert found == [("a", 2)]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("stored", [None, {"position": 100}])
def test_file_is_begun_again_when_truncated(tmp_path, stored) -> None:
    """While running and over a restart alike."""
    file = tmp_path / "f"
    file.write_text("long line\n")
    task = started(file, stored)
    assert drained(task) == [("long line", 10)]
    file.write_text("x\n")
    assert drained(task) == [("x", 2)]
    task.close()


def test_new_file_is_read_when_it_takes_the_name(tmp_path) -> None:
    """After a rotation by rename the old file is drained, then the new one is read."""
    file = tmp_path / "f"
    file.write_text("a\n")
    task = started(file)
    assert drained(task, 1) + drained(task, 1) == [("a", 2)]
    with file.open("a") as out:
        out.write("b\n")
    file.rename(tmp_path / "f.1")
    file.write_text("new one, longer\n")
    assert drained(task) == [("b", 4), ("new one, longer", 16)]
    task.close()


def test_poll_gives_at_most_batch_size_lines(tmp_path) -> None:
    """The rest comes with the next poll, without waiting for the file to grow."""
    file = tmp_path / "f"
    file.write_text("a\nb\nc\n")
    task = started(file, **{"batch.size": "2"})
    assert [len(batch) for _ in range(3) for batch in task.poll()] == [2, 1]
    task.close()


@pytest.mark.parametrize(
    ("partition", "offset", "text"),
    [
        ({"filename": "f"}, {}, "contain the key 'position'"),
        ({"filename": "f"}, {"position": "1"}, "expected to be a Long value"),
        ({"filename": "f"}, {"position": -1}, "should be a non-negative value"),
        ({"other": "f"}, {"position": 1}, "should contain the key 'filename'"),
        (None, {"position": 1}, "Partition objects cannot be null"),
    ],
)
def test_offsets_are_refused_in_connects_words(partition, offset, text) -> None:
    """What cannot be a position of a file is named."""
    with pytest.raises(ConnectError, match=text):
        FileStreamSourceConnector().alter_offsets({"file": "f"}, [(partition, offset)])


def test_bytes_are_told_when_the_preview_of_a_position_is_asked(tmp_path) -> None:
    """A position inside the file is fine; one beyond it, another file, or none there is told."""
    file = tmp_path / "in"
    file.write_text("one\ntwo\n")

    def found(path, position, name="in"):
        change = OffsetChange(
            {"filename": str(tmp_path / name)}, {"position": 8}, {"position": position}
        )
        (one,) = FileStreamSourceConnector().preview_offsets(
            {"file": str(path)}, [change], lambda _prefix: {}
        )
        return one.bytes, [check.name for check in one.checks if not check.ok]

    assert found(file, 4) == (-4, [])
    assert found(file, 9) == (1, ["position inside the file"])
    assert found(file, 4, "other") == (-4, ["the connector reads this file"])
    assert found(tmp_path / "no", 4, "no") == (None, ["the file is there"])


def test_values_are_written_as_java_prints_them(tmp_path) -> None:
    """One line per record, appended."""
    file = tmp_path / "out"
    file.write_text("before\n")
    task = FileStreamSinkTask()
    context: Any = Context()
    task.start(context, {"file": str(file)})
    schema = SchemaBuilder.struct().field("a", INT32_SCHEMA).build()
    task.put([Batch("t", ["x", None, NULL]), Batch("t", [(1,)], schema), Batch("t", [{"a": 1}])])
    task.flush({})
    assert file.read_text() == "before\nx\nnull\nnull\nStruct{a=1}\n{a=1}\n"
    task.close()


def test_every_line_is_whole_when_the_disk_was_full_for_a_while(tmp_path) -> None:
    """What a failed write left is taken back: what is written again begins on a line of its own."""
    file = tmp_path / "out"
    context: Any = Context()
    task = FileStreamSinkTask()
    task.start(context, {"file": str(file)})
    task.put([Batch("t", ["first"])])
    text = rf"writing to {file}: File too large; raise .* and restart the task"
    with largest_file(20), pytest.raises(ConnectError, match=text):
        task.put([Batch("t", ["second", "third-is-longer"])])
    task.close()
    assert file.read_text() == "first\n"
    again = FileStreamSinkTask()
    again.start(context, {"file": str(file)})
    again.put([Batch("t", ["second", "third-is-longer"])])
    assert file.read_text() == "first\nsecond\nthird-is-longer\n"
    again.close()


def test_lines_of_another_task_stay_when_a_write_fails(tmp_path, monkeypatch) -> None:
    """Tasks of one connector share a file: one takes back nothing that another one wrote behind it."""
    file = tmp_path / "out"
    context: Any = Context()
    task = FileStreamSinkTask()
    task.start(context, {"file": str(file)})
    write = os.write

    def crowded(descriptor, data):
        written = write(descriptor, data)
        with largest_file(resource.RLIM_INFINITY), file.open("a") as other:
            other.write("other\n")
        return written

    monkeypatch.setattr(os, "write", crowded)
    with largest_file(10), pytest.raises(ConnectError, match="File too large"):
        task.put([Batch("t", ["abc", "too-long-for-it"])])
    task.close()
    assert "other\n" in file.read_text()


def test_task_fails_when_the_file_cannot_be_opened(tmp_path) -> None:
    """The message names the file in Connect's words; the trace says why and what to do as well."""
    context: Any = Context()
    file = tmp_path / "no" / "f"
    with pytest.raises(ConnectError) as failed:
        FileStreamSinkTask().start(context, {"file": str(file)})
    assert str(failed.value) == f"Couldn't find or create file '{file}' for FileStreamSinkTask"
    trace = java_trace(failed.value)
    assert "No such file or directory; make its folder and restart the task" in trace
