"""Checks of a worker's options, in Kafka's words, that more than one module needs.

Semantics: Kafka 4.3.1 WorkerConfig, RestServerConfig, DistributedConfig and TopicCreationConfig.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.config.listeners import parse_listener
from appliance.config.validators import Check
from appliance.errors import ConfigError


def check_listeners(name: str, value: Any) -> None:
    """Refuse a list of addresses in which one cannot be read. Raises ConfigError."""
    if value is None:
        return
    if not value and name == "listeners":
        raise ConfigError.invalid(name, value, "At least one listener must be configured.")
    for text in value:
        parse_listener(name, text)


def _check_count(meaning: str) -> Check:
    def check(name: str, value: Any) -> None:
        if value is None:
            raise ConfigError.invalid(name, value, f"{meaning} must be non-null")
        if value != -1 and value < 1:
            raise ConfigError.invalid(
                name, value, f"{meaning} must be positive, or -1 to use the broker's default"
            )

    return Check(check, "Positive number, or -1 to use the broker's default")


def _check_replication(name: str, value: Any) -> None:
    if value is None or (value != -1 and value < 1):
        raise ConfigError.invalid(
            name,
            value,
            "Replication factor must be positive and not larger than the number of brokers in the "
            "Kafka cluster, or -1 to use the broker's default",
        )


PARTITIONS: Final = _check_count("Number of partitions")
REPLICATION: Final = Check(
    _check_replication,
    "Positive number not larger than the number of brokers in the Kafka cluster, "
    "or -1 to use the broker's default",
)
LISTENERS: Final = Check(
    check_listeners,
    "List of comma-separated URLs, ex: http://localhost:8080,https://localhost:8443.",
)

OVERRIDE_ALLOWLIST: Final = "connector.client.config.override.allowlist"
OVERRIDE_POLICY: Final = "connector.client.config.override.policy"
_POLICY_PACKAGE: Final = "org.apache.kafka.connect.connector.policy."
_POLICY_SUFFIX: Final = "ConnectorClientConfigOverridePolicy"
_POLICIES: Final = ("All", "Allowlist", "None", "Principal")


def policy_of(text: str) -> str:
    """Give a policy's short name for that or its class."""
    return text.strip().removeprefix(_POLICY_PACKAGE).removesuffix(_POLICY_SUFFIX)


def _check_policy(name: str, value: Any) -> None:
    if policy_of(value or "") not in _POLICIES:
        raise ConfigError.invalid(
            name, value, f"there is no such policy; give one of {', '.join(_POLICIES)}"
        )


POLICY: Final = Check(_check_policy, ", ".join(_POLICIES))
