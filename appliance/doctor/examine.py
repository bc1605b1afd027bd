"""The order of the checks: machine, broker, then each connector by what it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from appliance.config.connectorfile import read_connector_file
from appliance.config.providers import Providers
from appliance.config.spelling import meant
from appliance.config.worker import WorkerConfig
from appliance.connectors.files.connector import UNWRITABLE
from appliance.doctor import broker, machine
from appliance.doctor.files import examine_named, unreadable
from appliance.doctor.findings import Finding, Level, ok, problem, warning
from appliance.doctor.group import examine_group
from appliance.doctor.places import Places, resolved
from appliance.doctor.service import Service
from appliance.errors import ConfigError, ConnectError
from appliance.kafka.cluster import Cluster
from appliance.worker.plugins import Plugins
from appliance.worker.validation import ConfigChecker, ConfigInfos

_SAID_IN_DETAIL: Final = (
    "the server has ",
    "the user lacks ",
    "Unable to connect: ",
    "Could not connect to database. ",
    UNWRITABLE,
)
"""Errors of validation that the checks of the places tell with their remedy."""


def examine(
    config: WorkerConfig, connectors: Iterable[Path], service: Service | None = None
) -> Iterator[Finding]:
    """Give what is found, each as soon as it is known.

    `service`: the unit that runs on this configuration, for whom files and folders are judged.
    """
    yield from machine.examine_machine(config, service)
    yield from examine_named("worker", config.originals, service)
    try:
        cluster = broker.open_cluster(config)
    except ConnectError as error:
        yield problem("broker", str(error), "correct the options of the worker file")
        return
    reachable = True
    for finding in broker.examine_broker(config, cluster):
        reachable = reachable and (finding.subject, finding.level) != ("broker", Level.PROBLEM)
        yield finding
    if reachable:
        yield from examine_group(config, cluster)
    checker = _Connectors(config, cluster if reachable else None, service)
    for path in connectors:
        yield from checker.examine(path)


class _Connectors:
    """Checks connector files with the worker's plugins and providers."""

    def __init__(
        self, config: WorkerConfig, cluster: Cluster | None, service: Service | None
    ) -> None:
        self._service = service
        # a file from elsewhere reaches the daemon through REST
        self._folder = Path(config.text("appliance.connectors.dir"))
        self._plugins = Plugins.discover(config["plugin.path"] or ())
        self._providers = Providers.from_config(config.originals)
        self._checker = ConfigChecker(config, self._plugins, self._providers)
        self._places = Places(config, cluster, service)

    def examine(self, path: Path) -> Iterator[Finding]:
        """Give how one connector stands."""
        try:
            file = read_connector_file(path)
            given = {key: value for key, value in file.config.items() if value is not None}
            config, unresolved = resolved(file.name, {**given, "name": file.name}, self._providers)
        except ConfigError as error:
            yield problem(path.name, str(error), f"editor {path}")
            return
        name = file.name
        if path.absolute().parent == self._folder:
            closed = unreadable(name, path.absolute(), "", self._service)
            yield from () if closed is None else (closed,)
        yield from examine_named(name, given, self._service)
        yield from unresolved
        try:
            plugin = self._plugins.find_connector(config.get("connector.class", ""))
            infos = self._checker.validate({**file.config, "name": name})
        except ConnectError as error:
            remedy = f"correct connector.class in {path}"
            yield problem(name, str(error), remedy, "connector.class")
            return
        unknown = {finding.option for finding in unresolved}
        wrong = [
            problem(name, text, f"editor {path}", value["name"])
            for value in (entry["value"] for entry in infos.configs)
            for text in (value["errors"] if value is not None else ())
            if not text.startswith(_SAID_IN_DETAIL) and value["name"] not in unknown
        ]
        # an error about two options stands at each of them
        yield from {finding.text: finding for finding in wrong}.values()
        if not wrong:
            yield ok(name, f"its configuration is valid ({plugin.java_class})")
        yield from misspelt(name, path, given, infos)
        if unresolved:
            # what asks with a reference in the place of a password finds that alone
            return
        kind: Literal["source", "sink"] = "source" if plugin.kind == "source" else "sink"
        yield from self._places.examine(name, kind, plugin.java_class, config)


def misspelt(
    name: str, path: Path, given: Mapping[str, str], infos: ConfigInfos
) -> Iterator[Finding]:
    """Give the options that no class knows and that are a letter or two off one that is not given.

    Others that nobody knows pass: a connector may hand them on to its driver.
    """
    known = {entry["definition"]["name"] for entry in infos.configs if entry["definition"]}
    for option in sorted(given.keys() - known):
        nearest = meant(option, known - given.keys())
        if nearest is not None:
            text = f"unknown option {option}, without effect. Did you mean {nearest}?"
            yield warning(name, text, f"editor {path}", option)
