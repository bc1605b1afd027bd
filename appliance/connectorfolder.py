"""The folder of connector files: what stands in it is applied, what has left it is removed.

A connector from a file carries in its configuration, as `appliance.connector.file`, the host and the path
that own it: so ownership is visible in every answer, known to every worker of the group and still there
after a restart. A connector whose file cannot be read stays as it is. One that is owned by a host of which
no worker is a member any more (lost, or renamed) goes to a host that has the same file. A file that is
refused for what may pass (a server that it names is away, the group has no leader) waits to be tried again.

Threads: `apply` blocks; one thread at a time. Raises nothing: what is wrong is logged and given back.
"""

from __future__ import annotations

import functools
import json
import logging
import socket
import threading
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.config.connectorfile import (
    OWNER_HEADER,
    OWNER_KEY,
    ConnectorFile,
    connector_files,
    read_connector_file,
)
from appliance.errors import (
    ConfigError,
    ConnectError,
    NotFoundError,
    RebalanceNeededError,
    RequestTargetError,
    RetriableError,
    UnreachableError,
)
from appliance.herder.herder import Herder
from appliance.journal.journal import Journal
from appliance.rest.console.peers import WORKERS_PATH
from appliance.rest.errors import RestError
from appliance.rest.forward import Answer

_LOG = logging.getLogger(__name__)

_PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.5
_HOSTS_S: Final = 10.0
_ANSWER_S: Final = 90.0
_JSON: Final = {"Accept": "application/json", "Content-Type": "application/json"}

Config = Mapping[str, str | None]


class Sender(Protocol):
    """Sends a request to another worker (rest.forward.WorkerClient.send)."""

    def __call__(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer: ...


class ConnectorFolder:
    """Keeps the connectors of one folder as its files have them."""

    def __init__(
        self,
        folder: Path,
        herder: Herder,
        send: Sender,
        journal: Journal,
        host: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Take the folder, this worker's herder, and how requests reach the leader."""
        self._folder = folder.absolute()
        self._herder = herder
        self._send = send
        self._journal = journal
        self._host = host or socket.gethostname()
        self._clock = clock
        self._stopping = threading.Event()
        self._hosts: frozenset[str] | None = None
        self._said: dict[str, str] = {}
        self.waiting: list[str] = []
        """The paths of files that the last `apply` could not apply but another one may."""

    def stop(self) -> None:
        """Let a running `apply` try nothing again; any thread."""
        self._stopping.set()

    def apply(self, only: Container[str] | None = None) -> list[str]:
        """Bring the group's connectors to what the files say; give a sentence per problem.

        `only`: try these files alone, which had to wait, and remove nothing. A problem is logged then only
        if it is another one than before.
        """
        problems: list[str] = []
        self._hosts = None
        self.waiting = []
        if only is None:
            self._said = {}
        try:
            paths = connector_files(self._folder)
        except ConfigError as error:
            return [self._tell(str(self._folder), str(error))]
        if only is not None:
            paths = [path for path in paths if str(path) in only]
        files, broken = self._read(paths, problems)
        stored = {n: info.config for n, info in self._herder.snapshot().connectors.items()}
        for name, file in files.items():
            step = functools.partial(self._put, file, stored.get(name))
            if self._try(f"Applying {file.path}", step, problems, "it is tried again by itself"):
                self.waiting.append(str(file.path))
        for name, config in stored.items() if only is None else ():
            owner = config.get(OWNER_KEY) or ""
            host, _, path = owner.partition(":")
            if host == self._host and name not in files and path not in broken:
                step = functools.partial(self._delete, name, owner)
                self._try(f"Removing {name}", step, problems, "reload again")
        return problems

    def _read(
        self, paths: list[Path], problems: list[str]
    ) -> tuple[dict[str, ConnectorFile], set[str]]:
        """Give the files by connector, and the paths that own what they owned before."""
        files: dict[str, ConnectorFile] = {}
        broken: set[str] = set()
        for path in paths:
            try:
                file = read_connector_file(path)
            except ConfigError as error:
                broken.add(str(path))
                problems.append(self._tell(str(path), str(error)))
                continue
            first = files.setdefault(file.name, file)
            if first is not file:
                text = (
                    f"Reading {path}: connector {file.name} is defined in {first.path} already. "
                    "Remove one of the two."
                )
                problems.append(self._tell(str(path), text))
        return files, broken

    def _try(
        self, what: str, step: Callable[[], None], problems: list[str], if_passing: str
    ) -> bool:
        """Take a step, again while the group is rebalancing or has no leader.

        Give whether it failed for what may pass; `if_passing` then stands behind the problem.
        """
        until_s = self._clock.monotonic_s() + _PATIENCE_S
        while True:
            try:
                step()
            except TimeoutError:
                text, passing = f"no answer within {_ANSWER_S:g} s", True
            except ConnectError as error:
                again = _is_rebalance(error) and self._clock.monotonic_s() < until_s
                if again and not self._clock.wait(self._stopping, _PAUSE_S):
                    continue
                text, passing = str(error), _is_passing(error)
            else:
                self._said.pop(what, None)
                return False
            told = f"{what}: {text}; {if_passing}" if passing else f"{what}: {text}"
            problems.append(self._tell(what, told))
            return passing

    def _tell(self, what: str, problem: str) -> str:
        if self._said.get(what) != problem:
            self._said[what] = problem
            _LOG.error("A connector file could not be applied. problem=%s", problem)
        return problem

    def _put(self, file: ConnectorFile, stored: Config | None) -> None:
        owner = f"{self._host}:{file.path}"
        config = {**file.config, "name": file.name, OWNER_KEY: owner}
        former = (stored or {}).get(OWNER_KEY)
        if stored is not None and former and _without_owner(stored) == _without_owner(config):
            # hosts that have the same file do not take the connector from each other
            if not self._is_left(former, owner):
                return
            _LOG.warning(
                "Taking a connector over: the file that owned it is gone, or its host is no member of the "
                "group. connector=%s file=%s former=%s",
                file.name,
                owner,
                former,
            )
        target = file.target if stored is None else None
        try:
            self._herder.put_connector_config(
                file.name, config, target, allow_replace=True
            ).result(_ANSWER_S)
        except RequestTargetError as error:
            if target is None:
                path = f"connectors/{quote(file.name, safe='')}/config"
                self._forward("PUT", path, error, config, owner)
            else:
                state = "RUNNING" if target == "STARTED" else str(target)
                body = {"name": file.name, "config": config, "initial_state": state}
                self._forward("POST", "connectors", error, body, owner)
        verb = "Made" if stored is None else "Changed"
        _LOG.info("%s a connector. connector=%s file=%s", verb, file.name, file.path)
        self._journal.audit("PUT", f"/connectors/{file.name}/config", 200, str(file.path))

    def _is_left(self, former: str, owner: str) -> bool:
        """Whether nobody keeps a file that owns a connector, so that the same file here may."""
        host, _, path = former.partition(":")
        if host == self._host:
            return former != owner and not Path(path).exists()
        if self._hosts is None:
            self._hosts = self._members()
        return bool(self._hosts) and host not in self._hosts

    def _members(self) -> frozenset[str]:
        """Give the names of the hosts in the group; none where a worker does not tell its own."""
        until_s = self._clock.monotonic_s() + _HOSTS_S
        while not (hosts := self._told_hosts()) and self._clock.monotonic_s() < until_s:
            # a worker may have joined just now and not serve yet
            if self._clock.wait(self._stopping, _PAUSE_S):
                break
        if not hosts:
            _LOG.info(
                "Not every worker of the group tells its host: what they own is left to them."
            )
        return hosts

    def _told_hosts(self) -> frozenset[str]:
        leader = self._herder.snapshot(whole=False).group.leader_url
        if not leader:
            return frozenset()
        try:
            answer = self._send("GET", f"{leader.rstrip('/')}{WORKERS_PATH}", b"", _JSON)
            workers = json.loads(answer.body) if answer.status == 200 else []
        except (ConnectError, ValueError):
            return frozenset()
        hosts = [worker.get("host") for worker in workers]
        return frozenset(hosts) if all(hosts) else frozenset()

    def _delete(self, name: str, owner: str) -> None:
        try:
            self._herder.delete_connector(name).result(_ANSWER_S)
        except RequestTargetError as error:
            self._forward("DELETE", f"connectors/{quote(name, safe='')}", error, None, owner)
        except NotFoundError:
            return
        _LOG.info("Removed a connector whose file is gone. connector=%s file=%s", name, owner)
        self._journal.audit("DELETE", f"/connectors/{name}", 204, owner.partition(":")[2])

    def _forward(
        self, method: str, path: str, error: RequestTargetError, body: object, owner: str
    ) -> None:
        if not error.forward_url:
            raise RebalanceNeededError("the group has no leader at the moment") from error
        if self._herder.session_key is None:
            raise RebalanceNeededError(
                "the leader believes files of other workers by the group's session key alone, and there is "
                "none: set connect.protocol=sessioned on every worker"
            ) from error
        url = f"{error.forward_url.rstrip('/')}/{path}?forward=false"
        content = b"" if body is None else json.dumps(body).encode()
        answer = self._send(method, url, content, {**_JSON, OWNER_HEADER: owner})
        if answer.status >= 400:
            raise RestError(answer.status, answer.body.decode("utf-8", "replace"))


def _is_rebalance(error: ConnectError) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, RestError):
        return error.status in (409, 500, 503)
    return isinstance(error, (RebalanceNeededError, RequestTargetError))


def _is_passing(error: ConnectError) -> bool:
    """Whether the same request may succeed some time later.

    What the leader refuses has been found good by this worker: only the leader's surroundings differ.
    """
    away = isinstance(error, (UnreachableError, RetriableError))
    return away or _is_rebalance(error) or (isinstance(error, RestError) and error.status == 400)


def _without_owner(config: Config) -> dict[str, str | None]:
    return {name: value for name, value in config.items() if name != OWNER_KEY}
