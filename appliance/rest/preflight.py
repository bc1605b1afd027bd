"""What can be known of REST's settings before a worker starts: certificates, passwords, header rules."""

from __future__ import annotations

from appliance.config.worker import WorkerConfig
from appliance.rest.app import Gate
from appliance.rest.tls import ADMIN, LISTENERS, server_context


def check_rest(config: WorkerConfig) -> None:
    """Raise ConfigError for settings that no worker could serve with."""
    Gate(config)
    for prefix, listeners in ((LISTENERS, config.listeners), (ADMIN, config.admin_listeners)):
        if any(listener.scheme == "https" for listener in listeners):
            server_context(config, prefix)
