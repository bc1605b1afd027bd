"""Leases: which connectors and tasks stand on values of config providers that hold no longer.

A provider with a `ttl.ms` gives its values for that long. When it is over the references are read again:
what has changed is told as expired, so that it is restarted; what has not holds for another term.
`config.action.reload=none` takes no lease. Semantics: Kafka Connect 4.3.1 WorkerConfigTransformer, which
restarts the connector whether or not a value has changed, and leaves its tasks as they are.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Collection, Mapping

from appliance.clock import Clock
from appliance.config.providers import Providers
from appliance.errors import ConfigError
from appliance.ids import ConnectorTaskId

log = logging.getLogger("org.apache.kafka.connect.runtime.WorkerConfigTransformer")

Name = ConnectorTaskId | str


@dataclasses.dataclass(slots=True)
class _Lease:
    raw: Mapping[str, str]
    resolved: Mapping[str, str]
    ttl_s: float
    ends_s: float


class ValueLeases:
    """Leases by the connector or task that took them; any thread."""

    def __init__(self, providers: Providers, clock: Clock) -> None:
        self._providers = providers
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[Name, _Lease] = {}

    def take(self, name: Name, raw: Mapping[str, str], resolved: Mapping[str, str]) -> None:
        """Note what `name` starts with; a former lease of it is over."""
        ttl_s = self._providers.ttl_s(raw)
        if resolved.get("config.action.reload", "restart").strip().lower() == "none":
            ttl_s = None
        with self._lock:
            self._taken.pop(name, None)
            if ttl_s is not None:
                ends_s = self._clock.monotonic_s() + ttl_s
                self._taken[name] = _Lease(raw, resolved, ttl_s, ends_s)

    def expired(self, running: Collection[Name]) -> list[Name]:
        """Give those of `running` whose values have changed; leases of what runs no more are dropped."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            self._taken = {name: at for name, at in self._taken.items() if name in running}
            due = {name: lease for name, lease in self._taken.items() if lease.ends_s <= now_s}
        return [name for name, lease in due.items() if self._changed(name, lease, now_s)]

    def _changed(self, name: Name, lease: _Lease, now_s: float) -> bool:
        lease.ends_s = now_s + lease.ttl_s
        try:
            resolved = self._providers.resolve(lease.raw)
        except ConfigError as error:
            log.warning("Values cannot be read again and stay. name=%s error=%s", name, error)
            return False
        if resolved == lease.resolved:
            return False
        log.info("Values of a config provider have changed. name=%s", name)
        return True
