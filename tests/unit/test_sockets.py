"""Listening again right after a daemon was killed."""

from __future__ import annotations

import socket
import threading

from appliance.config.listeners import Listener
from appliance.sockets import bind_patiently, port_of


def test_port_is_waited_for_when_its_holder_is_about_to_go() -> None:
    """Also when nobody listens on it any more, as in the moment in which a killed daemon's process ends."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = port_of(holder)
        threading.Timer(0.3, holder.close).start()
        with bind_patiently(Listener("http", "127.0.0.1", port), "listeners") as found:
            assert port_of(found) == port
