"""WorkerConfig: a worker's options, parsed, with what its clients get.

Semantics: Kafka Connect 4.3.1 WorkerConfig, DistributedConfig, StandaloneConfig; unknown options with
the prefix `appliance.` are refused, others are listed in `unknown` for one warning.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from appliance.config.client_refusals import (
    ALLOWED_URLS,
    IDENTIFICATION,
    PROTOCOLS,
    names_unchecked,
    refusals,
)
from appliance.config.define import ConfigDef
from appliance.config.folders import own_folder
from appliance.config.jaas import MECHANISMS
from appliance.config.listeners import Listener, parse_listener
from appliance.config.properties import load_properties
from appliance.config.worker_keys import DISTRIBUTED_KEYS, RUN_DEFAULTS, STANDALONE_KEYS
from appliance.errors import ConfigError

Mode = Literal["run", "distributed", "standalone"]
Role = Literal["worker", "producer", "consumer", "admin"]

APPLIANCE_PREFIX: Final = "appliance."
OWN_PORT_OFFSET: Final = 100
"""From the public port to that of the first worker."""
_PREFIXES: Final = (
    "producer.",
    "consumer.",
    "admin.",
    "config.providers.",
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "internal.",
    "config.storage.",
    "offset.storage.",
    "status.storage.",
    "listeners.https.",
    "admin.listeners.https.",
    "rest.extension.",
    "metrics.context.",
    "connector.client.config.override.",
)


class WorkerConfig:
    """A worker's configuration; immutable. `originals` are the texts, providers already resolved."""

    def __init__(self, originals: Mapping[str, str], mode: Mode = "distributed") -> None:
        """Parse `originals` for `mode`. Raises ConfigError carrying every finding."""
        self.mode: Final = mode
        texts = {**RUN_DEFAULTS, **originals} if mode == "run" else dict(originals)
        self.originals: Final[Mapping[str, str]] = texts
        self._values: Final = _parsed(self.definition, texts)
        self.unknown: Final = _unknown(self.definition, texts)
        self._check_consistency()

    @classmethod
    def load(cls, path: Path, mode: Mode) -> WorkerConfig:
        """Give the configuration in the file at `path`, `${provider:..}` resolved. Raises ConfigError."""
        return cls.of(load_properties(path), mode)

    @classmethod
    def of(cls, texts: Mapping[str, str], mode: Mode) -> WorkerConfig:
        """Give the configuration in `texts`, `${provider:..}` resolved. Raises ConfigError."""
        # Kept out of the module's imports: a file without providers needs none of it.
        from appliance.config.providers import Providers, refuse_unlimited

        if mode == "run":
            refuse_unlimited(texts)
        return cls(Providers.from_config(texts).resolve_worker(texts), mode)

    @property
    def definition(self) -> ConfigDef:
        """Give the options that the mode knows."""
        return STANDALONE_KEYS if self.mode == "standalone" else DISTRIBUTED_KEYS

    @property
    def standalone(self) -> bool:
        """Whether state is kept in a file and in memory, without a group."""
        return self.mode == "standalone"

    def __getitem__(self, name: str) -> Any:
        """Give the parsed value of an option that the mode knows. Raises KeyError."""
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        """Whether the mode knows the option."""
        return name in self._values

    def text(self, name: str) -> str:
        """Give an option that is a text; unset is empty."""
        value = self._values[name]
        return "" if value is None else str(value)

    def number(self, name: str) -> int:
        """Give an option that is an integer."""
        return int(self._values[name])

    def flag(self, name: str) -> bool:
        """Give an option that is true or false."""
        return bool(self._values[name])

    def seconds(self, name: str) -> float:
        """Give an option in milliseconds as seconds."""
        return int(self._values[name]) / 1000

    @property
    def bootstrap_servers(self) -> str:
        """Give the brokers to begin with, separated by commas."""
        return ",".join(self._values["bootstrap.servers"])

    @property
    def group_id(self) -> str:
        """Give the workers' group; empty in standalone mode."""
        return "" if self.standalone else self.text("group.id")

    @property
    def exactly_once(self) -> bool:
        """Whether source tasks write in transactions."""
        return (
            not self.standalone and self.text("exactly.once.source.support").lower() == "enabled"
        )

    @property
    def transactional_leader(self) -> bool:
        """Whether the leader writes the configuration topic in transactions."""
        return (
            not self.standalone and self.text("exactly.once.source.support").lower() != "disabled"
        )

    @property
    def masks_secrets(self) -> bool:
        """Whether passwords are masked in REST answers; a user's own files answer as Connect does."""
        return self.mode == "run"

    @property
    def journal_topic(self) -> str:
        """Give the topic of the journal."""
        return self.text("appliance.journal.topic") or f"{self.group_id}-journal"

    @property
    def listeners(self) -> list[Listener]:
        """Give the addresses on which REST is served."""
        return [parse_listener("listeners", text) for text in self._values["listeners"]]

    @property
    def advertised_listener(self) -> Listener:
        """Give the public address whose scheme other workers call."""
        listeners = self.listeners
        schemes = [listener.scheme for listener in listeners]
        wanted = self.text("rest.advertised.listener").lower()
        scheme = wanted or ("http" if "http" in schemes else "https")
        return next((one for one in listeners if one.scheme == scheme), listeners[0])

    def own_listener(self, index: int) -> Listener:
        """Give where a worker of the daemon listens alone, port 0 where any will do."""
        public = self.advertised_listener
        host = public.host if self.text("rest.advertised.host.name") else "127.0.0.1"
        port = public.port + OWN_PORT_OFFSET + index if public.port else 0
        return Listener(public.scheme, host, port)

    @property
    def admin_listeners(self) -> list[Listener]:
        """Give where /admin is served when that is not where everything is."""
        option = "admin.listeners"
        return [parse_listener(option, text) for text in self._values[option] or ()]

    @property
    def registry_listeners(self) -> list[Listener]:
        """Give where the built-in schema registry is served; empty when there is none."""
        option = "appliance.registry.listeners"
        return [parse_listener(option, text) for text in self._values.get(option) or ()]

    @property
    def allowed_urls(self) -> tuple[str, ...]:
        """Give the token servers that Kafka clients may ask; empty: any over https."""
        return tuple(self[ALLOWED_URLS])

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Give the options that switch the check of brokers' names off, for one warning each."""
        return tuple(
            f"{prefix}{IDENTIFICATION}"
            for prefix, java in self._clients()
            if names_unchecked(java)
        )

    @property
    def state_dir(self) -> Path:
        """Give the folder for what must outlive the daemon."""
        return own_folder(self.text("appliance.state.dir"), "STATE_DIRECTORY", "state")

    @property
    def runtime_dir(self) -> Path:
        """Give the folder for lock files and sockets of this boot."""
        return own_folder(self.text("appliance.runtime.dir"), "RUNTIME_DIRECTORY", "run")

    def with_prefix(self, prefix: str) -> dict[str, str]:
        """Give the texts of the options below `prefix`, without it."""
        return {
            name[len(prefix) :]: value
            for name, value in self.originals.items()
            if name.startswith(prefix) and len(name) > len(prefix)
        }

    def client_settings(self, role: Role) -> dict[str, str]:
        """Give the Java-named settings of Kafka clients: the worker's own, or a connector's of `role`.

        Connectors' admin clients inherit the worker's bare client options, their producers and
        consumers do not (Connect's rule); a connector's own overrides go on top of these.
        """
        settings = {"bootstrap.servers": self.bootstrap_servers}
        if role in ("worker", "admin"):
            settings |= self._bare_client_settings()
        if role != "worker":
            settings |= self.with_prefix(f"{role}.")
        return settings

    def topic_settings(self, store: Literal["config", "offset", "status"]) -> dict[str, str]:
        """Give what an internal topic is made with beside partitions and replicas."""
        fixed = {"topic", "partitions", "replication.factor", "cleanup.policy", "file.filename"}
        return {
            name: value
            for name, value in self.with_prefix(f"{store}.storage.").items()
            if name not in fixed
        }

    def _bare_client_settings(self) -> dict[str, str]:
        own = set(self.definition.keys) - _CLIENT_NAMES
        return {
            name: value
            for name, value in self.originals.items()
            if name not in own and not name.startswith((*_PREFIXES, APPLIANCE_PREFIX))
        }

    def _clients(self) -> list[tuple[str, Mapping[str, str]]]:
        """Give the options that name clients' behaviour, each with the prefix they stand behind."""
        prefixes = ("producer.", "consumer.", "admin.")
        return [("", self.originals), *((name, self.with_prefix(name)) for name in prefixes)]

    def _check_clients(self) -> None:
        findings = []
        for prefix, java in self._clients():
            refused = refusals(java, self.allowed_urls)
            if not prefix and self._only_rest_has_tls():
                refused.pop(PROTOCOLS, None)
            findings += [f"{prefix and f'{prefix}*: '}{text}" for text in refused.values()]
        if not self.standalone:
            protocol = self.originals.get("security.protocol", "PLAINTEXT").upper()
            mechanism = self.originals.get("sasl.mechanism", "GSSAPI").upper()
            if protocol.startswith("SASL") and mechanism not in MECHANISMS:
                findings.append(
                    f"sasl.mechanism={mechanism}: the workers themselves log in to their group by "
                    f"{', '.join(MECHANISMS)} alone; set one of these. Connectors' clients may use "
                    "OAUTHBEARER: set it as producer., consumer. and admin.sasl.mechanism."
                )
        if findings:
            raise ConfigError("\n".join(findings), tuple(findings))

    def _only_rest_has_tls(self) -> bool:
        """Whether the options of TLS without a prefix are those of REST, which honours the versions."""
        secured = any(listener.scheme == "https" for listener in self.listeners)
        return secured and not self.originals.get("security.protocol", "").upper().endswith("SSL")

    def _check_consistency(self) -> None:
        self._check_clients()
        if self.standalone:
            return
        topics = [self.text(f"{store}.storage.topic") for store in ("config", "offset", "status")]
        if len(set(topics)) < len(topics):
            raise ConfigError(
                "config.storage.topic, offset.storage.topic and status.storage.topic must be three "
                f"different topics, but are {', '.join(topics)}."
            )
        algorithm = self.text("inter.worker.signature.algorithm")
        if algorithm not in self["inter.worker.verification.algorithms"]:
            raise ConfigError(
                "Signature algorithm must be present in verification algorithms list: add "
                f"{algorithm} to inter.worker.verification.algorithms."
            )
        if self.number("heartbeat.interval.ms") >= self.number("session.timeout.ms"):
            raise ConfigError("heartbeat.interval.ms must be lower than session.timeout.ms.")


def _client_names() -> frozenset[str]:
    from appliance.config.client_keys import CLIENT_KEYS, SSL_KEYS

    return frozenset(key.name for key in (*CLIENT_KEYS, *SSL_KEYS)) | {"client.dns.lookup"}


_CLIENT_NAMES: Final = _client_names()


def _parsed(definition: ConfigDef, texts: Mapping[str, str]) -> dict[str, Any]:
    try:
        values = definition.parse(texts)
    except ConfigError:
        findings = [error for value in definition.validate(texts) for error in value.errors]
        raise ConfigError("\n".join(findings), tuple(findings)) from None
    known = [name for name in definition.keys if name.startswith(APPLIANCE_PREFIX)]
    for name in texts:
        if name.startswith(APPLIANCE_PREFIX) and name not in values:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise ConfigError(f"Unknown option {name}. Did you mean {nearest}?")
    return values


def _unknown(definition: ConfigDef, texts: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        name
        for name in texts
        if name not in definition.keys
        and name not in _CLIENT_NAMES
        and not name.startswith((*_PREFIXES, APPLIANCE_PREFIX))
    )
