"""Client options that a connector overrides: what they amount to, and which are refused.

Semantics: Kafka Connect 4.3.1 AbstractHerder.validateClientOverrides.
"""

from __future__ import annotations

from collections.abc import Mapping

from appliance.api.plugin import Plugin
from appliance.config.client_refusals import refusals
from appliance.config.client_tables import CLIENT_DEFINITIONS, Role
from appliance.config.define import ConfigValue
from appliance.config.override_policy import override_errors
from appliance.config.types import parse_type
from appliance.config.worker import WorkerConfig


def client_values(
    role: Role, config: Mapping[str, str | None], worker: WorkerConfig
) -> list[ConfigValue]:
    """Give one value per option overridden for `role`. Raises ConfigError for one that cannot be read."""
    prefix = f"{role}.override."
    keys = CLIENT_DEFINITIONS[role]
    own = {
        name[len(prefix) :]: text
        for name, text in config.items()
        if name.startswith(prefix) and name != prefix
    }
    forbidden, refused = override_errors(worker, own), refusals(own, worker.allowed_urls)
    values = []
    for name, text in own.items():
        key = keys.get(name)
        value = ConfigValue(name, text if key is None else parse_type(name, text, key.type))
        value.errors += [found[name] for found in (forbidden, refused) if name in found]
        values.append(value)
    return values


def roles_of(plugin: Plugin, config: Mapping[str, str | None]) -> list[Role]:
    """Give the clients that a connector uses, in the order of validation."""
    queue = bool((config.get("errors.deadletterqueue.topic.name") or "").strip())
    if plugin.kind == "source":
        creates = any(name.startswith("topic.creation.") for name in config)
        return ["producer", "admin"] if creates else ["producer"]
    return ["producer", "consumer", "admin"] if queue else ["consumer"]
