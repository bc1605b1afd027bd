"""A member of a Connect group on a broker: joining, syncing, staying alive, leaving.

`GroupMember` speaks Kafka's group protocol (type `connect`). Joining happens inside `ensure_active` only,
and never before `poll` has delivered FENCED or COORDINATOR_LOST: so work is always stopped first.

Threads: everything on the herder thread, except where "any thread" is said. A heartbeat thread of its
own talks to the coordinator while the member is stable; if the herder stays away for the rebalance
timeout, it leaves the group. One condition guards the state, the link's lock the connection; while a
JoinGroup or SyncGroup is in flight the phase keeps the heartbeat thread off the connection.

Errors: what an operator must correct is raised by `ensure_active` as ConnectError, at most once in 5 s;
everything else is handled here and shown in `fault`. Semantics: Kafka Connect 4.3.1 WorkerCoordinator and
AbstractCoordinator; Java stops its work after one failed discovery of `heartbeat.interval.ms`, as here.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable, Mapping

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.errors import ConnectError, RetriableError
from appliance.kafka import wire
from appliance.kafka.connection import Connection
from appliance.kafka.coordinator import CoordinatorLink, GroupSettings, leave_group, raise_for
from appliance.kafka.membership import NO_GENERATION, GroupEvent, Handler, Joined

log = logging.getLogger("org.apache.kafka.connect.runtime.distributed.WorkerGroupMember")

_UNKNOWN_MEMBER = 25
_ILLEGAL_GENERATION = 22
_REBALANCE_IN_PROGRESS = 27
_MEMBER_ID_REQUIRED = 79

_SLICE_S = 0.1
_SHORTEST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 1.0
_BACKOFF_AFTER_FATAL_S = 5.0
_JOIN_GRACE_S = 5.0


class _HandlerFailure(Exception):
    """Carries what the handler raised past the treatment of the member's own errors."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Phase(enum.Enum):
    OUT = "out"
    JOINING = "joining"
    SYNCING = "syncing"
    STABLE = "stable"


class GroupMember:
    """A member of a group on a broker."""

    def __init__(
        self,
        settings: GroupSettings,
        handler: Handler,
        clock: Clock = SYSTEM_CLOCK,
        on_joining: Callable[[str], None] | None = None,
    ) -> None:
        """Join nothing yet; the first `ensure_active` does.

        `on_joining` hears the member's id, on the herder thread, each time it waits for the group.
        """
        self._settings = settings
        self._handler = handler
        self._clock = clock
        self._on_joining = on_joining
        self._link = CoordinatorLink(settings)
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._phase = _Phase.OUT
        self._generation = NO_GENERATION
        self._member_id = ""
        self._protocol = ""
        self._leader = ""
        self._event: GroupEvent | None = None
        self._rejoin_reason: str | None = None
        self._woken = self._aborted = self._closed = False
        self._fault: str | None = None
        self._trouble_since_s: float | None = None
        self._backoff_s = 0.0
        self._not_before_s = 0.0
        self._join_deadline_s = 0.0
        self._next_heartbeat_s = 0.0
        self._last_answer_s = self._last_seen_s = clock.monotonic_s()

    @property
    def generation(self) -> int:
        """Give the generation joined or being formed, -1 when out of the group."""
        return self._generation

    @property
    def member_id(self) -> str:
        """Give the id that the coordinator gave; empty before."""
        return self._member_id

    @property
    def is_leader(self) -> bool:
        """Tell whether this member leads the generation."""
        return self._generation != NO_GENERATION and self._leader == self._member_id

    @property
    def stable(self) -> bool:
        """Tell whether the member is in the group with nothing to do about it."""
        return self._phase is _Phase.STABLE and self._rejoin_reason is None

    @property
    def silence_s(self) -> float:
        """Give the seconds since the coordinator last proved that it counts this member in.

        0 while it holds a JoinGroup back: it expires no member that waits there, and the kernel ends the
        connection when the broker's host is gone.
        """
        with self._condition:
            if self._phase is _Phase.JOINING:
                return 0.0
            return max(self._clock.monotonic_s() - self._last_answer_s, 0.0)

    @property
    def fault(self) -> str | None:
        """Give what keeps the member out of the group, None when all is well; any thread."""
        return self._fault

    def ensure_active(self, timeout_s: float) -> Joined | None:
        """Join if need be; give a new assignment once, None if there is none (yet).

        A wait that runs into `timeout_s` is taken up again by the next call. Raises ConnectError for what
        an operator must correct, and whatever the handler raises; both leave the member out of the group.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        self._start_heartbeat_thread()
        while self._may_step(deadline_s):
            try:
                joined = self._step(deadline_s)
            except RetriableError as error:
                if self._end_aborted():
                    return None
                self._stumble(error)
                self._drop()
            except ConnectError as error:
                self._give_up(error)
                self._drop()
                raise
            except _HandlerFailure as failure:
                self._step_out(_SHORTEST_BACKOFF_S)
                raise failure.cause from None
            else:
                if joined is not None:
                    return joined
        self._end_aborted()
        return None

    def poll(self, timeout_s: float) -> GroupEvent:
        """Wait for an event, `wake`, or the timeout; returns at once while the group is being joined."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        with self._condition:
            while True:
                now_s = self._last_seen_s = self._clock.monotonic_s()
                if self._event is not None:
                    event, self._event = self._event, None
                    return event
                if self._phase is _Phase.STABLE and self._rejoin_reason is not None:
                    return GroupEvent.REJOIN
                if self._woken or self._phase is not _Phase.STABLE or now_s >= deadline_s:
                    self._woken = False
                    return GroupEvent.IDLE
                self._condition.wait(deadline_s - now_s)

    def request_rejoin(self, reason: str) -> None:
        """Have `poll` give REJOIN; any thread."""
        with self._condition:
            self._rejoin_reason = reason
            self._condition.notify_all()

    def wake(self) -> None:
        """End the present or next wait; any thread."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def abort(self) -> None:
        """End the present or next wait, that for a JoinGroup too; any thread.

        The next `ensure_active` starts anew.
        """
        with self._condition:
            self._woken = self._aborted = True
            self._condition.notify_all()
        self._link.abort()

    def leave(self, reason: str, timeout_s: float) -> None:
        """Leave the group, so that its work moves at once; a failure is logged only."""
        with self._condition:
            member_id, self._member_id = self._member_id, ""
            self._generation, self._phase = NO_GENERATION, _Phase.OUT
            self._event = self._rejoin_reason = None
        self._link.abort()
        if self._link.lock.acquire(timeout=timeout_s):
            self._link.drop()
            self._link.lock.release()
        if not member_id:
            return
        try:
            self.leave_group(member_id, reason, timeout_s)
            log.info("Left the group. group=%s reason=%s", self._settings.group_id, reason)
        except ConnectError as error:
            log.warning(
                "Left without telling the group; its work moves when the session ends. error=%s",
                error,
            )

    def leave_group(self, member_id: str, reason: str, timeout_s: float) -> bool:
        """Take another member (a sibling that died) out; any thread. Raises ConnectError."""
        return leave_group(self._settings, member_id, reason, timeout_s)

    def close(self) -> None:
        """End thread and connection without leaving."""
        with self._condition:
            self._closed = True
            self._phase = _Phase.OUT
            self._condition.notify_all()
        self._link.abort()
        if self._thread is not None:
            self._thread.join()
        self._drop()

    # Joining, on the herder thread.

    def _may_step(self, deadline_s: float) -> bool:
        """Wait out a back-off; tell whether there is something to do before `deadline_s`."""
        with self._condition:
            while True:
                now_s = self._last_seen_s = self._clock.monotonic_s()
                if self._event is not None or self._woken or self._closed:
                    self._woken = self._woken and self._event is not None
                    return False
                if self._phase is _Phase.STABLE:
                    if self._rejoin_reason is None:
                        return False
                    self._phase = _Phase.OUT
                if now_s >= deadline_s:
                    return False
                if now_s >= self._not_before_s:
                    return True
                self._condition.wait(min(self._not_before_s, deadline_s) - now_s)

    def _step(self, deadline_s: float) -> Joined | None:
        if self._phase is _Phase.OUT:
            self._send_join(deadline_s)
            return None
        slice_s = min(deadline_s - self._clock.monotonic_s(), _SLICE_S)
        answered = self._connection().finish(max(slice_s, 0.001))
        if answered is None:
            if self._clock.monotonic_s() > self._join_deadline_s:
                raise RetriableError(
                    f"joining group {self._settings.group_id}: no answer within the rebalance timeout"
                )
            return None
        version, reader = answered
        if self._phase is _Phase.JOINING:
            self._on_join(wire.read_join_group(version, reader))
            return None
        return self._on_sync(*wire.read_sync_group(version, reader))

    def _send_join(self, deadline_s: float) -> None:
        settings = self._settings
        with self._condition:
            reason, self._rejoin_reason = self._rejoin_reason or "not a member", None
        try:
            protocols = self._handler.metadata()
        except Exception as error:
            raise _HandlerFailure(error) from error
        remaining_s = max(deadline_s - self._clock.monotonic_s(), 0.001)
        if not self._link.lock.acquire(timeout=remaining_s):
            return  # a heartbeat is still being waited for; its timeout is short
        try:
            with self._condition:
                if self._event is not None:
                    return
            self._connection().begin(
                wire.JOIN_GROUP,
                lambda version: wire.join_group_request(
                    version,
                    settings.group_id,
                    self._member_id,
                    protocols,
                    session_timeout_ms=settings.session_timeout_ms,
                    rebalance_timeout_ms=settings.rebalance_timeout_ms,
                    reason=reason,
                ),
                settings.request_timeout_s,
            )
            self._await(_Phase.JOINING)
        finally:
            self._link.lock.release()
        if self._member_id and self._on_joining is not None:
            self._on_joining(self._member_id)

    def _on_join(self, join: wire.Join) -> None:
        settings, connection = self._settings, self._connection()
        if join.error == _MEMBER_ID_REQUIRED:
            self._member_id = join.member_id
            self._step_out()
            return
        if join.error in (_UNKNOWN_MEMBER, _ILLEGAL_GENERATION):
            self._fence(join.error)
            return
        raise_for(join.error, "joining", settings, connection.address)
        with self._condition:
            self._generation, self._member_id = join.generation, join.member_id
            self._protocol, self._leader = join.protocol, join.leader
            self._last_answer_s = self._last_seen_s = self._clock.monotonic_s()
        shares: Mapping[str, bytes] = {}
        if join.leader == join.member_id:
            try:
                shares = self._handler.assign(join.leader, join.protocol, join.members)
            except Exception as error:
                raise _HandlerFailure(error) from error
        connection.begin(
            wire.SYNC_GROUP,
            lambda version: wire.sync_group_request(
                version,
                settings.group_id,
                join.generation,
                join.member_id,
                join.protocol,
                shares.items(),
            ),
            settings.request_timeout_s,
        )
        self._await(_Phase.SYNCING)

    def _on_sync(self, error: int, assignment: bytes) -> Joined | None:
        if error in (_UNKNOWN_MEMBER, _ILLEGAL_GENERATION):
            self._fence(error)
            return None
        if error == _REBALANCE_IN_PROGRESS:
            self._step_out()
            return None
        raise_for(error, "syncing", self._settings, self._connection().address)
        now_s = self._clock.monotonic_s()
        with self._condition:
            self._phase = _Phase.STABLE
            self._next_heartbeat_s = now_s + self._settings.heartbeat_interval_ms / 1000
            self._answered(now_s)
            self._condition.notify_all()
        log.debug(
            "Joined the group. group=%s generation=%d member=%s leader=%s protocol=%s",
            self._settings.group_id,
            self._generation,
            self._member_id,
            self._leader,
            self._protocol,
        )
        return Joined(
            self._generation, self._member_id, self._protocol, self.is_leader, assignment
        )

    def _await(self, phase: _Phase) -> None:
        with self._condition:
            self._phase = phase
            self._join_deadline_s = (
                self._clock.monotonic_s()
                + self._settings.rebalance_timeout_ms / 1000
                + _JOIN_GRACE_S
            )

    def _connection(self) -> Connection:
        # The interval bounds how long one attempt may hide that the coordinator is lost.
        return self._link.connection(self._settings.heartbeat_interval_ms / 1000)

    def _end_aborted(self) -> bool:
        with self._condition:
            aborted, self._aborted = self._aborted, False
            if not aborted:
                return False
            self._woken = False
            if self._phase is not _Phase.STABLE:
                self._phase = _Phase.OUT
        self._drop()
        return True

    # What went wrong, from either thread.

    def _step_out(self, pause_s: float = 0.0) -> None:
        with self._condition:
            self._phase = _Phase.OUT
            self._not_before_s = self._clock.monotonic_s() + pause_s

    def _drop(self) -> None:
        with self._link.lock:
            self._link.drop()

    def _answered(self, when_s: float) -> None:
        self._last_answer_s = max(when_s, self._last_answer_s)
        self._trouble_since_s = self._fault = None
        self._backoff_s = 0.0

    def _fence(self, error: int) -> None:
        with self._condition:
            if error == _UNKNOWN_MEMBER:
                self._member_id = ""
            self._leave_generation(GroupEvent.FENCED)

    def _leave_generation(self, event: GroupEvent) -> None:
        """Have the herder stop its work, if it may have any; under the condition."""
        self._phase = _Phase.OUT
        if self._generation == NO_GENERATION:
            return
        self._generation = NO_GENERATION
        self._event = event
        self._condition.notify_all()
        log.warning("Out of the group: %s. group=%s", event.value, self._settings.group_id)

    def _stumble(self, error: RetriableError, *, beating: bool = False) -> None:
        """Back off; once the coordinator has been away for the heartbeat interval, it is lost."""
        with self._condition:
            if beating and self._phase is not _Phase.STABLE:
                return
            now_s = self._clock.monotonic_s()
            if self._trouble_since_s is None:
                self._trouble_since_s = now_s
                log.warning(
                    "The group's coordinator does not answer; trying again. error=%s", error
                )
            self._fault = str(error)
            self._backoff_s = min(
                max(self._backoff_s * 2, _SHORTEST_BACKOFF_S), _LONGEST_BACKOFF_S
            )
            self._not_before_s = self._next_heartbeat_s = now_s + self._backoff_s
            if not beating:
                self._phase = _Phase.OUT
            if now_s - self._trouble_since_s >= self._settings.heartbeat_interval_ms / 1000:
                self._leave_generation(GroupEvent.COORDINATOR_LOST)

    def _give_up(self, error: ConnectError, *, beating: bool = False) -> None:
        """Stop trying for a while; the error needs an operator."""
        with self._condition:
            if beating and self._phase is not _Phase.STABLE:
                return
            self._fault = str(error)
            self._not_before_s = self._clock.monotonic_s() + _BACKOFF_AFTER_FATAL_S
            self._leave_generation(GroupEvent.COORDINATOR_LOST)

    # The heartbeat thread.

    def _start_heartbeat_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, name="group-heartbeat", daemon=True)
            self._thread.start()

    def _beat(self) -> None:
        while True:
            with self._condition:
                while not self._closed and (wait_s := self._until_heartbeat_s()) != 0:
                    self._condition.wait(wait_s)
                if self._closed:
                    return
                absent_s = self._clock.monotonic_s() - self._last_seen_s
                generation = self._generation
            if absent_s > self._settings.rebalance_timeout_ms / 1000:
                self._leave_for_absent_herder(absent_s)
            else:
                self._heartbeat(generation)

    def _until_heartbeat_s(self) -> float | None:
        if self._phase is not _Phase.STABLE:
            return None
        return max(self._next_heartbeat_s - self._clock.monotonic_s(), 0)

    def _heartbeat(self, generation: int) -> None:
        settings = self._settings
        try:
            with self._link.lock:
                if self._generation != generation or self._phase is not _Phase.STABLE:
                    return
                sent_s = self._clock.monotonic_s()
                try:
                    connection = self._connection()
                    _, reader = connection.call(
                        wire.HEARTBEAT,
                        lambda version: wire.heartbeat_request(
                            version, settings.group_id, generation, self._member_id
                        ),
                        settings.request_timeout_s,
                    )
                    error = wire.read_heartbeat(reader)
                    if error not in (_REBALANCE_IN_PROGRESS, _UNKNOWN_MEMBER, _ILLEGAL_GENERATION):
                        raise_for(error, "heartbeat", settings, connection.address)
                except ConnectError:
                    self._link.drop()
                    raise
        except RetriableError as failure:
            if not self._closed:
                self._stumble(failure, beating=True)
        except ConnectError as failure:
            self._give_up(failure, beating=True)
        else:
            self._on_heartbeat(error, generation, sent_s)

    def _on_heartbeat(self, error: int, generation: int, sent_s: float) -> None:
        with self._condition:
            if self._generation != generation or self._phase is not _Phase.STABLE:
                return
            if error in (_UNKNOWN_MEMBER, _ILLEGAL_GENERATION):
                self._fence(error)
                return
            self._answered(sent_s)
            self._next_heartbeat_s = sent_s + self._settings.heartbeat_interval_ms / 1000
            if error == _REBALANCE_IN_PROGRESS and self._rejoin_reason is None:
                self._rejoin_reason = "the group rebalances"
                self._condition.notify_all()

    def _leave_for_absent_herder(self, absent_s: float) -> None:
        log.error(
            "Leaving the group: the herder has not been seen for %.0f s. group=%s",
            absent_s,
            self._settings.group_id,
        )
        with self._condition:
            member_id, self._member_id = self._member_id, ""
            self._leave_generation(GroupEvent.FENCED)
        try:
            self.leave_group(member_id, "herder absent", self._settings.request_timeout_s)
        except ConnectError as error:
            log.warning("Could not tell the group. error=%s", error)
