"""Whether the workers of a group reach each other by the addresses that they tell.

With loopback addresses, which are the default, they do on one host alone: on two, a request that one worker
forwards to another reaches a worker of its own host, or nobody.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

REMEDY: Final = (
    "set listeners and rest.advertised.host.name on each host to an address that the others reach"
)


def address_fault(urls: Collection[str]) -> str | None:
    """Say why members with these addresses do not reach each other, None when nothing speaks against it."""
    twice = sorted(url for url, count in Counter(urls).items() if url and count > 1)
    if twice:
        return f"two members tell the same address {twice[0]}"
    near = sorted(url for url in urls if is_near(url))
    far = sorted(url for url in urls if url and not is_near(url))
    if near and far:
        return f"a member tells {near[0]}, which no other host reaches, and another one {far[0]}"
    return None


def is_near(url: str) -> bool:
    """Tell whether an address leads to the machine that asks."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
