"""The group of one."""

from __future__ import annotations

import threading

from appliance.kafka.membership import GroupEvent, Joined, Membership, SoloMember


class Handler:
    def __init__(self):
        self.rounds = 0

    def metadata(self):
        return [("sessioned", b"state"), ("default", b"other")]

    def assign(self, leader, protocol, members):
        self.rounds += 1
        assert (leader, protocol, members) == ("solo", "sessioned", [("solo", b"state")])
        return {"solo": b"all"}


def test_solo_member_leads_itself_when_it_joins():
    """The first call gives generation 0 with all work; the next one gives nothing."""
    member: Membership = SoloMember(Handler(), "solo")
    assert Joined(0, "solo", "sessioned", True, b"all") == member.ensure_active(0)
    assert member.is_leader
    assert member.stable
    assert member.ensure_active(0) is None
    assert GroupEvent.IDLE is member.poll(0)


def test_solo_member_forms_a_generation_when_a_rejoin_is_asked_for():
    """A request from another thread ends the wait and leads to the next generation."""
    member = SoloMember(Handler(), "solo")
    member.ensure_active(0)
    other = threading.Thread(target=member.request_rejoin, args=("config changed",))
    other.start()
    assert GroupEvent.REJOIN is member.poll(10)
    other.join()
    joined = member.ensure_active(0)
    assert joined is not None
    assert 1 == joined.generation == member.generation


def test_wait_ends_when_woken():
    """`wake` counts even when it comes before the wait."""
    member = SoloMember(Handler(), "solo")
    member.ensure_active(0)
    member.wake()
    assert GroupEvent.IDLE is member.poll(60)
