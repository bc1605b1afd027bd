"""How many bytes topics take on the brokers' disks: DescribeLogDirs, which the library does not speak.

Blocks. Raises ConnectError with the broker's reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from appliance.errors import ConnectError, RetriableError
from appliance.kafka import wire
from appliance.kafka.connection import Address, open_connection
from appliance.kafka.security import Security

TIMEOUT_S: Final = 3.0
_CLIENT: Final = "ingest-appliance-console"


def topic_sizes(brokers: Iterable[Address], security: Security) -> dict[str, int]:
    """Give the bytes of each topic: of every partition its largest copy, whatever number of copies there is.

    A broker that cannot be reached is passed over as long as another one answers.
    """
    largest: dict[tuple[str, int], int] = {}
    failure: ConnectError | None = None
    answered = False
    for address in brokers:
        try:
            found = _of_broker(address, security)
        except RetriableError as error:
            failure = error
            continue
        answered = True
        for place, size in found.items():
            largest[place] = max(size, largest.get(place, 0))
    if failure is not None and not answered:
        raise failure
    sizes: dict[str, int] = {}
    for (topic, _), size in largest.items():
        sizes[topic] = sizes.get(topic, 0) + size
    return sizes


def _of_broker(address: Address, security: Security) -> dict[tuple[str, int], int]:
    connection = open_connection(address, security, _CLIENT, TIMEOUT_S)
    try:
        version, reader = connection.call(
            wire.DESCRIBE_LOG_DIRS, wire.describe_log_dirs_request, TIMEOUT_S
        )
        error, found = wire.read_describe_log_dirs(version, reader)
    finally:
        connection.close()
    if error:
        raise ConnectError(
            f"asking Kafka broker {address} for the sizes of topics: error {error}; grant DESCRIBE on the "
            "cluster to this principal"
        )
    return found
