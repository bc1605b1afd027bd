"""What the Debian package of the broker adds to a worker file: how to log in to that broker.

Its unit writes Java client options to `CLIENT_FILE`. They hold where the worker file names that broker, or
none, and has no login of its own; the worker's own clients and those of its connectors get them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from appliance.config.properties import load_properties
from appliance.config.worker_keys import RUN_DEFAULTS

CLIENT_FILE: Final = Path("/etc/ingest-appliance-kafka/client.properties")
_LOGIN: Final = ("security.protocol", "sasl.mechanism", "sasl.jaas.config")
_ROLES: Final = ("", "producer.", "consumer.")


def add_login(texts: dict[str, str], file: Path = CLIENT_FILE) -> None:
    """Add the packaged broker's login to a worker file's options. Raises ConfigError naming `file`."""
    usual = RUN_DEFAULTS["bootstrap.servers"]
    named = texts.get("bootstrap.servers", usual).strip().replace("localhost:", "127.0.0.1:")
    if _LOGIN[0] in texts or not file.exists():
        return
    if named != usual and not os.access(file, os.R_OK):
        return
    login = load_properties(file)
    if named == login.get("bootstrap.servers"):
        for role in _ROLES:
            for name in _LOGIN:
                texts.setdefault(role + name, login[name])
