"""Workers that do not reach each other are told of: one line in each generation, with the remedy."""

from __future__ import annotations

import pytest

from appliance.clock import ManualClock
from appliance.herder.addresses import address_fault
from appliance.herder.grouprole import GroupRole
from appliance.herder.inbox import Inbox
from appliance.herder.protocol import (
    NO_WORK,
    Assignment,
    ConnectProtocol,
    Metadata,
    encode_assignment,
    encode_metadata,
)
from appliance.kafka.membership import Joined
from appliance.storage.configs import ConfigStore
from appliance.storage.memory import MemoryLog

NEAR = "http://127.0.0.1:8183/"
FAR = "https://10.0.0.12:8183/"


def role(url: str) -> GroupRole:
    store = ConfigStore(MemoryLog(), Inbox())
    return GroupRole(store, url, ConnectProtocol.SESSIONED, 0, ManualClock())


def assign(leader: GroupRole, *urls: str) -> None:
    members = [(f"m{n}", encode_metadata(Metadata(url, -1))) for n, url in enumerate(urls)]
    leader.assign("m0", "sessioned", members)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        ((NEAR, "http://127.0.0.1:8184/"), ""),
        ((FAR, "https://10.0.0.11:8183/"), ""),
        ((NEAR, NEAR), f"two members tell the same address {NEAR}"),
        ((FAR, FAR), f"two members tell the same address {FAR}"),
        ((FAR, "http://[::1]:8183/"), "a member tells http://[::1]:8183/, which no other host"),
        ((FAR, "http://localhost:8183/"), "a member tells http://localhost:8183/, which no other"),
    ],
)
def test_leader_warns_once_a_generation_when_members_do_not_reach_each_other(urls, told, caplog):
    """Two hosts with loopback addresses, or one beside a host of the network; workers of one host do."""
    leader = role(urls[0])
    for generation in (1, 2):
        assign(leader, *urls)
        found = warnings(caplog)
        assert len(found) == (generation if told else 0)
        assert all(told in line and "rest.advertised.host.name" in line for line in found)


@pytest.mark.parametrize(
    ("own", "leads", "count"),
    [(NEAR, NEAR, 1), (FAR, NEAR, 1), (FAR, "https://10.0.0.11:8183/", 0)],
)
def test_follower_warns_when_the_leaders_address_is_its_own_or_out_of_reach(
    own, leads, count, caplog
):
    """Whoever looks at one host alone reads of it there."""
    follower = role(own)
    share = encode_assignment(Assignment("m0", leads, -1, NO_WORK))
    follower.take(Joined(3, "m1", "sessioned", False, share))
    assert len(warnings(caplog)) == count


def test_nothing_is_told_when_the_leader_is_not_known():
    """A member without a leader's address has nothing to compare its own with."""
    assert address_fault([NEAR, ""]) is None
