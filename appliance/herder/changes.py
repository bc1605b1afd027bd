"""ChangeHandler: puts into effect what the config topic and the worker say between rebalances.

What changes the amount of work (connectors, tasks) or the tasks' configurations asks for a rebalance,
after the tasks concerned were stopped here: all of a connector's old tasks must be down before the first
new one starts. Everything else (a connector's configuration, target states, restarts, log levels) is done
in place. Tick thread only.

Semantics: Kafka Connect 4.3.1 DistributedHerder.tick, processConnectorConfigUpdates,
processTaskConfigUpdatesWithIncrementalCooperative, processRestartRequests and reconfigureConnector.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future

from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError, NotFoundError
from appliance.herder.entities import RestartRequest
from appliance.herder.grouprole import GroupRole, work_change
from appliance.herder.herder import JournalSink
from appliance.herder.inbox import (
    Changes,
    Inbox,
    ReconfigurationEvent,
    StateEvent,
    TopicEvent,
    WorkerEvent,
)
from appliance.herder.lifecycle import Lifecycle, Runner
from appliance.herder.restart import plan_restart
from appliance.herder.tick import Tick
from appliance.herder.views import TypeOf, connector_state
from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.storage.snapshot import ClusterConfigState
from appliance.storage.statuses import Name
from appliance.storage.stores import Stores

log = logging.getLogger("org.apache.kafka.connect.runtime.distributed.DistributedHerder")

Publish = Callable[[str, Sequence[Mapping[str, str]]], Future[None]]

FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 60.0


class ChangeHandler:
    """Takes the inbox's notes; `publish` brings new task configurations into the config topic."""

    def __init__(
        self,
        config: WorkerConfig,
        stores: Stores,
        worker: Runner,
        inbox: Inbox,
        role: GroupRole,
        lifecycle: Lifecycle,
        tick: Tick,
        journal: JournalSink | None,
        *,
        type_of: TypeOf,
        set_log_level: Callable[[str, str], None],
        publish: Publish,
    ) -> None:
        self._tracks_topics = config.flag("topic.tracking.enable")
        self._stores = stores
        self._worker = worker
        self._inbox = inbox
        self._role = role
        self._lifecycle = lifecycle
        self._tick = tick
        self._journal = journal
        self._type_of = type_of
        self._set_log_level = set_log_level
        self._publish = publish
        self.on_connector: Callable[[StateEvent], None] = _ignore
        """Hears of a connector that failed, rests, or has its tasks' configurations written."""

    def take_events(self) -> None:
        """Take what the worker said."""
        for event in self._inbox.take_events():
            self._take(event)

    def _take(self, event: WorkerEvent) -> None:
        match event:
            case StateEvent():
                if self._lifecycle.take(event) and isinstance(event.name, str):
                    if event.state is State.RUNNING:
                        self.reconfigure(event.name)
                    elif event.state is not State.RESTARTING:
                        self.on_connector(event)
            case ReconfigurationEvent():
                self.reconfigure(event.connector)
            case TopicEvent():
                if self._tracks_topics:
                    self._stores.statuses.put_topic(event.topic, event.id)

    def take_changes(self) -> None:
        """Take what the config topic said; only while assigned work runs here."""
        changes = self._inbox.take_changes()
        if changes is None:
            return
        role, lifecycle = self._role, self._lifecycle
        role.state = state = self._stores.configs.snapshot()
        for logger, level in changes.log_levels.items():
            self._set_log_level(logger, level)
            self._worker.set_log_level(logger, level)
        self._record_revisions(changes, state)
        stale = [
            task
            for task in lifecycle.tasks
            if task.connector in changes.tasks and not lifecycle.is_current(task, state)
        ]
        if stale:
            with self._tick.doing("stopping tasks whose configuration has changed"):
                self.stop(stale)
        cause = work_change(self._tick.settled_state, state)
        if stale or cause:
            self._tick.rejoin(cause or "the configuration has changed")
        for name in sorted(changes.updated):
            if lifecycle.runs(name) and not lifecycle.is_current(name, state):
                with self._tick.doing(f"restarting connector {name}"):
                    self.restart_connector(name)
        for name in sorted(changes.targets):
            if state.contains(name):
                lifecycle.set_target(name, state.target_state(name))
        for request in changes.restarts.values():
            self._restart(request, state)

    def rest(self) -> None:
        """Let what is to pause or stop do so while the group still forms: that needs no other worker.

        The notes stay: what is started meanwhile has its target from the assignment's configuration.
        """
        names = self._inbox.noted_targets()
        if not names:
            return
        state = self._stores.configs.snapshot()
        for name in sorted(names):
            target = state.target_state(name)
            if state.contains(name) and target is not TargetState.STARTED:
                self._lifecycle.set_target(name, target)

    def _record_revisions(self, changes: Changes, state: ClusterConfigState) -> None:
        if self._journal is None or not self._tick.member.is_leader:
            return
        for name in sorted(changes.updated | changes.removed):
            self._journal.revision(name, state.config(name))

    # Stopping and starting.

    def stop(self, names: Collection[Name]) -> None:
        """Stop, and drop what is still said about the instances that ended."""
        self._lifecycle.stop(names)
        self.take_events()

    def restart_connector(self, name: str) -> Future[State]:
        """Stop and start a connector that was assigned to this worker; gives its state when it runs."""
        self.stop([name])
        return self._lifecycle.start_connector(name, self._stores.configs.snapshot())

    def restart_tasks(self, ids: Collection[ConnectorTaskId]) -> None:
        """Stop and start tasks that were assigned to this worker."""
        self.stop(ids)
        for task in ids:
            self._lifecycle.mark_restarting(task)
            self._tick.start_task(task)

    def watch_leases(self) -> None:
        """Restart, now and again, what stands on values of config providers that have changed."""
        period_s = self._worker.shortest_lease_s
        if period_s is None:
            return

        def step() -> None:
            self.watch_leases()
            expired = [n for n in self._worker.expired_leases() if self._lifecycle.runs(n)]
            if not expired:
                return
            tasks = [name for name in expired if isinstance(name, ConnectorTaskId)]
            with self._tick.doing("restarting what stands on changed values of config providers"):
                for name in expired:
                    if isinstance(name, str):
                        self.restart_connector(name)
                self.restart_tasks(tasks)

        self._tick.requests.submit(step, delay_s=period_s / 2)

    def _restart(self, request: RestartRequest, state: ClusterConfigState) -> None:
        try:
            info = connector_state(state, self._stores.statuses, request.connector, self._type_of)
        except NotFoundError:
            log.info("Nothing to restart: it has no status. connector=%s", request.connector)
            return
        plan, work = plan_restart(request, info), self._role.work
        connector = plan.connector and request.connector in work.connectors
        tasks = [task for task in plan.tasks if task in work.tasks]
        if not connector and not tasks:
            return
        log.info("Restarting. connector=%s instance=%s tasks=%d", info.name, connector, len(tasks))
        with self._tick.doing(f"restarting connector {info.name} and {len(tasks)} of its tasks"):
            if connector:
                self.stop([info.name])
                self._lifecycle.mark_restarting(info.name)
                self._lifecycle.start_connector(info.name, state)
            self.restart_tasks(tasks)

    # Task configurations.

    def reconfigure(self, name: str, retry_s: float = FIRST_RETRY_S) -> None:
        """Ask a connector for its tasks' configurations and publish them when they differ."""
        state = self._stores.configs.snapshot()
        config = state.config(name)
        running = self._lifecycle.state_of(name) is State.RUNNING
        if config is None or not running or state.target_state(name) is not TargetState.STARTED:
            return
        try:
            most = int(config.get("tasks.max") or 1)
        except ValueError:
            most = 1  # refused at start already when a provider's value is no number

        def asked(answer: Future[list[dict[str, str]]]) -> None:
            self._tick.requests.submit(lambda: self._compare(name, answer, retry_s), anytime=True)

        self._worker.connector_task_configs(name, most).add_done_callback(asked)

    def _compare(self, name: str, answer: Future[list[dict[str, str]]], retry_s: float) -> None:
        error = answer.exception()
        if error is not None:
            self._try_again(name, error, retry_s)
            return
        configs = answer.result()
        state = self._stores.configs.snapshot()
        if not state.contains(name) or state.target_state(name) is TargetState.STOPPED:
            return
        if (
            list(state.task_configs(name)) == configs
            and state.applied_configs.get(name) == state.config(name)
            and name not in state.inconsistent
        ):
            self.on_connector(StateEvent(name, State.RUNNING, None, None))
            return
        log.info("Writing task configurations. connector=%s tasks=%d", name, len(configs))

        def published(done: Future[None]) -> None:
            self._tick.requests.submit(lambda: self._published(name, done, retry_s), anytime=True)

        self._publish(name, configs).add_done_callback(published)

    def _published(self, name: str, done: Future[None], retry_s: float) -> None:
        error = done.exception()
        if error is not None:
            self._try_again(name, error, retry_s)
        else:
            self.on_connector(StateEvent(name, State.RUNNING, None, None))

    def _try_again(self, name: str, error: BaseException, retry_s: float) -> None:
        if self._lifecycle.state_of(name) is not State.RUNNING:
            self.on_connector(StateEvent(name, State.FAILED, str(error), None))
            return
        log.error(
            "Task configurations could not be made; trying again. connector=%s in_s=%g error=%s",
            name,
            retry_s,
            error if isinstance(error, ConnectError) else repr(error),
        )
        self._tick.requests.submit(
            lambda: self.reconfigure(name, min(retry_s * 2, LONGEST_RETRY_S)),
            delay_s=retry_s,
            anytime=True,
        )


def _ignore(event: StateEvent) -> None:
    """Tell nobody."""
