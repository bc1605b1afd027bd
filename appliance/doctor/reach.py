"""Whether anybody listens at an address: its name first, then its port."""

from __future__ import annotations

import socket
from typing import Final, NamedTuple

TIMEOUT_S: Final = 5.0


class Unreachable(NamedTuple):
    """Why an address is of no use; `of_host`: its name, or what it names, rather than its port."""

    text: str
    remedy: str
    of_host: bool


def unreachable(host: str, port: int, timeout_s: float = TIMEOUT_S) -> Unreachable | None:
    """Give why nothing can be had from `host` at `port`, None when somebody listens there."""
    try:
        socket.create_connection((host, port), timeout_s).close()
    except socket.gaierror as error:
        text = f"the name {host} cannot be resolved: {error.strerror}"
        return Unreachable(text, f"getent hosts {host}", of_host=True)
    except ConnectionRefusedError:
        text = f"{host} refuses connections to port {port}: nobody listens there"
        return Unreachable(text, f"correct the port, or start the server on {host}", of_host=False)
    except TimeoutError:
        text = f"{host}:{port} gives no answer within {timeout_s:g} s"
        return Unreachable(text, f"ping {host}  # or a firewall is in the way", of_host=True)
    except OSError as error:
        text = f"{host}:{port} cannot be reached: {error.strerror or error}"
        return Unreachable(text, f"ip route get {host}", of_host=True)
    return None
