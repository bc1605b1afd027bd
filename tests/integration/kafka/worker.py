"""A worker reduced to its membership: joins, leads, takes and gives up work, does none of it."""

from __future__ import annotations

import threading
import time

from appliance.clock import SYSTEM_CLOCK
from appliance.errors import ConnectError
from appliance.herder.assignor import AssignorState, assign_eagerly, assign_incrementally
from appliance.herder.protocol import (
    NO_WORK,
    Assignment,
    ConnectProtocol,
    Work,
    accumulate,
    decode_assignment,
    decode_metadata,
    encode_shares,
    offered_protocols,
)
from appliance.ids import ConnectorTaskId
from appliance.kafka.connection import Address
from appliance.kafka.coordinator import GroupSettings
from appliance.kafka.group import GroupMember
from appliance.kafka.membership import GroupEvent


def configured(**tasks):
    """Give connectors with so many tasks each."""
    return Work(
        tuple(tasks),
        tuple(ConnectorTaskId(name, n) for name, count in tasks.items() for n in range(count)),
    )


def group_settings(bootstrap, group, **changes):
    """Give settings with the shortest session a broker allows by default."""
    values = {
        "session_timeout_ms": 6_000,
        "rebalance_timeout_ms": 20_000,
        "heartbeat_interval_ms": 1_000,
        **changes,
    }
    addresses = tuple(Address.parse(part) for part in bootstrap.split(","))
    return GroupSettings(bootstrap=addresses, group_id=group, **values)


class Worker:
    """The herder's loop on a thread of its own; `events` holds what it was told, in order."""

    def __init__(
        self,
        settings,
        work,
        *,
        name="w",
        protocol=ConnectProtocol.SESSIONED,
        delay_ms=0,
        offset=lambda: 1,
    ):
        self.configured = work if callable(work) else lambda: work
        self.url = f"http://127.0.0.1:1/{name}/"
        self.protocol = protocol
        self.delay_ms = delay_ms
        self.offset = offset
        self.current: Assignment | None = None
        self.state = AssignorState()
        self.last_generation = -1
        self.events: list[object] = []
        self.errors: list[ConnectError] = []
        self.received: list[Assignment] = []
        self.member = GroupMember(settings, self)
        self._rejoin_at_s: float | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        """Join."""
        self._thread.start()
        return self

    def vanish(self):
        """End as by SIGKILL: without a word to the group."""
        self._stopping = True
        self.member.abort()
        self._thread.join(10)
        self.member.close()

    def leave(self):
        """End in the orderly way."""
        self._stopping = True
        self.member.abort()
        self._thread.join(10)
        self.member.leave("done", 5)
        self.member.close()

    @property
    def work(self):
        """Give what this worker does at present."""
        current = self.current
        return current.work if current is not None else NO_WORK

    def metadata(self):
        """Offer all protocols with the present work."""
        return offered_protocols(self.protocol, self.url, self.offset(), self.current)

    def assign(self, leader, protocol, members):
        """Lead by the product's assignor."""
        states = {member: decode_metadata(data) for member, data in members}
        work, generation = self.configured(), self.member.generation
        if protocol == ConnectProtocol.EAGER:
            outcome = assign_eagerly(states, work)
        else:
            self.state, outcome = assign_incrementally(
                self.state,
                {m: s.current.work if s.current else NO_WORK for m, s in states.items()},
                work,
                last_generation=self.last_generation,
                generation=generation,
                now_ms=SYSTEM_CLOCK.now_ms(),
                max_delay_ms=self.delay_ms,
            )
        template = Assignment(
            leader,
            states[leader].url,
            max(state.config_offset for state in states.values()),
            delay_ms=outcome.delay_ms,
            version=ConnectProtocol(protocol).version,
        )
        return encode_shares(template, states, outcome.shares())

    def _run(self):
        while not self._stopping:
            try:
                joined = self.member.ensure_active(0.5)
            except ConnectError as error:
                self.errors.append(error)
                continue
            if joined is not None:
                self._take(joined)
            if self._rejoin_at_s is not None and time.monotonic() >= self._rejoin_at_s:
                self._rejoin_at_s = None
                self.member.request_rejoin("the delay is over")
            event = self.member.poll(0.1)
            if event is not GroupEvent.IDLE:
                self.events.append(event)
            if event in (GroupEvent.FENCED, GroupEvent.COORDINATOR_LOST) or (
                event is GroupEvent.REJOIN and self.protocol is ConnectProtocol.EAGER
            ):
                self.current = None

    def _take(self, joined):
        received = decode_assignment(joined.assignment)
        self.received.append(received)
        self.last_generation = joined.generation
        self.current = accumulate(self.current, received)
        self.events.append(joined)
        if received.revoked:
            self.member.request_rejoin("work was revoked")
        self._rejoin_at_s = (
            time.monotonic() + received.delay_ms / 1000 if received.delay_ms else None
        )
