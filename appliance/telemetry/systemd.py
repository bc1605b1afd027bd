"""What systemd is told: ready, status, stopping, and that the daemon makes progress.

Semantics: sd_notify(3). Outside systemd nothing happens.
"""

from __future__ import annotations

import os
import socket


def notify(*assignments: str) -> bool:
    """Send assignments such as `READY=1`; give whether somebody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto("\n".join(assignments).encode(), address)
        except OSError:
            # systemd is restarting: the next call reaches it
            return False
    return True


def watchdog_interval_s() -> float | None:
    """Give how often to send WATCHDOG=1 (half the limit), None when no watchdog is set."""
    limit_us = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not limit_us.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(limit_us) / 2_000_000
