"""The doctor tells of a group whose workers do not reach each other."""

from __future__ import annotations

import pytest

from appliance.config.worker import WorkerConfig
from appliance.doctor.findings import Level
from appliance.doctor.group import examine_group
from appliance.errors import ConnectError
from appliance.herder.protocol import Metadata, encode_metadata
from appliance.kafka.cluster import Member

CONFIG = WorkerConfig({}, "run")
NEAR = "http://127.0.0.1:8183/"
OTHER = "http://127.0.0.1:9183/"
FAR = "https://10.0.0.12:8183/"


class FakeGroups:
    """Members by the address that the broker sees."""

    def __init__(self, *members: tuple[str, str]) -> None:
        self.found = [Member(place, encode_metadata(Metadata(url, 1))) for place, url in members]

    def members(self, group: str) -> list[Member]:
        assert group == CONFIG.group_id
        return self.found


@pytest.mark.parametrize(
    ("members", "level", "told"),
    [
        ([("/127.0.0.1", NEAR), ("/0:0:0:0:0:0:0:1", OTHER)], Level.OK, "workers: 2, hosts: 1"),
        ([("/10.0.0.11", NEAR), ("/10.0.0.12", NEAR)], Level.WARNING, "the same address"),
        ([("/10.0.0.11", NEAR), ("/10.0.0.12", OTHER)], Level.WARNING, "no other host reaches"),
        ([("/10.0.0.11", NEAR), ("/10.0.0.12", FAR)], Level.WARNING, "no other host reaches"),
    ],
)
def test_group_is_judged_by_its_members_addresses(members, level, told):
    """Loopback will do on one host; beyond it the options to set are named."""
    (found,) = examine_group(CONFIG, FakeGroups(*members))
    assert (found.level, told in found.text) == (level, True)
    assert level is Level.OK or "rest.advertised.host.name" in found.remedy


def test_nothing_is_told_when_nobody_is_in_the_group():
    """A daemon that is not started, or a group that rebalances, is no finding."""
    assert list(examine_group(CONFIG, FakeGroups())) == []


def test_right_is_named_when_the_group_may_not_be_seen():
    """The doctor's user may lack it."""

    class Closed:
        def members(self, group: str) -> list[Member]:
            raise ConnectError("Group authorization failed")

    (found,) = examine_group(CONFIG, Closed())
    assert (found.level, "grant Describe" in found.remedy) == (Level.WARNING, True)
