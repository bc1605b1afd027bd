"""Which options of its Kafka clients a connector may override, by the worker's policy.

Semantics: Kafka Connect 4.3.1 ConnectorClientConfigOverridePolicy and its four implementations. The list
that `run` begins with (`worker_keys.TUNING`) is ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from appliance.config.worker import WorkerConfig
from appliance.config.worker_checks import OVERRIDE_ALLOWLIST, OVERRIDE_POLICY, policy_of
from appliance.errors import ConfigError

_PRINCIPAL: Final = frozenset({"sasl.jaas.config", "sasl.mechanism", "security.protocol"})


def override_errors(worker: WorkerConfig, names: Iterable[str]) -> dict[str, str]:
    """Give why options may not be overridden, by name (without `producer.override.` and the like)."""
    policy = policy_of(worker.text(OVERRIDE_POLICY))
    if policy == "All":
        return {}
    allowed: frozenset[str] = frozenset()
    if policy == "Principal":
        allowed = _PRINCIPAL
    elif policy == "Allowlist":
        listed = worker.originals.get(OVERRIDE_ALLOWLIST, "").split(",")
        allowed = frozenset(name.strip() for name in listed)
    return {
        name: f"The '{policy}' policy does not allow '{name}' to be overridden in the connector "
        f"configuration.{_remedy(worker, policy)}"
        for name in names
        if name not in allowed
    }


def check_overrides(worker: WorkerConfig, names: Iterable[str]) -> None:
    """Refuse what the policy does not allow. Raises ConfigError carrying every finding."""
    findings = tuple(override_errors(worker, names).values())
    if findings:
        raise ConfigError("\n".join(findings), findings)


def _remedy(worker: WorkerConfig, policy: str) -> str:
    """Give what to do; under a user's own file the text is Connect's alone."""
    if worker.mode != "run":
        return ""
    if policy == "Allowlist":
        return (
            f" Allow it in the worker's {OVERRIDE_ALLOWLIST} (the list replaces the default one), or set "
            f"{OVERRIDE_POLICY}=All there."
        )
    return f" It is the worker's {OVERRIDE_POLICY} that says so."
