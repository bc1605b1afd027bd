"""Who reaches REST: beyond this machine it is served with TLS and authentication, or on purpose without.

Needs no HTTP library: the supervisor asks before it starts anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance.config.listeners import Listener
from appliance.config.worker import WorkerConfig
from appliance.errors import ConfigError

OPEN: Final = "appliance.rest.open"
USERS: Final = "appliance.rest.users.file"
_CLIENT_AUTH: Final = "ssl.client.auth"


def check_reach(config: WorkerConfig) -> Sequence[str]:
    """Give a sentence for each listener beyond this machine without TLS and authentication.

    Raises ConfigError instead under `run`, unless `appliance.rest.open` is set: a user's own worker file
    serves what it says, as with Kafka Connect.
    """
    problems = [
        problem
        for option, prefix, listeners in (
            ("listeners", "listeners.https.", config.listeners),
            ("admin.listeners", "admin.listeners.https.", config.admin_listeners),
            ("appliance.registry.listeners", "listeners.https.", config.registry_listeners),
        )
        for listener in listeners
        if not listener.loopback
        for problem in _problem(config, option, prefix, listener)
    ]
    if problems and config.mode == "run" and not config.flag(OPEN):
        raise ConfigError("\n".join(f"{problem} Or set {OPEN}=true." for problem in problems))
    return problems


def _problem(config: WorkerConfig, option: str, prefix: str, listener: Listener) -> list[str]:
    missing = []
    if listener.scheme != "https":
        missing.append("TLS (https, with ssl.keystore.*)")
    connect = bool(config["rest.extension.classes"]) and option != "admin.listeners"
    if not (config.text(USERS) or connect or _certified(config, prefix)):
        missing.append(f"authentication ({USERS}, or {_CLIENT_AUTH}=required)")
    if not missing:
        return []
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    shown = f"{listener.scheme}://{host}:{listener.port}"
    return [
        (
            f"{option} serves {shown}, which other machines reach, without {' and '.join(missing)}: "
            "anybody there may read data and change connectors. Add it, or listen on 127.0.0.1."
        )
    ]


def _certified(config: WorkerConfig, prefix: str) -> bool:
    """Tell whether a caller must show a certificate: by the prefix's own options if it has any."""
    own = config.with_prefix(prefix)
    options = own if any(name.startswith("ssl.") for name in own) else config.originals
    return options.get(_CLIENT_AUTH, "none").lower() == "required"
