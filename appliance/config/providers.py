"""Config providers: `${alias:path:key}` in values to what a file, folder or variable holds.

Semantics: Kafka 4.3.1 ConfigTransformer, FileConfigProvider, DirectoryConfigProvider and
EnvVarConfigProvider: one pass, several per value, what is unknown stays as it stands. Of our own is the
parameter `ttl.ms` of each provider: for how long a value that was read holds.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from appliance.config.properties import parse_properties
from appliance.config.secrets import hide_in_logs
from appliance.errors import ConfigError

_LOG = logging.getLogger("org.apache.kafka.common.config.ConfigTransformer")
_REFERENCE: Final = re.compile(r"\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}")
_PACKAGE: Final = "org.apache.kafka.common.config.provider."


class Reference(NamedTuple):
    """What `${alias:path:key}` names; `path` may be empty."""

    alias: str
    path: str
    key: str


def references(value: str) -> list[Reference]:
    """Give what a value refers to."""
    return [Reference(m[1], m[3] or "", m[4]) for m in _REFERENCE.finditer(value)]


class Provider(Protocol):
    """Looks values up; called on the thread that resolves a configuration."""

    def get(self, path: str, key: str) -> str | None:
        """Give the value of `key` at `path`, None when there is none. Raises ConfigError."""


class AllowedPaths:
    """The folders and files that a provider may read; no list allows all."""

    def __init__(self, text: str) -> None:
        """Read a comma list. Raises ConfigError for a path that is relative or does not exist."""
        self._roots = [self._root(part.strip()) for part in text.split(",") if part.strip()]

    @staticmethod
    def _root(text: str) -> Path:
        path = Path(text)
        if not path.is_absolute():
            raise ConfigError(f"Path {text} is not absolute")
        if not path.exists():
            raise ConfigError(f"Path {text} does not exist")
        return path.resolve()

    def allow(self, text: str) -> Path | None:
        """Give `text` as a path if it lies under a root; links are followed first."""
        path = Path(os.path.normpath(text)).absolute()
        if self._roots and not any(path.resolve().is_relative_to(root) for root in self._roots):
            _LOG.warning("The path %s is not allowed to be accessed", text)
            return None
        return path


class FileProvider:
    """A key of a properties file."""

    def __init__(self, params: Mapping[str, str]) -> None:
        """Take `allowed.paths`."""
        self._allowed = AllowedPaths(params.get("allowed.paths", ""))

    def get(self, path: str, key: str) -> str | None:
        """Give the value of `key` in the file."""
        allowed = self._allowed.allow(path) if path else None
        if allowed is None:
            return None
        try:
            return parse_properties(allowed.read_text(encoding="utf-8")).get(key)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"Could not read properties from file {path}") from error


class DirectoryProvider:
    """The content of a file, its name the key; a newline at its end belongs to the value."""

    def __init__(self, params: Mapping[str, str]) -> None:
        """Take `allowed.paths`."""
        self._allowed = AllowedPaths(params.get("allowed.paths", ""))

    def get(self, path: str, key: str) -> str | None:
        """Give the content of the file `key` in the folder."""
        folder = self._allowed.allow(path) if path else None
        if folder is None:
            return None
        if not folder.is_dir():
            _LOG.warning("The path %s is not a directory", path)
            return None
        file = self._allowed.allow(str(folder / key))
        if file is None or file.parent != folder or not file.is_file():
            return None
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"Could not read file {file} for property {key}") from error


class EnvironmentProvider:
    """An environment variable, as it stood when the worker started."""

    def __init__(self, params: Mapping[str, str]) -> None:
        """Take `allowlist.pattern`, which a whole name must match."""
        allowed = re.compile(params.get("allowlist.pattern", ".*"))
        self._values = {k: v for k, v in os.environ.items() if allowed.fullmatch(k)}

    def get(self, path: str, key: str) -> str | None:
        """Give the variable; there are no paths."""
        if path:
            raise ConfigError(
                f"Path is not supported for EnvVarConfigProvider, invalid value '{path}'"
            )
        return self._values.get(key)


_CLASSES: Final[Mapping[str, Callable[[Mapping[str, str]], Provider]]] = {
    f"{_PACKAGE}FileConfigProvider": FileProvider,
    f"{_PACKAGE}DirectoryConfigProvider": DirectoryProvider,
    f"{_PACKAGE}EnvVarConfigProvider": EnvironmentProvider,
}
_PATHS: Final = ("allowed.paths", "the folders or files, separated by commas, that it is for")
_LIMITS: Final[Mapping[str, tuple[str, str]]] = {
    f"{_PACKAGE}FileConfigProvider": _PATHS,
    f"{_PACKAGE}DirectoryConfigProvider": _PATHS,
    f"{_PACKAGE}EnvVarConfigProvider": (
        "allowlist.pattern",
        "a regular expression of the variables that it is for",
    ),
}
"""What keeps a provider to its own, and what to set it to."""


class Providers:
    """A worker's providers by alias; made once, used from any thread."""

    def __init__(
        self, providers: Mapping[str, Provider], ttls_s: Mapping[str, float] | None = None
    ) -> None:
        """Take the providers and, by alias, for how long their values hold."""
        self._providers = providers
        self._ttls_s = ttls_s or {}

    @classmethod
    def from_config(cls, worker: Mapping[str, str]) -> Providers:
        """Build what `config.providers` names. Raises ConfigError for a class that there is not."""
        named = aliases(worker)
        ttls = {alias: _ttl_s(alias, worker) for alias in named}
        return cls(
            {alias: _build(alias, worker) for alias in named},
            {alias: ttl_s for alias, ttl_s in ttls.items() if ttl_s is not None},
        )

    @property
    def shortest_ttl_s(self) -> float | None:
        """Give how long a value holds at least, None when all hold for ever."""
        return min(self._ttls_s.values(), default=None)

    def ttl_s(self, config: Mapping[str, str]) -> float | None:
        """Give for how long the values that `config` refers to hold, None for ever."""
        named = {m[1] for value in config.values() for m in _REFERENCE.finditer(value)}
        return min((self._ttls_s[alias] for alias in named & self._ttls_s.keys()), default=None)

    def resolve(self, config: Mapping[str, str]) -> dict[str, str]:
        """Give `config` with every reference replaced that is known. Raises ConfigError.

        This process's later log lines show none of its secrets.
        """
        resolved = dict(config)
        if self._providers:
            resolved = {name: self._resolve_value(value) for name, value in config.items()}
        hide_in_logs(resolved)
        return resolved

    def resolve_worker(self, config: Mapping[str, str]) -> dict[str, str]:
        """Give a worker's own configuration resolved; what defines the providers stays as it stands."""
        resolved = self.resolve(config)
        kept = {
            name: value
            for name, value in config.items()
            if name == "plugin.path" or name.startswith("config.providers")
        }
        return {**resolved, **kept}

    def _resolve_value(self, value: str) -> str:
        if not isinstance(value, str) or "${" not in value:
            return value
        return _REFERENCE.sub(self._replacement, value)

    def _replacement(self, match: re.Match[str]) -> str:
        provider = self._providers.get(match[1])
        found = None if provider is None else provider.get(match[3] or "", match[4])
        return match[0] if found is None else found


def refuse_unlimited(worker: Mapping[str, str]) -> None:
    """Refuse providers that would read whatever the daemon may. Raises ConfigError naming the option."""
    for alias in aliases(worker):
        provider = _class_of(alias, worker)
        limit, what = _LIMITS[provider]
        option = f"config.providers.{alias}.param.{limit}"
        if not worker.get(option, "").strip():
            raise ConfigError(
                f"Configuration provider {alias} ({provider.rpartition('.')[2]}) may read anything: set "
                f"{option} to {what}."
            )


def aliases(worker: Mapping[str, str]) -> list[str]:
    """Give the providers that `config.providers` names."""
    return [a.strip() for a in worker.get("config.providers", "").split(",") if a.strip()]


def _class_of(alias: str, worker: Mapping[str, str]) -> str:
    class_key = f"config.providers.{alias}.class"
    name = worker.get(class_key, "")
    full = name if "." in name else _PACKAGE + name
    if full not in _CLASSES:
        raise ConfigError.invalid(
            class_key,
            name or None,
            f"Class {name} could not be found. Known: {', '.join(_CLASSES)}",
        )
    return full


def _build(alias: str, worker: Mapping[str, str]) -> Provider:
    prefix = f"config.providers.{alias}.param."
    return _CLASSES[_class_of(alias, worker)](
        {k[len(prefix) :]: v for k, v in worker.items() if k.startswith(prefix)}
    )


def _ttl_s(alias: str, worker: Mapping[str, str]) -> float | None:
    option = f"config.providers.{alias}.param.ttl.ms"
    text = worker.get(option)
    if text is None:
        return None
    if not text.strip().isdecimal() or int(text) == 0:
        raise ConfigError.invalid(option, text, "Value must be a number of milliseconds above 0")
    return int(text) / 1000
