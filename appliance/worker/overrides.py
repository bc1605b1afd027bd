"""Client options that a connector overrides: what the worker's policy allows, and what they amount to.

Semantics: Kafka Connect 4.3.1 AbstractHerder.validateClientOverrides and the override policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from appliance.api.plugin import Plugin
from appliance.config.client_tables import CLIENT_DEFINITIONS, Role
from appliance.config.define import ConfigValue
from appliance.config.types import parse_type
from appliance.config.worker import WorkerConfig

_PRINCIPAL: Final = ("sasl.jaas.config", "sasl.mechanism", "security.protocol")
_POLICY_PACKAGE: Final = "org.apache.kafka.connect.connector.policy."
_POLICY_SUFFIX: Final = "ConnectorClientConfigOverridePolicy"
POLICIES: Final = ("All", "None", "Principal", "Allowlist")


def policy_name(worker: WorkerConfig) -> str:
    """Give the worker's policy by its short name."""
    text = worker.text("connector.client.config.override.policy")
    return text.removeprefix(_POLICY_PACKAGE).removesuffix(_POLICY_SUFFIX)


def client_values(
    role: Role, config: Mapping[str, str | None], worker: WorkerConfig
) -> list[ConfigValue]:
    """Give one value per option overridden for `role`. Raises ConfigError for one that cannot be read."""
    prefix = f"{role}.override."
    keys = CLIENT_DEFINITIONS[role]
    policy = policy_name(worker)
    allowed = {
        name.strip()
        for name in worker.originals.get("connector.client.config.override.allowlist", "").split(
            ","
        )
    }
    values = []
    for full_name, text in config.items():
        name = full_name[len(prefix) :]
        if not full_name.startswith(prefix) or not name:
            continue
        key = keys.get(name)
        value = ConfigValue(name, text if key is None else parse_type(name, text, key.type))
        if (
            policy == "None"
            or (policy == "Principal" and name not in _PRINCIPAL)
            or (policy == "Allowlist" and name not in allowed)
        ):
            value.errors.append(
                f"The '{policy}' policy does not allow '{name}' to be overridden in the connector "
                "configuration."
            )
        values.append(value)
    return values


def roles_of(plugin: Plugin, config: Mapping[str, str | None]) -> list[Role]:
    """Give the clients that a connector uses, in the order of validation."""
    queue = bool((config.get("errors.deadletterqueue.topic.name") or "").strip())
    if plugin.kind == "source":
        creates = any(name.startswith("topic.creation.") for name in config)
        return ["producer", "admin"] if creates else ["producer"]
    return ["producer", "consumer", "admin"] if queue else ["consumer"]
