"""The way to the broker that looks after a group, kept open and found again when it is lost.

`CoordinatorLink.connection` gives a connection to the group's coordinator; `drop` forgets it. Who uses
the link holds `lock` while a request is being sent or waited for (a request that is waited for in slices
is protected by its owner's state instead). `leave_group` takes any member out of a group.

Raises RetriableError while the coordinator cannot be reached, ConnectError for what an operator must
correct (login, certificate, authorization, group name).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.errors import ConfigError, ConnectError, RetriableError
from appliance.kafka import wire
from appliance.kafka.connection import Address, Connection, open_connection
from appliance.kafka.security import PLAINTEXT, Security

_RETRIABLE = {
    27: "a rebalance is under way",
    14: "it is still loading the group",
    15: "the coordinator is not available yet",
    16: "another broker is the coordinator now",
}
_FATAL = {
    23: "no protocol in common with the other members; check connect.protocol and that group.id is not a"
    " consumer group's",
    24: "the group name is not valid; correct group.id",
    26: "the broker does not allow this session timeout; correct session.timeout.ms",
    30: "not authorized for this group; grant READ on it to this principal",
    81: "the group is full; raise group.max.size of the broker",
}
_UNKNOWN_MEMBER = 25


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """How to be a member of which group; names are Kafka Connect's, dots as underscores."""

    bootstrap: tuple[Address, ...]
    group_id: str
    client_id: str = "connect"
    session_timeout_ms: int = 10_000
    rebalance_timeout_ms: int = 60_000
    heartbeat_interval_ms: int = 3_000
    security: Security = PLAINTEXT

    @property
    def request_timeout_s(self) -> float:
        """Give how long an answer may take: a hung broker must be noticed before the session ends."""
        spare_ms = self.session_timeout_ms - 2 * self.heartbeat_interval_ms
        return max(spare_ms / 2, 500) / 1000

    @classmethod
    def from_config(cls, config: Mapping[str, str], worker_id: str = "") -> GroupSettings:
        """Read a worker's options, as texts. Raises ConfigError naming the option.

        Member ids begin with the client id; without `client.id` it is `connect-<worker_id>`, as in Java.
        """

        def number(name: str, default: int) -> int:
            try:
                return int(config.get(name, default))
            except ValueError as error:
                raise ConfigError.invalid(name, config[name], "must be a number") from error

        servers = config.get("bootstrap.servers", "localhost:9092")
        try:
            bootstrap = tuple(Address.parse(part) for part in servers.split(",") if part.strip())
        except ValueError as error:
            raise ConfigError.invalid("bootstrap.servers", servers, str(error)) from error
        if not bootstrap or not config.get("group.id"):
            raise ConfigError(
                "reading the worker's options: bootstrap.servers and group.id must be set"
            )
        return cls(
            bootstrap=bootstrap,
            group_id=config["group.id"],
            client_id=config.get("client.id") or f"connect-{worker_id}",
            session_timeout_ms=number("session.timeout.ms", 10_000),
            rebalance_timeout_ms=number("rebalance.timeout.ms", 60_000),
            heartbeat_interval_ms=number("heartbeat.interval.ms", 3_000),
            security=Security.from_config(config),
        )


class CoordinatorLink:
    """Finds and holds the connection to one group's coordinator."""

    def __init__(self, settings: GroupSettings) -> None:
        """Connect to nothing yet."""
        self.lock = threading.Lock()
        self._settings = settings
        self._connection: Connection | None = None

    def connection(self, timeout_s: float) -> Connection:
        """Give the connection, found anew if there is none; under `lock`, `timeout_s` per step."""
        if self._connection is None:
            self._connection = self._find(timeout_s)
        return self._connection

    def abort(self) -> None:
        """End whatever waits on the connection; any thread."""
        connection = self._connection
        if connection is not None:
            connection.abort()

    def drop(self) -> None:
        """Forget the connection; the next user looks for the coordinator again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _find(self, timeout_s: float) -> Connection:
        settings = self._settings
        error = RetriableError("looking for the group's coordinator: bootstrap.servers is empty")
        for address in settings.bootstrap:
            try:
                return self._ask(self._open(address, timeout_s), timeout_s)
            except RetriableError as failure:
                error = failure
        raise error

    def _ask(self, connection: Connection, timeout_s: float) -> Connection:
        group = self._settings.group_id
        try:
            _, reader = connection.call(
                wire.FIND_COORDINATOR,
                lambda version: wire.find_coordinator_request(version, group),
                timeout_s,
            )
            found = wire.read_find_coordinator(reader)
            raise_for(
                found.error, "looking for the coordinator", self._settings, connection.address
            )
            address = Address(found.host, found.port)
        except BaseException:
            connection.close()
            raise
        if address == connection.address:
            return connection
        connection.close()
        return self._open(address, timeout_s)

    def _open(self, address: Address, timeout_s: float) -> Connection:
        return open_connection(
            address, self._settings.security, self._settings.client_id, timeout_s
        )


def raise_for(error: int, doing: str, settings: GroupSettings, broker: Address) -> None:
    """Raise what an error code means, naming group, broker and remedy; 0 passes."""
    if error == 0:
        return
    where = f"{doing} of group {settings.group_id} on Kafka broker {broker}"
    if error in _RETRIABLE:
        raise RetriableError(f"{where}: {_RETRIABLE[error]}")
    remedy = _FATAL.get(error, f"Kafka error code {error}; see the broker's log")
    raise ConnectError(f"{where}: {remedy}")


def leave_group(settings: GroupSettings, member_id: str, reason: str, timeout_s: float) -> bool:
    """Take `member_id` out of the group, over a connection of its own; any thread.

    For the member itself, or for a sibling that died: the others then need not wait for its session to
    end. Give whether it was a member. Raises RetriableError or ConnectError.
    """
    link = CoordinatorLink(settings)
    with link.lock:
        try:
            connection = link.connection(timeout_s)
            version, reader = connection.call(
                wire.LEAVE_GROUP,
                lambda version: wire.leave_group_request(
                    version, settings.group_id, member_id, reason
                ),
                timeout_s,
            )
            error = wire.read_leave_group(version, reader)
            if error == _UNKNOWN_MEMBER:
                return False
            raise_for(error, f"taking member {member_id} out", settings, connection.address)
            return True
        finally:
            link.drop()
