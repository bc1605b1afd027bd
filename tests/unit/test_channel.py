"""The channel: whole messages in order, whatever the pieces; the end of the other side is told."""

from __future__ import annotations

import socket
import threading

import pytest

from appliance.channel import (
    Channel,
    ChannelClosed,
    Lease,
    StartTask,
    StopTask,
    TaskStatus,
)
from appliance.ids import ConnectorTaskId, State, TargetState

ID = ConnectorTaskId("a-b", 3)


@pytest.fixture
def ends():
    mine, theirs = Channel.pair()
    other = Channel(theirs)
    yield mine, other
    mine.close()
    other.close()


def test_messages_come_whole_and_in_order_when_sent_by_many_threads(ends) -> None:
    """Frames never mix, even large ones."""
    mine, other = ends
    big = {"file": "x" * 300_000}

    def send(number: int) -> None:
        mine.send(
            StartTask(ConnectorTaskId("c", number), big, {}, {}, TargetState.STARTED, [], False)
        )

    threads = [threading.Thread(target=send, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    got = [other.receive(5) for _ in threads]
    for thread in threads:
        thread.join()
    assert sorted(message.id.task for message in got) == [0, 1, 2, 3, 4]
    assert all(message.config == big for message in got)


def test_every_kind_keeps_its_types_when_sent(ends) -> None:
    """Ids and states come out as what they went in."""
    mine, other = ends
    status = TaskStatus(ID, State.FAILED, "trace", "1.0")
    mine.send(status)
    mine.send(StopTask(ID))
    received = other.receive(5)
    assert received == status
    assert isinstance(received.id, ConnectorTaskId)
    assert received.state is State.FAILED
    assert other.receive(5) == StopTask(ID)


def test_receive_gives_none_when_nothing_comes_in_time(ends) -> None:
    """The main loop of a task process wakes for its lease."""
    _, other = ends
    assert other.receive(0.01) is None


def test_closed_is_told_when_the_other_side_is_gone(ends) -> None:
    """What was sent before is still delivered; then sending and receiving fail."""
    mine, other = ends
    mine.send(Lease(1.5))
    mine.close()
    assert other.receive(5) == Lease(1.5)
    with pytest.raises(ChannelClosed):
        other.receive(5)
    with pytest.raises(ChannelClosed):
        other.send(Lease(2.0))


def test_frame_waits_for_its_rest_when_it_comes_in_pieces() -> None:
    """A slow sender does not confuse the reader."""
    mine, theirs = socket.socketpair()
    reader = Channel(theirs)
    writer, collected = Channel.pair()
    writer.send(Lease(3.0))
    data = collected.recv(100)
    for byte in data[:-1]:
        mine.send(bytes([byte]))
        assert list(reader.drain()) == []
    mine.send(data[-1:])
    assert list(reader.drain()) == [Lease(3.0)]
    for thing in (mine, reader, writer, collected):
        thing.close()
