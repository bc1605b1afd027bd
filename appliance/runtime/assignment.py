"""The partitions of a sink task: subscribed, assigned, paused, consumed and committed.

One consumer in the connector's group. What is assigned is known here alone; the runner asks for messages
by partition. Semantics: Kafka Connect 4.3.1 WorkerSinkTask.HandleRebalance and its commit bookkeeping.
Thread: the task's own; rebalances happen inside `poll` and `close`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from appliance.api import SinkTask
from appliance.clock import Clock, let_timers_be_late
from appliance.config.connector import ConnectorConfig
from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError
from appliance.ids import ConnectorTaskId, TopicPartition
from appliance.kafka.clients import connector_consumer, consumer_options
from appliance.kafka.library import Consumer, KafkaError, KafkaException, LibraryLog, Place
from appliance.runtime.behind import Behind
from appliance.runtime.control import Control

log = logging.getLogger("org.apache.kafka.connect.runtime.WorkerSinkTask")

# Java's default; more at a time falls out of the processor's caches before it is written
MAX_MESSAGES = 500
REGEX_REFRESH_S = 30.0
DISMISS_S = 5.0
_METADATA_TIMEOUT_S = 10.0
_LATE_S = 0.5
_LIBRARY_LATE_S = 0.4
_STEP_S = 0.199
"""The library divides a wait of 0.2 s or more into such steps by itself, without a look at the control."""
_HARMLESS = (
    KafkaError._PARTITION_EOF,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError.REQUEST_TIMED_OUT,
)


class Owner(Protocol):
    """What the assignment asks of the runner."""

    def commit(
        self,
        assignment: Assignment,
        partitions: frozenset[TopicPartition] | None,
        timeout_s: float,
        *,
        closing: bool,
    ) -> None:
        """Commit what is safe."""

    def forget(self, partitions: frozenset[TopicPartition]) -> None:
        """Drop what is held of these partitions."""

    def count_commit(self, started_s: float, *, succeeded: bool) -> None:
        """Count a commit."""

    @property
    def clock(self) -> Clock:
        """Give the clock."""

    @property
    def commit_timeout_s(self) -> float:
        """Give how long a commit may take."""


class Assignment:
    """A sink task's consumer."""

    def __init__(
        self,
        id: ConnectorTaskId,
        config: ConnectorConfig,
        worker: WorkerConfig,
        task: SinkTask,
        owner: Owner,
    ) -> None:
        self._id = id
        self._config = config
        self._task = task
        self._owner = owner
        client_id = f"connector-consumer-{id}"
        self._options = consumer_options(worker, config, client_id)
        settings = connector_consumer(worker, config, client_id)
        limit = (worker.client_settings("consumer") | config.overrides("consumer")).get(
            "max.poll.records"
        )
        self._limit = int(limit) if limit else MAX_MESSAGES
        self._cooperative = settings.get("partition.assignment.strategy") == "cooperative-sticky"
        # of fifty consumers at rest, timers are nearly all that costs; the library's are few, and joining
        # the group needs them
        let_timers_be_late(_LIBRARY_LATE_S)
        self._consumer = Consumer(
            {**settings, "on_commit": self._committed}, logger=LibraryLog(log)
        )
        let_timers_be_late(_LATE_S)
        self._behind = Behind(
            self._consumer, earliest=settings.get("auto.offset.reset") in {"earliest", "smallest"}
        )
        self._pattern = re.compile(str(config["topics.regex"])) if config["topics.regex"] else None
        self._subscribed: list[str] = []
        self._next_refresh_s = 0.0
        self.partitions: frozenset[TopicPartition] = frozenset()
        self._consumed: dict[TopicPartition, int] = {}
        self._stored: dict[TopicPartition, int] = {}
        self._paused: frozenset[TopicPartition] = frozenset()
        self._all_paused = False
        self._paused_by_task: frozenset[TopicPartition] = frozenset()
        self._seeks: dict[TopicPartition, int] = {}
        self._sought: dict[TopicPartition, int] = {}
        """Where the task had reading begin, until the first record from there has come."""
        self._committing_since_s: float | None = None
        self._error: BaseException | None = None
        self._closed = False
        self._member = ""
        self._has_joined = self._settled = self._rebalanced = False
        self.messages: dict[TopicPartition, list[Any]] = {}

    # subscription

    def member_id(self) -> str:
        """Give this consumer's name in its group; empty before it has one.

        The library is asked only while a rebalance is not over: each question wakes a thread of its own.
        """
        if not self._settled:
            self._member = self._consumer.memberid() or ""
            self._settled = self._has_joined
        return self._member

    def dismiss(self, members: Sequence[str]) -> list[str]:
        """Take consumers of former processes out of the group, so that nobody waits for them.

        Gives those that are still in it, the coordinator being away.
        """
        if not members:
            return []
        # lazily: the first process of a task has nobody to dismiss
        from appliance.kafka.coordinator import GroupSettings, leave_group

        left: list[str] = []
        for member in members:
            try:
                settings = GroupSettings.from_config(self._options)
                leave_group(settings, member, "its process has ended", DISMISS_S)
            except ConnectError as error:
                left.append(member)
                log.warning("%s: the group may still wait for %s: %s", self._id, member, error)
        return left

    def subscribe(self) -> None:
        """Join the group for the configured topics."""
        if self._pattern is None:
            self._subscribe(list(self._config["topics"]))
        else:
            self._refresh_topics()

    def _subscribe(self, topics: list[str]) -> None:
        self._subscribed = topics
        if topics:
            self._consumer.subscribe(
                topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )

    def _refresh_topics(self) -> None:
        """Subscribe to the topics that match now; Java's expressions are not librdkafka's."""
        now_s = self._owner.clock.monotonic_s()
        if self._pattern is None or now_s < self._next_refresh_s:
            return
        self._next_refresh_s = now_s + REGEX_REFRESH_S
        try:
            known = self._consumer.list_topics(timeout=_METADATA_TIMEOUT_S).topics
        except KafkaException as error:
            log.warning("%s: looking for topics failed: %s", self._id, error.args[0].str())
            return
        found = sorted(name for name in known if self._pattern.fullmatch(name))
        if found != self._subscribed:
            self._subscribe(found)

    # consuming

    def poll(self, timeout_s: float, control: Control) -> dict[TopicPartition, list[Any]]:
        """Give messages by partition, in order within each; waits for the first one about `timeout_s`.

        After a rebalance, or when the control has news, it waits no longer than a step. Raises what a
        rebalance raised.
        """
        self._refresh_topics()
        consumer = self._consumer
        # one message first, then what is there: consume(n, t) would wait t for the last few
        self._rebalanced = False
        first = consumer.poll(min(timeout_s, _STEP_S))
        # no clock, no call: what a wake-up does is paid for five times a second by each task at rest
        while first is None and timeout_s > _STEP_S and not (control.news or self._rebalanced):
            timeout_s -= _STEP_S
            first = consumer.poll(min(timeout_s, _STEP_S))
        self._raise()
        self.messages = {}
        if first is None:
            return self.messages
        self._check_commit()
        rest = consumer.consume(self._limit - 1, 0) if self._limit > 1 else []
        self._raise()
        messages = [first, *rest]
        errors = [error for message in messages if (error := message.error()) is not None]
        if errors:
            for error in errors:
                self._check(error)
            messages = [message for message in messages if message.error() is None]
        self.messages = self._by_partition(messages)
        for partition, group in self.messages.items():
            self._behind.begin(partition, group[0].offset())
        if self._sought:
            self._check_sought()
        return self.messages

    def _check_sought(self) -> None:
        """Raise when reading began before where the task had it begin: its topic is another one by now.

        The library reads on by `auto.offset.reset` where the topic ends before, as Java's does; a task that
        knows what it has written would take those records for written.
        """
        for partition, messages in self.messages.items():
            wanted, found = self._sought.pop(partition, 0), messages[0].offset()
            if found < wanted:
                raise ConnectError(
                    f"reading {partition} on from offset {wanted}: the topic ended before that, and its next "
                    f"record has offset {found}. It was made anew, or lost records, after this task had "
                    f"written what it held up to offset {wanted - 1}; the new records would be taken for "
                    "written. Move away what was written of the former topic (a file sink's folders of it in "
                    "topics.dir and in logs.dir), then restart the task."
                )

    def _by_partition(self, messages: list[Any]) -> dict[TopicPartition, list[Any]]:
        """Give the messages of our partitions, in order within each."""
        ends = {_place(message) for message in messages[:1] + messages[-1:]}
        if len(ends) == 1 and ends == self.partitions:
            # what came before a rebalance would stand at one of the ends
            return dict.fromkeys(self.partitions, messages)
        groups: dict[TopicPartition, list[Any]] = {}
        place: tuple[Any, Any] | None = None
        group: list[Any] = []
        for message in messages:
            # messages of one partition come together: look it up once
            here = _place(message)
            if here != place:
                place, partition = here, TopicPartition(*here)
                group = groups.setdefault(partition, []) if partition in self.partitions else []
            group.append(message)
        return groups

    def _check(self, error: KafkaError) -> None:
        if error.code() in _HARMLESS or (error.retriable() and not error.fatal()):
            log.info("%s: consumer: %s", self._id, error.str())
            return
        raise ConnectError(f"consuming: {error.str()}")

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def delivered(self, after: Mapping[TopicPartition, int]) -> None:
        """The task has taken everything up to these offsets."""
        for partition, offset in after.items():
            if partition in self.partitions:
                self._consumed[partition] = offset

    def consumed(self, partitions: frozenset[TopicPartition] | None) -> dict[TopicPartition, int]:
        """Give the next offset of each partition of which anything is known."""
        if partitions is None:
            return dict(self._consumed)
        return {tp: offset for tp, offset in self._consumed.items() if tp in partitions}

    @property
    def uncommitted(self) -> int:
        """Count the records delivered and not yet committed."""
        return sum(
            max(0, offset - self._stored.get(tp, self._behind.begin_of(tp) or 0))
            for tp, offset in self._consumed.items()
        )

    def behind(self, now_s: float) -> list[int] | None:
        """Give by how many records each partition's committed offset is behind its end, None if unknown."""
        if not self._has_joined:
            return None
        found = self._behind.records(self.partitions, self._stored, self._paused, now_s)
        known = [records for records in found if records is not None]
        return known if len(known) == len(found) else None

    # pausing and seeking

    def set_paused(self, everything: bool) -> None:
        """Pause all partitions or only those that the task paused."""
        self._all_paused = everything
        self._apply_pauses()

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Pause for the task."""
        self._paused_by_task |= frozenset(partitions)
        self._apply_pauses()

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Resume for the task."""
        self._paused_by_task -= frozenset(partitions)
        self._apply_pauses()

    def _apply_pauses(self) -> None:
        wanted = self.partitions if self._all_paused else self._paused_by_task & self.partitions
        if wanted == self._paused:
            return
        if more := wanted - self._paused:
            self._consumer.pause([Place(*tp) for tp in more])
        if fewer := (self._paused - wanted) & self.partitions:
            self._consumer.resume([Place(*tp) for tp in fewer])
        self._paused = wanted

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read on from here; inside `open` it decides where reading begins."""
        self._seeks.update(offsets)

    def apply_seeks(self) -> None:
        """Carry out what `seek` asked for."""
        seeks, self._seeks = self._seeks, {}
        for partition, offset in seeks.items():
            if partition in self.partitions:
                self._consumer.seek(Place(*partition, offset))
                self._consumed[partition] = self._sought[partition] = offset
                self._behind.begin(partition, offset)

    def rewind(self) -> None:
        """Read again from the last committed offsets."""
        for partition in self.partitions:
            offset = self._stored.get(partition)
            if offset is not None:
                self._consumer.seek(Place(*partition, offset))
                self._consumed[partition] = offset
                self._sought.pop(partition, None)

    # committing

    def commit(
        self, offsets: Mapping[TopicPartition, int], timeout_s: float, *, wait: bool
    ) -> bool:
        """Commit unless nothing changed or one is under way; `wait` for the answer."""
        changed = {tp: offset for tp, offset in offsets.items() if self._stored.get(tp) != offset}
        if not changed:
            return False
        started_s = self._owner.clock.monotonic_s()
        places = [Place(*tp, offset) for tp, offset in changed.items()]
        if wait:
            self._commit_and_wait(places, started_s)
            return True
        if self._committing_since_s is not None:
            if started_s - self._committing_since_s < timeout_s:
                return False
            self._owner.count_commit(self._committing_since_s, succeeded=False)
        self._committing_since_s = started_s
        self._consumer.commit(offsets=places, asynchronous=True)
        return True

    def _commit_and_wait(self, places: list[Place], started_s: float) -> None:
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            log.warning("%s: commit failed: %s", self._id, error.args[0].str())
            self._owner.count_commit(started_s, succeeded=False)
        else:
            self._note(places)
            self._owner.count_commit(started_s, succeeded=True)

    def _committed(self, error: KafkaError | None, places: list[Place]) -> None:
        since, self._committing_since_s = self._committing_since_s, None
        if error is None:
            self._note(places)
        else:
            log.warning("%s: commit failed: %s", self._id, error.str())
        if since is not None:
            self._owner.count_commit(since, succeeded=error is None)

    def _note(self, places: list[Place]) -> None:
        for place in places:
            partition = TopicPartition(place.topic, place.partition)
            if place.error is None and place.offset >= 0 and partition in self.partitions:
                self._stored[partition] = place.offset

    def _check_commit(self) -> None:
        since = self._committing_since_s
        if since is not None:
            now_s = self._owner.clock.monotonic_s()
            if now_s - since > self._owner.commit_timeout_s:
                self._committing_since_s = None
                self._owner.count_commit(since, succeeded=False)

    # rebalancing

    def _assigned(self, consumer: Consumer, places: list[Place]) -> None:
        self._has_joined, self._settled, self._rebalanced = True, False, True
        try:
            self._take(consumer, places)
        except BaseException as error:  # noqa: BLE001 - raised again by poll
            self._error = error

    def _take(self, consumer: Consumer, places: list[Place]) -> None:
        known = consumer.committed(places, timeout=_METADATA_TIMEOUT_S) if places else []
        new = [TopicPartition(place.topic, place.partition) for place in places]
        self.partitions |= frozenset(new)
        for place in known:
            if place.offset >= 0:
                partition = TopicPartition(place.topic, place.partition)
                self._stored[partition] = self._consumed[partition] = place.offset
        log.info("%s: assigned %s", self._id, ", ".join(map(str, new)) or "nothing")
        if new:
            self._task.open(new)
        starts = [self._start(place) for place in known]
        if self._cooperative:
            consumer.incremental_assign(starts)
        else:
            consumer.assign(starts)
        self._paused = frozenset()
        self._apply_pauses()

    def _start(self, place: Place) -> Place:
        partition = TopicPartition(place.topic, place.partition)
        offset = self._seeks.pop(partition, None)
        if offset is not None:
            self._consumed[partition] = self._sought[partition] = offset
            self._behind.begin(partition, offset)
            return Place(place.topic, place.partition, offset)
        return Place(place.topic, place.partition, place.offset)

    def _revoked(self, consumer: Consumer, places: list[Place]) -> None:
        self._give_up(consumer, places, lost=False)

    def _lost(self, consumer: Consumer, places: list[Place]) -> None:
        self._give_up(consumer, places, lost=True)

    def _give_up(self, consumer: Consumer, places: list[Place], *, lost: bool) -> None:
        self._has_joined = self._settled = False
        self._rebalanced = True
        gone = frozenset(TopicPartition(place.topic, place.partition) for place in places)
        gone &= self.partitions
        try:
            self._owner.forget(gone)
            if gone and not lost and not self._closed:
                self._owner.commit(self, gone, self._owner.commit_timeout_s, closing=True)
            if gone:
                log.info(
                    "%s: %s %s", self._id, "lost" if lost else "revoked", ", ".join(map(str, gone))
                )
                self._task.close_partitions(sorted(gone))
        except BaseException as error:  # noqa: BLE001 - raised again by poll
            self._error = error
        self.partitions -= gone
        self._paused -= gone
        self._paused_by_task -= gone
        self._behind.forget(gone)
        for partition in gone:
            self._consumed.pop(partition, None)
            self._stored.pop(partition, None)
            self._sought.pop(partition, None)
        if self._cooperative:
            consumer.incremental_unassign(places)
        else:
            consumer.unassign()

    def close(self) -> None:
        """Leave the group; what is safe was committed before."""
        self._closed = True
        self._consumer.close()
        if self.partitions:
            # the callback does not come when the group was never joined to its end
            self._task.close_partitions(sorted(self.partitions))
            self.partitions = frozenset()


def _place(message: Any) -> tuple[Any, Any]:
    return message.topic(), message.partition()
