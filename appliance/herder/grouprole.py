"""GroupRole: what this worker tells its group, and how it assigns when it leads.

It holds the configuration on which decisions rest (`state`, moved on by the tick alone), the work this
worker was given, and what the leader remembers between rounds. Tick thread only.

Semantics: Kafka Connect 4.3.1 WorkerCoordinator, EagerAssignor and IncrementalCooperativeAssignor.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from appliance.clock import Clock
from appliance.errors import RetriableError
from appliance.herder.addresses import REMEDY, address_fault
from appliance.herder.assignor import (
    AssignorState,
    Round,
    assign_eagerly,
    assign_incrementally,
    units_of,
)
from appliance.herder.protocol import (
    CONFIG_MISMATCH,
    NO_WORK,
    Assignment,
    ConnectProtocol,
    Metadata,
    Work,
    accumulate,
    decode_assignment,
    decode_metadata,
    encode_shares,
    offered_protocols,
)
from appliance.ids import ConnectorTaskId
from appliance.kafka.membership import Joined, Membership
from appliance.storage.configs import ConfigStore
from appliance.storage.snapshot import ClusterConfigState
from appliance.storage.statuses import Name

log = logging.getLogger("org.apache.kafka.connect.runtime.distributed.WorkerCoordinator")

REFRESH_S = 3.0
"""How long an assignment may wait for the config topic: it must end well before the session does."""


class GroupRole:
    """A member's `Handler`."""

    def __init__(
        self,
        configs: ConfigStore,
        url: str,
        highest: ConnectProtocol,
        max_delay_ms: int,
        clock: Clock,
    ) -> None:
        self.state = ClusterConfigState()
        self.current: Assignment | None = None
        self.protocol = highest
        self.last_round: Round | None = None
        self.workers: dict[str, str] = {}
        """The members' addresses by member id; complete where the leader is, else the leader's."""
        self._configs = configs
        self._url = url
        self._highest = highest
        self._max_delay_ms = max_delay_ms
        self._clock = clock
        self._member: Membership | None = None
        self._memory = AssignorState()
        self._last_generation = -1
        self._owners: dict[Name, str] = {}
        self._homes: dict[ConnectorTaskId, str] = {}
        """The address of the worker that last had a unit, kept while the unit is lost."""

    def join_as(self, member: Membership) -> None:
        """Take the member whose handler this is."""
        self._member = member

    @property
    def work(self) -> Work:
        """Give what this worker has to do."""
        return NO_WORK if self.current is None else self.current.work

    @property
    def leader_url(self) -> str | None:
        """Give the leader's address, None when it is not known."""
        return (self.current.leader_url or None) if self.current is not None else None

    def owner_url(self, name: Name) -> str | None:
        """Give the address of the worker that has a connector or task; known to the leader only."""
        return self._owners.get(name)

    def metadata(self) -> list[tuple[str, bytes]]:
        """Give address, position in the config topic and work, for every protocol offered."""
        return offered_protocols(self._highest, self._url, self.state.offset, self.current)

    def forget_work(self) -> None:
        """Report no work from now on: it was stopped because the group went on without us."""
        self.current = None

    def take(self, joined: Joined) -> Assignment:
        """Take over an assignment; gives it as it was sent, increments and all."""
        received = decode_assignment(joined.assignment)
        self.protocol = ConnectProtocol(joined.protocol)
        self.current = accumulate(self.current, received)
        self._last_generation = joined.generation
        if not joined.is_leader:
            self._check_addresses([self._url, received.leader_url])
            self.last_round = None
            self._memory = AssignorState()
            self._owners, self._homes = {}, {}
            self.workers = {received.leader_id: received.leader_url}
        return received

    def refresh(self) -> bool:
        """Read the config topic to its end; gives False when that takes too long."""
        try:
            self._configs.refresh(REFRESH_S)
        except RetriableError as error:
            log.warning("The config topic could not be read to its end. error=%s", error)
            return False
        self.state = self._configs.snapshot()
        return True

    def assign(
        self, leader: str, protocol: str, members: list[tuple[str, bytes]]
    ) -> Mapping[str, bytes]:
        """Give each member its share of the work."""
        told = {member: decode_metadata(data) for member, data in members}
        farthest = max(metadata.config_offset for metadata in told.values())
        if self.state.offset < farthest:
            self.refresh()
        version = ConnectProtocol(protocol).version
        self.workers = {member: metadata.url for member, metadata in told.items()}
        self._check_addresses(self.workers.values())
        if self.state.offset < farthest:
            log.warning("Cannot assign: another worker has read more of the config topic.")
            failed = Assignment(
                leader, self._url, farthest, error=CONFIG_MISMATCH, version=version
            )
            return encode_shares(failed, told, {})
        round_ = self._round(protocol, told)
        self.last_round = round_
        self._owners = {}
        for member, work in round_.owned.items():
            self._owners.update(dict.fromkeys(work.connectors, self.workers[member]))
            self._owners.update(dict.fromkeys(work.tasks, self.workers[member]))
        template = Assignment(
            leader,
            self._url,
            self.state.offset,
            delay_ms=round_.delay_ms,
            version=version,
        )
        return encode_shares(template, told, round_.shares())

    @staticmethod
    def _check_addresses(urls: Collection[str]) -> None:
        """Warn, once for each generation, of members that cannot reach each other."""
        fault = address_fault(urls)
        if fault is not None:
            log.warning(
                "Workers of this group do not reach each other, and requests go astray: %s; %s.",
                fault,
                REMEDY,
            )

    def _round(self, protocol: str, told: Mapping[str, Metadata]) -> Round:
        configured = configured_work(self.state)
        if ConnectProtocol(protocol) is ConnectProtocol.EAGER:
            return assign_eagerly(told, configured)
        held = {
            member: metadata.current.work if metadata.current is not None else NO_WORK
            for member, metadata in told.items()
        }
        generation = self._member.generation if self._member is not None else 0
        self._memory, round_ = assign_incrementally(
            self._memory,
            held,
            configured,
            last_generation=self._last_generation,
            generation=generation,
            now_ms=self._clock.now_ms(),
            max_delay_ms=self._max_delay_ms,
            returned=self._returned(told, held),
        )
        self._homes = {
            unit: self._homes[unit] for unit in units_of(round_.lost) if unit in self._homes
        }
        for member, work in round_.owned.items():
            self._homes.update(dict.fromkeys(units_of(work), told[member].url))
        return round_

    def _returned(
        self, told: Mapping[str, Metadata], held: Mapping[str, Work]
    ) -> dict[ConnectorTaskId, str]:
        """Give for each unit the member that is its last worker, started again."""
        empty = {told[member].url: member for member, work in held.items() if not units_of(work)}
        return {unit: empty[url] for unit, url in self._homes.items() if url in empty}


def configured_work(state: ClusterConfigState) -> Work:
    """Give all that should run somewhere, in order of name and number."""
    names = sorted(state.connectors)
    tasks: list[ConnectorTaskId] = [task for name in names for task in state.tasks(name)]
    return Work(tuple(names), tuple(tasks))


def work_change(before: ClusterConfigState, after: ClusterConfigState) -> str:
    """Say what work came, went or has new task configurations between two states; "" when none."""
    stayed = before.connectors & after.connectors
    retasked = {
        name
        for name in stayed
        if before.tasks(name) != after.tasks(name)
        or any(
            after.task_config(task) is not before.task_config(task) for task in after.tasks(name)
        )
    }
    parts = [
        f"connector {', '.join(sorted(names))} {what}"
        for what, names in (
            ("added", after.connectors - before.connectors),
            ("removed", before.connectors - after.connectors),
            ("has new task configurations", retasked),
        )
        if names
    ]
    return "; ".join(parts)
