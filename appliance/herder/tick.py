"""Tick: the one thread that decides: membership, assignments, changes, requests.

Each turn: be a member of the group; once an assignment is there, catch up with its config offset and start
what it gives; then run requests and apply what the config topic says; then wait for the group, a request,
a note in the inbox or the next thing due. Work that is revoked, or that the group went on without, is
stopped before this worker joins again. A second thread renews the tasks' lease, so that a turn that
takes long (stopping work, writing to a slow broker) does not stop them.

Semantics: Kafka Connect 4.3.1 DistributedHerder.tick, handleRebalanceCompleted and its listeners.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

from appliance.clock import Clock
from appliance.errors import ConnectError, RetriableError
from appliance.herder.entities import Stage
from appliance.herder.grouprole import GroupRole, work_change
from appliance.herder.herder import JOINING, UNSAID, JournalSink
from appliance.herder.inbox import Inbox
from appliance.herder.lifecycle import Lifecycle
from appliance.herder.protocol import Assignment, ConnectProtocol, Work
from appliance.herder.rebalances import RebalanceFigures
from appliance.herder.requests import RequestQueue
from appliance.ids import ConnectorTaskId
from appliance.kafka.membership import GroupEvent, Joined, Membership
from appliance.storage.snapshot import ClusterConfigState
from appliance.storage.stores import Stores

log = logging.getLogger("org.apache.kafka.connect.runtime.distributed.DistributedHerder")

TURN_S = 1.0
FIRST_PAUSE_S = 0.1
START_TIMEOUT_S = 30.0
LEASE_SHARE = 0.7
"""The part of the session that a task may go on without a good heartbeat of its worker."""


@dataclasses.dataclass(slots=True)
class _Rebalance:
    """An assignment that is being put into effect, for the journal."""

    joined: Joined
    assignment: Assignment
    cause: str
    started_s: float
    changed: str = ""


class Tick:
    """The tick thread; `on_settled`, `on_turn` and `on_leading` are the herder's part of a turn."""

    def __init__(
        self,
        stores: Stores,
        role: GroupRole,
        lifecycle: Lifecycle,
        inbox: Inbox,
        clock: Clock,
        journal: JournalSink | None,
        session_timeout_s: float | None,
        on_turn: Callable[[], None],
        on_failure: Callable[[ConnectError], None],
    ) -> None:
        self.requests = RequestQueue(clock, self.wake)
        self.settled_state = ClusterConfigState()
        """The configuration that the last assignment was made from."""
        self.topics_read = False
        self.started = False
        self.ticked_s = clock.monotonic_s()
        """When the tick began its present step; none takes longer than 30 s and the time to stop tasks."""
        self._ident = 0
        self.stage: Stage | None = None
        self.delay_until_ms: int | None = None
        self.start_task: Callable[[ConnectorTaskId], None] = self._start_task
        self._stores = stores
        self._role = role
        self._lifecycle = lifecycle
        self._inbox = inbox
        self._clock = clock
        self._journal = journal
        self._session_timeout_s = session_timeout_s
        self._on_turn = on_turn
        self._on_failure = on_failure
        self.rebalances = RebalanceFigures(clock)
        self._member: Membership | None = None
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._rebalance: _Rebalance | None = None
        self._rejoin_cause = JOINING
        self._settled = False
        self._settled_once = False
        self._threads: list[threading.Thread] = []
        inbox.wake_with(self.wake)

    @property
    def has_member(self) -> bool:
        """Tell whether `start` was called."""
        return self._member is not None

    @property
    def member(self) -> Membership:
        """Give the membership."""
        assert self._member is not None  # noqa: S101 - joined by now
        return self._member

    @property
    def settled(self) -> bool:
        """Tell whether the work assigned runs here and nothing is expected to change that."""
        return self._settled and self.member.stable

    def start(self, member: Membership) -> None:
        """Begin."""
        self._member = member
        self._role.join_as(member)
        self._set_stage("awaiting startup")
        self._spawn("herder", self._run)
        if self._session_timeout_s is not None:
            self._spawn("herder-lease", self._renew_leases)

    def stop(self, timeout_s: float) -> None:
        """Stop the work, leave the group, end the threads."""
        self._stopping.set()
        self.member.abort()
        for thread in self._threads:
            thread.join(timeout_s)

    def wake(self) -> None:
        """End the present wait; any thread."""
        if self._member is not None:
            self._member.wake()

    def rejoin(self, cause: str) -> None:
        """Ask for a rebalance."""
        log.info("Rebalance started. cause=%s", cause)
        self._rejoin_cause = cause
        self.member.request_rejoin(cause)

    def expect(self, cause: str) -> None:
        """Name the cause of a rebalance that is about to come; any thread."""
        self._rejoin_cause = cause

    def progressed(self) -> None:
        """Note that the tick begins another step; what other threads do is none of its."""
        if threading.get_ident() == self._ident:
            self.ticked_s = self._clock.monotonic_s()

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what the tick does meanwhile, for the text of a time-out."""
        self.progressed()
        started_ms = self._clock.now_ms()
        self.stage = Stage(what, started_ms)
        try:
            yield
        finally:
            self.stage = Stage(what, started_ms, self._clock.now_ms())

    # The thread.

    def _run(self) -> None:
        self._ident = threading.get_ident()
        try:
            if not self._start_up():
                return
            while not self._stopping.is_set():
                self._turn_safely()
            self._wind_down()
        finally:
            self.requests.close()
            self._ended.set()

    def _start_up(self) -> bool:
        pause_s = FIRST_PAUSE_S
        with self.doing("initializing and reading to the end of internal topics"):
            while not self._stopping.is_set():
                # trying again is progress: a broker that is away must not have the daemon killed
                self.progressed()
                try:
                    self._stores.logs.start(START_TIMEOUT_S)
                    break
                except RetriableError as error:
                    log.warning("Cannot start yet; trying again. error=%s", error)
                    self._clock.wait(self._stopping, pause_s)
                    pause_s = min(pause_s * 2, TURN_S)
                except ConnectError as error:
                    log.error("The worker cannot start. error=%s", error)
                    self._on_failure(error)
                    return False
        if not self._stopping.is_set():
            self._stores.configs.go_live()
            self._role.state = self._stores.configs.snapshot()
            self.topics_read = True
        return True

    def _turn_safely(self) -> None:
        try:
            self._turn()
        except Exception as error:
            # What the member raises needs an operator and is said there; anything else is a defect of
            # ours or an internal topic that cannot be written: the next turn starts afresh.
            if isinstance(error, ConnectError):
                log.error("A turn of the herder failed. error=%s", error)
            else:
                log.exception("A turn of the herder failed.")
            self._clock.wait(self._stopping, TURN_S)

    def _turn(self) -> None:
        with self.doing("ensuring membership in the cluster"):
            joined = self.member.ensure_active(TURN_S)
        if self._stopping.is_set():
            return
        if joined is not None:
            self._on_joined(joined)
        if self._rebalance is not None:
            self._settle(self._rebalance)
        if self.settled:
            self.started = True
        self._on_turn()
        self.requests.run_due(settled=self.settled)
        self._stores.statuses.retry()
        wait_s = self._wait_s()
        with self.doing(
            f"polling the group coordinator for up to {round(wait_s * 1000)}ms or until interrupted"
        ):
            event = self.member.poll(wait_s)
        self._on_event(event)

    def _wait_s(self) -> float:
        waits = [TURN_S]
        due_s = self.requests.next_due_s(settled=self.settled)
        if due_s is not None:
            waits.append(due_s)
        if self.delay_until_ms is not None:
            waits.append(max((self.delay_until_ms - self._clock.now_ms()) / 1000, 0.0))
        return min(waits)

    def _on_event(self, event: GroupEvent) -> None:
        if event is GroupEvent.REJOIN and self._role.protocol is ConnectProtocol.EAGER:
            self._lifecycle.stop_all()
            self._settled = False
        elif event in (GroupEvent.FENCED, GroupEvent.COORDINATOR_LOST):
            # Stop first and tell nothing: whoever has the work now also has the say about it.
            log.warning("Stopping all work: %s.", event.value)
            with self.doing("stopping all work after losing the group"):
                self._lifecycle.stop_all(report=False)
            self._stores.statuses.purge()
            self._role.forget_work()
            self._rebalance, self._settled, self.delay_until_ms = None, False, None
            self._rejoin_cause = f"this worker was out of the group: {event.value}"
        if self.delay_until_ms is not None and self._clock.now_ms() >= self.delay_until_ms:
            self.delay_until_ms = None
            self.rejoin("the delay for lost workers is over")

    # Rebalances.

    def _on_joined(self, joined: Joined) -> None:
        assignment = self._role.take(joined)
        self._lifecycle.generation = joined.generation
        self._rebalance = _Rebalance(
            joined, assignment, self._rejoin_cause, self._clock.monotonic_s()
        )
        self._rejoin_cause = UNSAID
        self._settled = False
        self.delay_until_ms = (
            self._clock.now_ms() + assignment.delay_ms if assignment.delay_ms > 0 else None
        )
        log.info(
            "Joined group. generation=%d leader=%s offset=%d assigned=%s revoked=%s delay_ms=%d",
            joined.generation,
            assignment.leader_url,
            assignment.config_offset,
            _texts(self._role.work),
            _texts(assignment.revoked),
            assignment.delay_ms,
        )
        # a worker that was out of the group has a lapsed one, with which its tasks would stop at once
        self._renew_lease()
        with self.doing("stopping revoked connectors and tasks"):
            revoked = assignment.revoked
            self._lifecycle.stop([*revoked.connectors, *revoked.tasks])
        if joined.is_leader:
            self._forget_deleted()

    def _forget_deleted(self) -> None:
        """Delete the statuses of what no longer exists; only now have its last owners stopped it."""
        state, statuses = self._stores.configs.snapshot(), self._stores.statuses
        for name in statuses.names():
            if isinstance(name, str):
                if not state.contains(name):
                    statuses.remove(name)
            elif name not in state.tasks(name.connector):
                statuses.remove(name)
        if self._session_timeout_s is None:
            return  # alone: as in Java, the topics of what is deleted stay until they are reset
        for connector in statuses.tracked_connectors():
            if not state.contains(connector):
                statuses.reset_topics(connector)

    def _settle(self, rebalance: _Rebalance) -> None:
        """Catch up with the assignment's configuration and start its work, or join again."""
        assignment, role = rebalance.assignment, self._role
        again: str | None = None
        behind = role.state.offset < assignment.config_offset
        if assignment.failed:
            again = "the leader had not read as much of the config topic as a member"
            behind = behind or rebalance.joined.is_leader
        if behind:
            with self.doing("reading to the end of the config topic"):
                if not role.refresh():
                    again = "the config topic could not be read to its end in time"
        if again is None and role.state.offset != assignment.config_offset:
            again = "the configuration has changed since the assignment was made"
        if again is not None:
            self._rebalance = None
            self.rejoin(again)
            # this one comes to nothing: its cause is that of the next
            self._rejoin_cause = rebalance.cause
            return
        if self._settled_once:
            rebalance.changed = work_change(self.settled_state, role.state)
        self._settled_once = True
        self._start_work(assignment)
        self._rebalance, self._settled = None, True
        self._record(rebalance)
        if assignment.revoked:
            self.rejoin("work that was revoked here can be given to another worker")

    def _start_work(self, assignment: Assignment) -> None:
        role, lifecycle = self._role, self._lifecycle
        work = role.work
        wanted = {*work.connectors, *work.tasks}
        running: list[str | ConnectorTaskId] = [*lifecycle.connectors, *lifecycle.tasks]
        lifecycle.stop(
            [
                name
                for name in running
                if name not in wanted or not lifecycle.is_current(name, role.state)
            ]
        )
        self.settled_state = role.state
        log.info("Starting connectors and tasks using config offset %d", assignment.config_offset)
        with self.doing("starting assigned connectors and tasks"):
            for name in work.connectors:
                if not lifecycle.runs(name):
                    lifecycle.start_connector(name, role.state)
            for task in work.tasks:
                if not lifecycle.runs(task):
                    self.start_task(task)

    def _start_task(self, id: ConnectorTaskId) -> None:
        self._lifecycle.start_task(id, self._role.state)

    def _record(self, rebalance: _Rebalance) -> None:
        took_ms = round((self._clock.monotonic_s() - rebalance.started_s) * 1000)
        self.rebalances.completed(took_ms)
        standstill, self._lifecycle.standstill_ms = self._lifecycle.standstill_ms, {}
        if self._journal is None:
            return
        joined, assignment, round_ = rebalance.joined, rebalance.assignment, self._role.last_round
        event: dict[str, Any] = {
            "generation": joined.generation,
            "leader_url": assignment.leader_url,
            "is_leader": joined.is_leader,
            "cause": rebalance.cause,
            "changed": rebalance.changed,
            "started_ms": self._clock.now_ms() - took_ms,
            "took_ms": took_ms,
            "assigned": _texts(assignment.work),
            "revoked": _texts(assignment.revoked),
            "delay_ms": assignment.delay_ms,
            "standstill_ms": standstill,
        }
        connectors = {*assignment.work.connectors, *assignment.revoked.connectors}
        if joined.is_leader and round_ is not None:
            event["lost"] = _texts(round_.lost)
            event["owned"] = {
                self._role.workers.get(member, member): _texts(work)
                for member, work in round_.owned.items()
            }
            connectors.update(round_.lost.connectors)
            for work in round_.owned.values():
                connectors.update(work.connectors)
        event["connectors"] = sorted(connectors)
        self._journal.rebalance(event)

    # The end, and the lease.

    def _wind_down(self) -> None:
        with self.doing("stopping all work before leaving the group"):
            self._lifecycle.stop_all()
        self._stores.logs.flush(TURN_S)
        self.member.leave("worker is shutting down", 2.0)
        self.member.close()
        log.info("Herder stopped.")

    def _renew_leases(self) -> None:
        session_s = self._session_timeout_s or 0.0
        while not self._ended.is_set():
            self._renew_lease()
            self._clock.wait(self._ended, max(session_s / 5, 0.2))

    def _renew_lease(self) -> None:
        if self._session_timeout_s is not None:
            lasts_s = self._session_timeout_s * LEASE_SHARE - self.member.silence_s
            self._lifecycle.worker.lease(self._clock.monotonic_s() + lasts_s)

    def _spawn(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _set_stage(self, what: str) -> None:
        self.stage = Stage(what, self._clock.now_ms())


def _texts(work: Work) -> list[str]:
    return [*work.connectors, *(str(task) for task in work.tasks)]
