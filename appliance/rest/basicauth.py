"""Basic authentication: Kafka Connect's own REST extension, with its JAAS entry and password file.

The entry `KafkaConnect` of the JAAS file names a file of `user=password` lines, read once. An empty file
lets everyone in. Calls between workers are signed and not asked for a password.

Semantics: Kafka Connect 4.3.1 BasicAuthSecurityRestExtension, JaasBasicAuthFilter, PropertyFileLoginModule.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.config.properties import parse_properties
from appliance.config.worker import WorkerConfig
from appliance.errors import ConfigError
from appliance.rest.answers import JSON

EXTENSION: Final = (
    "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"
)
_MODULE: Final = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule"
_JAAS_FILE: Final = "appliance.jaas.file"
_FROM_JAVA: Final = re.compile(r"-Djava\.security\.auth\.login\.config=(\S+)")
_INTERNAL: Final = (("POST", "tasks"), ("PUT", "fence"))


class BasicAuth:
    """Who may call; off unless the worker names the extension."""

    def __init__(self, config: WorkerConfig, *, on: bool = True) -> None:
        """Read the password file. Raises ConfigError for what cannot be read, and other extensions."""
        named = [name for name in config["rest.extension.classes"] if name]
        self._passwords: Mapping[str, str] = {}
        for name in named:
            if name != EXTENSION:
                raise ConfigError.invalid(
                    "rest.extension.classes", name, f"the only REST extension here is {EXTENSION}"
                )
        if named and on:
            self._passwords = _passwords(config)

    @property
    def asks(self) -> bool:
        """Whether there is anybody to be known."""
        return bool(self._passwords)

    def is_password(self, name: str, password: str) -> bool:
        """Tell whether this is the password of `name`."""
        wanted = self._passwords.get(name)
        return wanted is not None and hmac.compare_digest(wanted.encode(), password.encode())

    def refused(self) -> Response:
        """Give the answer to a caller who is not known."""
        response = Response(b"User cannot access the resource.", 401)
        response.headers["content-type"] = JSON
        return response


def is_internal(request: Request) -> bool:
    """Tell whether a request is one of those between workers that Connect signs itself."""
    path = request.url.path.strip("/").split("/")
    return len(path) == 3 and (request.method, path[2]) in _INTERNAL


def _passwords(config: WorkerConfig) -> Mapping[str, str]:
    found = _FROM_JAVA.search(os.environ.get("KAFKA_OPTS", ""))
    jaas = config.text(_JAAS_FILE) or (found[1] if found is not None else "")
    if not jaas:
        raise ConfigError(
            f"{EXTENSION} needs a JAAS file: name it in {_JAAS_FILE}, or in KAFKA_OPTS as "
            "-Djava.security.auth.login.config=FILE."
        )
    text = _read("the JAAS file", jaas)
    entry = re.search(r"\bKafkaConnect\s*\{(.*?)\}\s*;", text, re.DOTALL)
    file = None if entry is None else re.search(r'\bfile\s*=\s*"([^"]*)"', entry[1])
    if entry is None or file is None or _MODULE not in entry[1]:
        raise ConfigError(
            f'The JAAS file {jaas} needs an entry KafkaConnect {{ {_MODULE} required file="FILE"; }};'
        )
    return parse_properties(_read("the password file", file[1]))


def _read(what: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"Reading {what} {path}: {error.strerror}.") from error
