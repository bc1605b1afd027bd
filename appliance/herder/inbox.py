"""Inbox: notes of what log and worker threads tell, kept until the tick takes them.

It is the listener of the config store and of the worker, and is made before both.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence

from appliance.herder.entities import RestartRequest
from appliance.herder.restart import wider
from appliance.ids import ConnectorTaskId, State
from appliance.storage.snapshot import SessionKey


@dataclasses.dataclass(slots=True)
class Changes:
    """What the config topic said since the last time; several requests to restart became the widest."""

    updated: set[str] = dataclasses.field(default_factory=set)
    removed: set[str] = dataclasses.field(default_factory=set)
    tasks: set[str] = dataclasses.field(default_factory=set)
    targets: set[str] = dataclasses.field(default_factory=set)
    restarts: dict[str, RestartRequest] = dataclasses.field(default_factory=dict)
    log_levels: dict[str, str] = dataclasses.field(default_factory=dict)
    session_key: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class StateEvent:
    """A connector or task of this worker is in a new state."""

    name: str | ConnectorTaskId
    state: State
    trace: str | None
    version: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class ReconfigurationEvent:
    """A connector wants its task configurations taken again."""

    connector: str


@dataclasses.dataclass(frozen=True, slots=True)
class TopicEvent:
    """A task uses a topic for the first time since it started."""

    id: ConnectorTaskId
    topic: str


WorkerEvent = StateEvent | ReconfigurationEvent | TopicEvent


class Inbox:
    """A ConfigListener and WorkerListener; written on any thread, taken on the tick's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: Changes | None = None
        self._events: list[WorkerEvent] = []
        self._wake: Callable[[], None] = _sleep_on

    def wake_with(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever something arrives."""
        self._wake = wake

    def take_changes(self) -> Changes | None:
        """Give what the config topic said, None when it was silent."""
        with self._lock:
            changes, self._changes = self._changes, None
        return changes

    def noted_targets(self) -> set[str]:
        """Give the connectors whose target state has changed; the notes stay."""
        with self._lock:
            return set() if self._changes is None else set(self._changes.targets)

    def take_events(self) -> list[WorkerEvent]:
        """Give what the worker said, in order."""
        with self._lock:
            events, self._events = self._events, []
        return events

    # the config topic

    def on_connector_updated(self, name: str) -> None:
        """Note a written configuration."""
        self._note(lambda changes: changes.updated.add(name))

    def on_connector_removed(self, name: str) -> None:
        """Note a deleted connector."""
        self._note(lambda changes: changes.removed.add(name))

    def on_tasks_updated(self, connector: str, ids: Sequence[ConnectorTaskId]) -> None:
        """Note a committed set of tasks."""
        self._note(lambda changes: changes.tasks.add(connector))

    def on_target_state_changed(self, name: str) -> None:
        """Note a new target state."""
        self._note(lambda changes: changes.targets.add(name))

    def on_session_key(self, key: SessionKey) -> None:
        """Note a new session key."""

        def note(changes: Changes) -> None:
            changes.session_key = True

        self._note(note)

    def on_restart_requested(self, connector: str, only_failed: bool, include_tasks: bool) -> None:
        """Note a request to restart."""
        request = RestartRequest(connector, only_failed, include_tasks)

        def note(changes: Changes) -> None:
            known = changes.restarts.get(connector, request)
            changes.restarts[connector] = wider(known, request)

        self._note(note)

    def on_log_level(self, name: str, level: str) -> None:
        """Note a logger's new level."""
        self._note(lambda changes: changes.log_levels.update({name: level}))

    # the worker

    def on_connector_state(
        self, name: str, state: State, trace: str | None, version: str | None
    ) -> None:
        """Note a connector's state."""
        self._tell(StateEvent(name, state, trace, version))

    def on_task_state(
        self, id: ConnectorTaskId, state: State, trace: str | None, version: str | None
    ) -> None:
        """Note a task's state."""
        self._tell(StateEvent(id, state, trace, version))

    def on_reconfiguration_requested(self, connector: str) -> None:
        """Note that a connector wants other tasks."""
        self._tell(ReconfigurationEvent(connector))

    def on_topic_used(self, id: ConnectorTaskId, topic: str) -> None:
        """Note that a task uses a topic."""
        self._tell(TopicEvent(id, topic))

    def _note(self, note: Callable[[Changes], object]) -> None:
        with self._lock:
            if self._changes is None:
                self._changes = Changes()
            note(self._changes)
        self._wake()

    def _tell(self, event: WorkerEvent) -> None:
        with self._lock:
            self._events.append(event)
        self._wake()


def _sleep_on() -> None:
    """Wake nobody: there is no tick yet."""
