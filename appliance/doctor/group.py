"""The group: whether its members reach each other by the addresses that they tell."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Protocol

from appliance.config.worker import WorkerConfig
from appliance.doctor.findings import Finding, ok, warning
from appliance.errors import ConnectError, DataError
from appliance.herder.addresses import REMEDY, address_fault, is_near
from appliance.herder.protocol import decode_metadata
from appliance.kafka.cluster import Member


class Groups(Protocol):
    """What is asked of a cluster (kafka.cluster.Cluster)."""

    def members(self, group: str) -> list[Member]:
        """Give a group's members. Raises ConnectError."""


def examine_group(config: WorkerConfig, cluster: Groups) -> Iterator[Finding]:
    """Give how the workers' addresses stand; nothing where nobody is in the group."""
    if config.standalone:
        return
    try:
        members = cluster.members(config.group_id)
        told = [
            (member.place, decode_metadata(member.metadata).url)
            for member in members
            if member.metadata
        ]
    except (ConnectError, DataError) as error:
        yield warning("group", str(error), f"grant Describe on the group {config.group_id}")
        return
    if not told:
        return
    hosts = {"localhost" if _is_loopback(place) else place for place, _ in told}
    near = [url for _, url in told if is_near(url)]
    fault = address_fault([url for _, url in told])
    if fault is None and len(hosts) > 1 and near:
        fault = f"a member tells {near[0]}, which no other host reaches"
    if fault is not None:
        yield warning("group", f"its workers do not reach each other: {fault}", REMEDY)
        return
    yield ok("group", f"workers: {len(told)}, hosts: {len(hosts)}")


def _is_loopback(place: str) -> bool:
    """Tell whether a broker sees a member on its own machine; its addresses begin with a slash."""
    return ipaddress.ip_address(place.lstrip("/").partition("%")[0]).is_loopback
