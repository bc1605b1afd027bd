"""What it means to be in a Connect group: the interface, its events, and the group of one.

`appliance.kafka.group.GroupMember` is a member of a group on a broker, `SoloMember` the group of one that
standalone mode runs. Both give the herder thread `ensure_active` (join where needed, give the new
assignment) and `poll` (wait until something happens). Everything on the herder thread, except where "any
thread" is said.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

NO_GENERATION = -1


class GroupEvent(enum.Enum):
    """What `poll` tells.

    IDLE: nothing. REJOIN: call `ensure_active` (the eager protocol stops its work first). FENCED, the
    group went on without this member, and COORDINATOR_LOST: stop all work, report none from now on.
    """

    IDLE = "idle"
    REJOIN = "rejoin"
    FENCED = "fenced"
    COORDINATOR_LOST = "coordinator lost"


@dataclass(frozen=True, slots=True)
class Joined:
    """A generation this member has become part of, with its assignment as the leader wrote it."""

    generation: int
    member_id: str
    protocol: str
    is_leader: bool
    assignment: bytes


class Handler(Protocol):
    """What the member asks of the herder; on the herder thread."""

    def metadata(self) -> list[tuple[str, bytes]]:
        """Give the protocols offered, best first, with the present state in each."""

    def assign(
        self, leader: str, protocol: str, members: list[tuple[str, bytes]]
    ) -> Mapping[str, bytes]:
        """As the leader, give each member's assignment; well within the session timeout.

        The member's `generation` is already the one being formed.
        """


class Membership(Protocol):
    """The interface shared by `GroupMember` and `SoloMember`."""

    @property
    def generation(self) -> int:
        """Give the generation joined or being formed, -1 when out of the group."""

    @property
    def member_id(self) -> str:
        """Give the member's id; empty while there is none."""

    @property
    def is_leader(self) -> bool:
        """Tell whether this member leads the generation."""

    @property
    def stable(self) -> bool:
        """Tell whether the member is in the group with nothing to do about it."""

    @property
    def silence_s(self) -> float:
        """Give the seconds since the group last counted this member in; any thread."""

    @property
    def fault(self) -> str | None:
        """Give what keeps the member out of the group, None when all is well; any thread."""

    def ensure_active(self, timeout_s: float) -> Joined | None:
        """Join if need be; give a new assignment once, None if there is none (yet)."""

    def poll(self, timeout_s: float) -> GroupEvent:
        """Wait for an event, `wake`, or the timeout."""

    def request_rejoin(self, reason: str) -> None:
        """Have `poll` give REJOIN; any thread."""

    def wake(self) -> None:
        """End the present or next wait; any thread."""

    def abort(self) -> None:
        """End the present or next wait, that for a JoinGroup too; any thread."""

    def leave(self, reason: str, timeout_s: float) -> None:
        """Leave the group, so that its work moves at once; a failure is logged only."""

    def leave_group(self, member_id: str, reason: str, timeout_s: float) -> bool:
        """Take another member (a sibling that died) out; any thread."""

    def close(self) -> None:
        """End threads and connections without leaving."""


class SoloMember:
    """The group of one: leads itself, never loses anything; no thread of its own."""

    silence_s = 0.0
    fault: str | None = None

    def __init__(self, handler: Handler, member_id: str = "standalone") -> None:
        """Form no generation yet; the first `ensure_active` does."""
        self.member_id = member_id
        self.generation = NO_GENERATION
        self._handler = handler
        self._condition = threading.Condition()
        self._rejoin = True
        self._woken = False

    @property
    def is_leader(self) -> bool:
        """Tell whether a generation was formed."""
        return self.generation != NO_GENERATION

    @property
    def stable(self) -> bool:
        """Tell whether there is nothing to do."""
        return not self._rejoin

    def ensure_active(self, timeout_s: float) -> Joined | None:
        """Form the next generation if one was asked for; at once."""
        with self._condition:
            if not self._rejoin:
                return None
            self._rejoin = False
        protocol, metadata = self._handler.metadata()[0]
        self.generation += 1
        shares = self._handler.assign(self.member_id, protocol, [(self.member_id, metadata)])
        return Joined(self.generation, self.member_id, protocol, True, shares[self.member_id])

    def poll(self, timeout_s: float) -> GroupEvent:
        """Wait for a rejoin, `wake`, or the timeout."""
        with self._condition:
            self._condition.wait_for(lambda: self._rejoin or self._woken, timeout_s)
            self._woken = False
            return GroupEvent.REJOIN if self._rejoin else GroupEvent.IDLE

    def request_rejoin(self, reason: str) -> None:
        """Have `poll` give REJOIN; any thread."""
        with self._condition:
            self._rejoin = True
            self._condition.notify_all()

    def wake(self) -> None:
        """End the present or next wait; any thread."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def abort(self) -> None:
        """End the present or next wait; any thread."""
        self.wake()

    def leave(self, reason: str, timeout_s: float) -> None:
        """Do nothing: nobody waits for the work."""

    def leave_group(self, member_id: str, reason: str, timeout_s: float) -> bool:
        """Tell that there is no other member."""
        return False

    def close(self) -> None:
        """Do nothing: there is no thread or connection."""
