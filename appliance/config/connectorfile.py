"""Connector files: a connector's configuration as Java properties or JSON.

Semantics: Kafka Connect 4.3.1 ConnectStandalone.parseConnectorConfigurationFile: a flat JSON object with
`name`, or `{name, config, initial_state}`, or properties.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.config.properties import load_properties
from appliance.errors import ConfigError
from appliance.ids import TargetState

SUFFIXES: Final = (".properties", ".json")
OWNER_KEY: Final = "appliance.connector.file"
"""Option of a connector that a file owns: `host:path`, set by the daemon alone."""
OWNER_HEADER: Final = "X-Appliance-Connector-File"
"""Request header by which a worker says that it acts for that file."""
_INITIAL_STATES: Final = {
    "RUNNING": TargetState.STARTED,
    "PAUSED": TargetState.PAUSED,
    "STOPPED": TargetState.STOPPED,
}


class ConnectorFile(NamedTuple):
    """One connector as its file has it; `target` None: running, or as it is."""

    path: Path
    name: str
    config: dict[str, str | None]
    target: TargetState | None


def read_connector_file(path: Path) -> ConnectorFile:
    """Give the connector in the file at `path`. Raises ConfigError naming the file and the remedy."""
    found = _json(path)
    if found is None:
        properties = load_properties(path)
        return ConnectorFile(path, _name(path, properties.get("name")), {**properties}, None)
    inner = found.get("config")
    if not isinstance(inner, dict):
        return ConnectorFile(path, _name(path, found.get("name")), _texts(path, found), None)
    name = _name(path, found.get("name"))
    config = _texts(path, inner)
    if config.setdefault("name", name) != name:
        raise ConfigError(
            f"Reading {path}: the name in config ({config['name']}) is not {name}. Make them the same."
        )
    return ConnectorFile(path, name, config, _target(path, found.get("initial_state")))


def connector_files(folder: Path) -> list[Path]:
    """Give the connector files of a folder, sorted; hidden ones do not count. Raises ConfigError."""
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.suffix in SUFFIXES and not path.name.startswith(".")
        )
    except OSError as error:
        raise ConfigError(
            f"Reading {folder}: {error.strerror}. Make the folder or correct appliance.connectors.dir."
        ) from error


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"Reading {path}: {error.strerror}. Check the path and who may read it."
        ) from error
    except ValueError as error:
        if path.suffix == ".json":
            raise ConfigError(f"Reading {path}: {not_json(error)}") from None
        return None
    return found if isinstance(found, dict) else None


def not_json(error: ValueError) -> str:
    """Say what is wrong with a text that was read as JSON, and where."""
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
    return f"it is not JSON: {error}."


def _name(path: Path, name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"Reading {path}: it names no connector. Add the option name.")
    return name.strip()


def _texts(path: Path, values: dict[str, Any]) -> dict[str, str | None]:
    texts: dict[str, str | None] = {}
    for option, value in values.items():
        if isinstance(value, (dict, list)):
            raise ConfigError(f"Reading {path}: the value of {option} is not a text or number.")
        texts[option] = json.dumps(value) if isinstance(value, (bool, int, float)) else value
    return texts


def _target(path: Path, text: Any) -> TargetState | None:
    if text is None:
        return None
    target = _INITIAL_STATES.get(str(text).upper())
    if target is None:
        raise ConfigError(
            f"Reading {path}: initial_state {text} is none of RUNNING, PAUSED and STOPPED."
        )
    return target
