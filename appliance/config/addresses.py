"""Link-local addresses, which no client here ever asks: there cloud machines find their credentials."""

from __future__ import annotations

import ipaddress
import socket

from appliance.errors import ConfigError


def is_link_local(host: str) -> bool:
    """Tell whether `host` is an address in 169.254.0.0/16 or fe80::/10, however written; a name is not."""
    text = host.strip("[]")
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        try:
            # resolvers take an address as one number too, in octal or hexadecimal digits
            address = ipaddress.IPv4Address(socket.inet_aton(text))
        except OSError:
            return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_link_local


def refuse_link_local(what: str, host: str, address: str) -> None:
    """Refuse `address`, which is `host` itself or what it resolved to. Raises ConfigError."""
    if is_link_local(address):
        shown = host if host == address else f"{host} ({address})"
        raise ConfigError(
            f"reaching {what} at {shown}: link-local addresses are never asked; give another address"
        )
