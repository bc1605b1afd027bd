"""Whether the daemon starts with its worker file, and whether the service runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from appliance.config.spelling import meant
from appliance.config.worker import WorkerConfig
from appliance.connectors.files.writable import UNIT
from appliance.doctor.findings import Finding, problem, warning
from appliance.doctor.service import Service
from appliance.errors import ConfigError, ConnectError

Check = Callable[[WorkerConfig], Sequence[str]]
"""What the daemon asks before it starts: sentences for its log; raises ConfigError."""

_CORRECT = f"correct the worker file, then: systemctl restart {UNIT}"


def examine_start(
    config: WorkerConfig, service: Service | None, check: Check
) -> Iterator[Finding]:
    """Give what the daemon refuses or warns of at its start, and a service that is down."""
    try:
        for text in check(config):
            yield warning("worker", text, _CORRECT)
    except ConfigError as error:
        yield from refused(error)
    for name in config.unknown:
        nearest = meant(name, config.definition.keys)
        hint = f" Did you mean {nearest}?" if nearest else ""
        yield warning("worker", f"unknown option {name}, without effect.{hint}", _CORRECT)
    if service is not None and not service.active:
        text = "the service is not running"
        remedy = f"systemctl start {UNIT}  # journalctl -u {UNIT} -n 50 says why it ended"
        yield problem("service", text, remedy)


def refused(error: ConnectError) -> Iterator[Finding]:
    """Give each thing for which the daemon does not start."""
    findings = error.findings if isinstance(error, ConfigError) else (str(error),)
    for text in (line for found in findings for line in found.splitlines()):
        yield problem("worker", f"the daemon does not start: {text}", _CORRECT)
