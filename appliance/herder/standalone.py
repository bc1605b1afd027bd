"""StandaloneHerder: the one worker of a group of one, with everything but offsets in memory.

A configuration write is answered when its connector has started and its tasks are configured, or with
the reason why it did not start (it then stays, FAILED).

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.runtime.standalone.StandaloneHerder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from appliance.errors import ConnectError, NotFoundError
from appliance.herder.abstract import AbstractHerder, HerderContext, done
from appliance.herder.entities import ConnectorInfo, Created, InternalSignature
from appliance.herder.grouprole import GroupRole
from appliance.herder.inbox import StateEvent
from appliance.herder.protocol import ConnectProtocol
from appliance.herder.views import connector_info
from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.kafka.membership import Membership, SoloMember
from appliance.storage.snapshot import SessionKey


class StandaloneHerder(AbstractHerder):
    """A `Herder` that always leads."""

    def __init__(self, context: HerderContext, worker_id: str) -> None:
        role = GroupRole(context.stores.configs, "", ConnectProtocol.COMPATIBLE, 0, context.clock)
        super().__init__(context, role, worker_id, session_timeout_s=None)
        self._written: dict[str, tuple[bool, Future[Created]]] = {}
        self._changes.on_connector = self._on_connector

    def _new_member(self) -> Membership:
        return SoloMember(self._role)

    def _require_leader(self, what: str) -> None:
        """Do nothing: there is nobody else to lead."""

    def _require_owner(self, name: str | ConnectorTaskId, what: str) -> None:
        """Do nothing: all work is this worker's."""

    def _on_turn(self) -> None:
        self._changes.take_events()
        if self._tick.settled:
            self._changes.take_changes()

    def _publish_tasks(self, name: str, configs: Sequence[Mapping[str, str]]) -> Future[None]:
        self._stores.configs.put_task_configs(name, configs)
        return done(None)

    def _before_offsets_change(self, name: str) -> Future[None]:
        return done(None)

    # Writes that wait for the start.

    def _put(
        self,
        name: str,
        config: Mapping[str, str | None],
        target: TargetState | None,
        *,
        allow_replace: bool,
    ) -> Future[Created]:
        created = super()._put(name, config, target, allow_replace=allow_replace)
        assert isinstance(created, Created)  # noqa: S101 - narrows for mypy
        earlier = self._written.pop(name, None)
        answer: Future[Created] = Future()
        self._written[name] = (created.created, answer)
        if earlier is not None:
            earlier[1].set_result(Created(earlier[0], self._info(name)))
        return answer

    def _info(self, name: str) -> ConnectorInfo:
        return connector_info(self._known, name, self._type_of)

    def _on_connector(self, event: StateEvent) -> None:
        name = str(event.name)
        written = self._written.pop(name, None)
        if written is None:
            return
        created, answer = written
        if event.state is not State.FAILED:
            answer.set_result(Created(created, self._info(name)))
            return
        trace = event.trace or "no trace"
        # One that failed before its class ran has no version yet, and says why itself.
        text = f"Failed to transition connector {name} to state STARTED"
        failed = ConnectError(_reason(trace) if event.version is None else text)
        failed.__cause__ = ConnectError(trace)
        answer.set_exception(failed)

    def delete_connector(self, name: str) -> Future[None]:
        """Remove a connector; its offsets stay. NotFoundError."""

        def deleted(_: Future[None]) -> None:
            self._tick.requests.submit(lambda: self._forget(name), anytime=True)

        answer = super().delete_connector(name)
        answer.add_done_callback(deleted)
        return answer

    # Names that nobody has: clean answers where Java's worker stumbles.

    def stop_connector(self, name: str) -> Future[None]:
        """Take its tasks away. NotFoundError."""
        return self._refused_unknown(name) or super().stop_connector(name)

    def restart_connector(self, name: str) -> Future[None]:
        """Restart the Connector instance; completes when it runs again. NotFoundError."""
        return self._refused_unknown(name) or super().restart_connector(name)

    def restart_task(self, id: ConnectorTaskId) -> Future[None]:
        """Restart one task. NotFoundError."""
        known = self._known
        if known.contains(id.connector) and id not in known.tasks(id.connector):
            return _failed(NotFoundError(f"Task {id} not found"))
        return self._refused_unknown(id.connector) or super().restart_task(id)

    def _refused_unknown(self, name: str) -> Future[None] | None:
        if self._known.contains(name):
            return None
        return _failed(NotFoundError(f"Connector {name} not found"))

    def _forget(self, name: str) -> None:
        written = None if self._known.contains(name) else self._written.pop(name, None)
        if written is not None:
            written[1].set_exception(NotFoundError(f"Connector {name} not found"))

    # What needs other workers.

    @property
    def session_key(self) -> SessionKey | None:
        """Give None: there is nobody to sign for."""
        return None

    def put_task_configs(
        self, name: str, configs: Sequence[Mapping[str, str]], signature: InternalSignature
    ) -> Future[None]:
        """Refuse: there is no other worker that could send them."""
        return _failed(
            ConnectError(
                "Kafka Connect in standalone mode does not support externally setting task "
                "configurations."
            )
        )

    def fence_zombies(self, name: str, signature: InternalSignature) -> Future[None]:
        """Refuse: exactly-once sources need a group."""
        return _failed(
            ConnectError(
                "Kafka Connect in standalone mode does not support exactly-once source connectors."
            )
        )


def _failed(error: ConnectError) -> Future[None]:
    answer: Future[None] = Future()
    answer.set_exception(error)
    return answer


def _reason(trace: str) -> str:
    """Give the message of a trace's first error, without its class."""
    first = re.split(r"\n(?:\tat |Caused by: )", trace.rstrip("\n"), maxsplit=1)[0]
    return first.partition(": ")[2] or first
