"""The connection test: whether the places that a configuration names can be used, before it is stored.

`ConnectionTest` is the worker's side; the checks run in a throw-away process. Blocking; threads of REST.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from typing import Any

import msgspec

from appliance.config.worker import WorkerConfig
from appliance.doctor.findings import Finding
from appliance.worker.processes import Spawner
from appliance.worker.throwaway import Questions, answer

Config = Mapping[str, str | None]


class ConnectionTest:
    """Tries what a configuration names."""

    def __init__(self, worker: WorkerConfig, spawner: Spawner) -> None:
        """Take the worker's configuration and its handle of the spawner."""
        self._ask = Questions(worker, spawner, "appliance.doctor.connection:serve")

    def __call__(self, config: Config) -> list[Finding]:
        """Give how each place stands. Raises ConnectError when the checks do not come to an end."""
        return msgspec.json.decode(self._ask("connection", dict(config)), type=list[Finding])


def serve(_arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Be the throw-away process."""
    # drivers and clients cost memory that a worker does without
    from appliance.doctor.places import examine_connection

    # the findings say what is wrong; the libraries' own lines would only stand in between
    logging.disable(logging.CRITICAL)

    def found(worker: WorkerConfig, _what: str, config: Any) -> list[Finding]:
        return list(examine_connection(worker, config))

    return answer(sockets[0], found)
