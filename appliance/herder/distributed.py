"""DistributedHerder: a worker among others, in a group on the broker.

The leader alone writes connector and task configurations; a worker whose connector wants other tasks
sends their configurations to it. Requests between workers are signed with a key that the leader keeps
fresh in the config topic. With exactly-once support, the producers of a source's earlier tasks are fenced
by the leader before later ones start.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.runtime.distributed.DistributedHerder.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from urllib.parse import quote

import orjson

from appliance.errors import (
    BadRequestError,
    ConnectError,
    NotAssignedError,
    NotFoundError,
    NotLeaderError,
)
from appliance.herder.abstract import AbstractHerder, HerderContext, done
from appliance.herder.entities import InternalSignature
from appliance.herder.grouprole import REFRESH_S, GroupRole
from appliance.herder.herder import InternalClient
from appliance.herder.protocol import ConnectProtocol
from appliance.herder.requests import chain
from appliance.herder.signatures import is_stale, new_session_key, sign, verify
from appliance.ids import ConnectorTaskId, TargetState
from appliance.kafka.coordinator import GroupSettings
from appliance.kafka.group import GroupMember
from appliance.kafka.membership import Membership
from appliance.storage.snapshot import SessionKey

log = logging.getLogger("org.apache.kafka.connect.runtime.distributed.DistributedHerder")


class DistributedHerder(AbstractHerder):
    """A `Herder`; `url` is this worker's address as others call it, `http://host:port/`."""

    def __init__(self, context: HerderContext, url: str, client: InternalClient) -> None:
        config = context.config
        worker_id = url.rsplit("://", maxsplit=1)[-1].rstrip("/")
        self._settings = GroupSettings.from_config(config.originals, worker_id)
        role = GroupRole(
            context.stores.configs,
            url,
            ConnectProtocol.from_config(config.text("connect.protocol")),
            config.number("scheduled.rebalance.max.delay.ms"),
            context.clock,
        )
        super().__init__(context, role, worker_id, self._settings.session_timeout_ms / 1000)
        self._client = client
        self._on_joining = context.on_joining
        self._claimed_generation = -1
        self._fencing: dict[str, Future[None]] = {}
        self._tick.start_task = self._start_task

    def _new_member(self) -> Membership:
        return GroupMember(self._settings, self._role, self._clock, self._on_joining)

    # Leadership.

    @property
    def _leads(self) -> bool:
        return self._tick.member.is_leader

    def _require_leader(self, what: str) -> None:
        if not self._leads:
            raise NotLeaderError(what, self._role.leader_url)

    def _require_owner(self, name: str | ConnectorTaskId, what: str) -> None:
        work = self._role.work
        if name in work.connectors or name in work.tasks:
            return
        if self._leads:
            raise NotAssignedError(what, self._role.owner_url(name))
        raise NotLeaderError(what, self._role.leader_url)

    def _on_turn(self) -> None:
        self._changes.take_events()
        if not self._tick.settled:
            self._changes.rest()
            return
        if self._leads:
            self._lead()
        self._changes.take_changes()

    def _lead(self) -> None:
        """Do what a leader owes the group."""
        generation = self._tick.member.generation
        if self._claimed_generation != generation:
            with self._tick.doing("claiming the right to write to the config topic"):
                self._stores.configs.claim()
            self._claimed_generation = generation
        if self._role.protocol is ConnectProtocol.SESSIONED:
            self._keep_session_key()

    def _keep_session_key(self) -> None:
        config, now_ms = self._config, self._clock.now_ms()
        algorithm = config.text("inter.worker.key.generation.algorithm")
        ttl_ms = config.number("inter.worker.key.ttl.ms")
        if is_stale(self._known.session_key, algorithm, ttl_ms, now_ms):
            size = config["inter.worker.key.size"]
            with self._tick.doing("writing a session key to the config topic"):
                self._stores.configs.put_session_key(new_session_key(algorithm, size, now_ms))

    # Requests between workers.

    @property
    def session_key(self) -> SessionKey | None:
        """Give the key that the group's workers sign with, None where there is none; any thread."""
        return self._known.session_key

    def _publish_tasks(self, name: str, configs: Sequence[Mapping[str, str]]) -> Future[None]:
        if self._leads:
            with self._tick.doing(f"writing task configs for connector {name}"):
                self._stores.configs.put_task_configs(name, configs)
            return done(None)
        body = orjson.dumps([dict(config) for config in configs])
        return self._ask_leader("POST", f"connectors/{quote(name, safe='')}/tasks", body)

    def _ask_leader(self, method: str, path: str, body: bytes) -> Future[None]:
        """Send a signed request to the leader, on a thread that may block."""
        url, key = self._role.leader_url, self._known.session_key
        if url is None:
            raise ConnectError(f"sending {method} {path} to the leader: it is not known yet")
        headers = {"Content-Type": "application/json"}
        if self._role.protocol is ConnectProtocol.SESSIONED:
            if key is None:
                raise ConnectError(f"sending {method} {path} to the leader: there is no key yet")
            algorithm = self._config.text("inter.worker.signature.algorithm")
            headers.update(sign(key, algorithm, body))
        return self._threads.submit(
            self._client, method, f"{url.rstrip('/')}/{path}", body, headers
        )

    def _verify(self, signature: InternalSignature) -> None:
        if self._role.protocol is ConnectProtocol.SESSIONED:
            accepted = self._config["inter.worker.verification.algorithms"]
            verify(signature, self._known.session_key, accepted)

    def put_task_configs(
        self, name: str, configs: Sequence[Mapping[str, str]], signature: InternalSignature
    ) -> Future[None]:
        """Write task configurations that another worker generated. SignatureError and its kin."""

        def step() -> None:
            self._verify(signature)
            self._require_leader("Only the leader may write task configurations.")
            if self._is_stopped(name):
                # the worker that asks may have read of a resumption before this one
                with self._tick.doing("reading to the end of the config topic"):
                    self._stores.configs.refresh(REFRESH_S)
            if not self._known.contains(name):
                raise NotFoundError(f"Connector {name} not found")
            if configs and self._is_stopped(name):
                raise BadRequestError(
                    f"Cannot submit non-empty set of task configs for stopped connector {name}"
                )
            with self._tick.doing(f"writing task configs for connector {name}"):
                self._stores.configs.put_task_configs(name, configs)

        # Not held back by a rebalance: the worker that asks waits for the answer inside one.
        return self._tick.requests.submit(step)

    def _is_stopped(self, name: str) -> bool:
        return self._known.target_state(name) is TargetState.STOPPED

    # Fencing of exactly-once sources.

    def fence_zombies(self, name: str, signature: InternalSignature) -> Future[None]:
        """Fence earlier task producers of an exactly-once source. SignatureError and its kin."""

        def step() -> Future[None]:
            self._verify(signature)
            self._require_leader("Only the leader may perform zombie fencing.")
            return self._fence(name)

        return self._tick.requests.submit(step)

    def _fence(self, name: str) -> Future[None]:
        """Fence the producers of the tasks before the present set, once per set; the leader only."""
        known = self._known
        config = known.config(name)
        if config is None:
            raise NotFoundError(f"Connector {name} not found")
        if self._type_of(config) != "source":
            raise BadRequestError(f"Connector {name} is not a source connector")
        if name not in known.pending_fencing:
            return done(None)
        if name in self._fencing:
            return self._fencing[name]
        before, now = known.task_count_records.get(name), len(known.tasks(name))
        answer: Future[None] = Future()
        if before is None or (before == 1 and now == 1):
            self._stores.configs.put_task_count(name, now)
            return done(None)
        log.info("Fencing earlier task producers. connector=%s producers=%d", name, before)
        self._fencing[name] = answer

        def fenced(result: Future[None]) -> None:
            self._tick.requests.submit(
                lambda: self._fenced(name, now, result, answer), anytime=True
            )

        ids = [f"{self._config.group_id}-{name}-{number}" for number in range(before)]
        self._worker.fence_producers(name, self._texts(name), ids).add_done_callback(fenced)
        return answer

    def _fenced(self, name: str, count: int, result: Future[None], answer: Future[None]) -> None:
        self._fencing.pop(name, None)
        error = result.exception()
        if error is None:
            try:
                self._require_leader("Only the leader may perform zombie fencing.")
                if len(self._known.tasks(name)) != count:
                    raise ConnectError(f"fencing tasks of {name}: it has other tasks by now")
                self._stores.configs.put_task_count(name, count)
                answer.set_result(None)
                return
            except ConnectError as failure:
                error = failure
        answer.set_exception(error)

    def _before_offsets_change(self, name: str) -> Future[None]:
        if not self._is_exactly_once(name):
            return done(None)
        answer: Future[None] = Future()

        def fenced(result: Future[None]) -> None:
            error = result.exception()
            if error is None:
                answer.set_result(None)
                return
            failed = ConnectError(
                "Failed to perform zombie fencing for source connector prior to modifying offsets"
            )
            failed.__cause__ = error
            answer.set_exception(failed)

        self._fence(name).add_done_callback(fenced)
        return answer

    def _is_exactly_once(self, name: str) -> bool:
        config = self._known.config(name)
        return (
            self._config.exactly_once and config is not None and self._type_of(config) == "source"
        )

    def _start_task(self, id: ConnectorTaskId) -> None:
        if not self._is_exactly_once(id.connector):
            self._lifecycle.start_task(id, self._role.state)
            return
        state = self._role.state
        self._lifecycle.announce_task(id, state)
        answer: Future[None] = Future()
        try:
            if self._leads:
                chain(self._fence(id.connector), answer)
            else:
                path = f"connectors/{quote(id.connector, safe='')}/fence"
                chain(self._ask_leader("PUT", path, b""), answer)
        except ConnectError as error:
            answer.set_exception(error)

        def fenced(result: Future[None]) -> None:
            self._tick.requests.submit(lambda: self._start_fenced(id, result), anytime=True)

        answer.add_done_callback(fenced)

    def _start_fenced(self, id: ConnectorTaskId, result: Future[None]) -> None:
        """Start a task whose predecessors are fenced, unless it was configured anew or moved since."""
        if not self._lifecycle.is_current(id, self._known):
            log.info("Not started: it has another configuration by now. task=%s", id)
            return
        error = result.exception()
        if error is None:
            self._lifecycle.start_announced_task(id, self._known)
        else:
            self._lifecycle.fail_task(id, error)
