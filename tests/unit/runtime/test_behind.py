"""How far a sink is behind: by what is committed, whatever the consumer has seen."""

from __future__ import annotations

from typing import Any

from appliance.ids import TopicPartition
from appliance.kafka.library import KafkaError, KafkaException, Place
from appliance.runtime.behind import ASK_S, Behind

P = TopicPartition("orders", 0)


class Log:
    """A consumer's view of one partition: what it has fetched of it, and what the broker says."""

    def __init__(self, seen: tuple[int, int], true: tuple[int, int]) -> None:
        self.seen, self.true = seen, true
        self.asked = 0
        self.away = False

    def get_watermark_offsets(
        self, place: Place, timeout: float = 0.0, cached: bool = False
    ) -> tuple[int, int]:
        del place, timeout
        if cached:
            return self.seen
        self.asked += 1
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return self.true


def of(log: Any, *, earliest: bool = True) -> Behind:
    return Behind(log, earliest=earliest)


UNSEEN = (-1001, -1001)


def test_end_is_the_consumer_s_when_it_reads_the_partition() -> None:
    """No question for what it knows, and what was read and not committed counts as behind."""
    log = Log((0, 500), (0, 500))
    behind = of(log)
    behind.begin(P, 0)
    assert behind.records([P], {P: 120}, (), 1.0) == [380]
    assert behind.records([P], {}, (), 2.0) == [500]
    assert log.asked == 0


def test_broker_is_asked_when_the_partition_is_not_read() -> None:
    """A paused partition grows all the same; nothing is claimed before the first answer."""
    log = Log((0, 10), (0, 300))
    behind = of(log)
    assert behind.records([P], {P: 10}, [P], 1.0) == [None]
    assert behind.records([P], {P: 10}, [P], 2.5) == [290]
    log.true = (0, 310)
    assert behind.records([P], {P: 10}, [P], 3.0) == [290]
    assert behind.records([P], {P: 10}, [P], 2.5 + ASK_S) == [300]
    log.away = True
    assert behind.records([P], {P: 10}, [P], 2.5 + 2 * ASK_S) == [300]


def test_whole_log_is_unread_when_nothing_was_ever_fetched_or_committed() -> None:
    """A sink that cannot begin is behind by all there is, not by nothing."""
    behind = of(Log(UNSEEN, (40, 300)))
    behind.records([P], {}, [P], 0.0)
    assert behind.records([P], {}, [P], 2.0) == [260]


def test_begin_is_the_end_when_the_consumer_begins_there() -> None:
    """`auto.offset.reset=latest` leaves out what was there before, and nothing that comes after."""
    log = Log(UNSEEN, (0, 300))
    behind = of(log, earliest=False)
    behind.records([P], {}, [P], 0.0)
    assert behind.records([P], {}, [P], 2.0) == [0]
    log.true = (0, 307)
    assert behind.records([P], {}, [P], 2.0 + ASK_S) == [7]


def test_records_that_are_gone_do_not_count_when_the_log_was_cut() -> None:
    """What retention took cannot be read any more."""
    behind = of(Log((200, 300), (200, 300)))
    assert behind.records([P], {P: 10}, (), 0.0) == [100]


def test_partition_is_unknown_anew_when_it_was_given_up() -> None:
    """Where a former assignment began says nothing of the next one."""
    behind = of(Log((0, 50), (0, 50)))
    behind.begin(P, 20)
    assert behind.begin_of(P) == 20
    behind.forget([P])
    assert behind.begin_of(P) is None
