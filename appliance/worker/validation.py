"""Validation: what a connector's configuration amounts to, option by option, as Connect's REST says it.

`ConfigChecker` does the work in a process of its own (plugins are imported there); `Validator` is its
face in the worker: it forks that process, waits with a timeout and kills it. Blocking; threads of REST
and of the herder's checks.

Semantics: Kafka Connect 4.3.1 AbstractHerder.validateConnectorConfig and what it calls; the connector's
own options come from its `validate`.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from appliance.api.plugin import Kind, Plugin
from appliance.config.client_tables import CLIENT_DEFINITIONS
from appliance.config.connector import CONNECTOR_KEYS, SINK_KEYS, SOURCE_KEYS
from appliance.config.define import ConfigDef, ConfigKey, ConfigType, ConfigValue
from appliance.config.providers import Providers
from appliance.config.types import text_of
from appliance.config.worker import WorkerConfig
from appliance.errors import BadRequestError, ConnectError, UnreachableError
from appliance.telemetry.logs import blotted
from appliance.worker.enrich import BASE_CLASSES, enriched, resolve_classes
from appliance.worker.javahash import copied_hash_order, hash_order
from appliance.worker.overrides import client_values, roles_of
from appliance.worker.plugins import NoSuchConnectorError, Plugins, PluginVersionError
from appliance.worker.processes import Spawner
from appliance.worker.throwaway import Questions, answer

NULL_VALUE: Final = "Null value can not be supplied as the configuration value."
_ENDPOINT: Final = "`/connector-plugins/{connectorType}/config/validate`"

Infos = tuple[list[str], list[dict[str, Any]]]
"""Groups, and one {definition, value} per option."""


class ConfigInfos(msgspec.Struct, frozen=True):
    """What validation found; encodes to Connect's JSON."""

    name: str
    error_count: int
    groups: list[str]
    configs: list[dict[str, Any]]

    def errors(self) -> list[str]:
        """Give all error texts in order."""
        return [
            error
            for config in self.configs
            if config["value"] is not None
            for error in config["value"]["errors"]
        ]

    def check(self, *, passing: bool = False) -> None:
        """Raise BadRequestError with Connect's text when there are errors; UnreachableError if `passing`."""
        if not self.error_count:
            return
        lines = "\n".join(self.errors())
        kind = UnreachableError if passing else BadRequestError
        raise kind(
            "Connector configuration is invalid and contains the following "
            f"{self.error_count} error(s):\n{lines}\nYou can also find the above list of errors at "
            f"the endpoint {_ENDPOINT}"
        )


Judged = tuple[ConfigInfos, bool]
"""What validation found, and whether all its errors, if any, are of servers that are away."""


class ConfigChecker:
    """Validates configurations in this process."""

    def __init__(self, worker: WorkerConfig, plugins: Plugins, providers: Providers) -> None:
        """Take what a worker has."""
        self._worker = worker
        self._plugins = plugins
        self._providers = providers

    def validate(self, stored: Mapping[str, str | None]) -> ConfigInfos:
        """Give what `stored` amounts to. Raises BadRequestError when no connector can be made of it.

        Where secrets are masked, what a provider gave is shown as the reference that was sent.
        """
        return self._judged(stored)[0]

    def check(self, stored: Mapping[str, str | None]) -> None:
        """Raise BadRequestError when `stored` will not do, UnreachableError when it may do later."""
        infos, passing = self._judged(stored)
        infos.check(passing=passing)

    def _judged(self, stored: Mapping[str, str | None]) -> Judged:
        infos, passing = self._validated(stored)
        if not self._worker.masks_secrets:
            return infos, passing
        references = {name: text for name, text in stored.items() if text and "${" in text}
        for value in (config["value"] for config in infos.configs if config["value"] is not None):
            if value["value"] is not None and value["name"] in references:
                value["value"] = references[value["name"]]
            value["errors"] = [blotted(error) for error in value["errors"]]
        return infos, passing

    def _validated(self, stored: Mapping[str, str | None]) -> Judged:
        texts = self._providers.resolve({k: v for k, v in stored.items() if v is not None})
        config: dict[str, str | None] = {name: texts.get(name) for name in stored}
        class_name = config.get("connector.class")
        if class_name is None:
            shown = ", ".join(
                f"{name}={_java(stored[name])}" for name in copied_hash_order(stored)
            )
            raise BadRequestError(f"Connector config {{{shown}}} contains no connector type")
        if class_name in BASE_CLASSES:
            raise BadRequestError("Instantiation error")
        try:
            plugin = self._plugins.find_connector(
                class_name, config.get("connector.plugin.version")
            )
        except PluginVersionError as error:
            return self._wrong_version(class_name, config, str(error)), False
        return self._validate(class_name, plugin, config)

    def _validate(
        self, class_name: str, plugin: Plugin, config: Mapping[str, str | None]
    ) -> Judged:
        connector = plugin.load()()
        base = SOURCE_KEYS if plugin.kind == "source" else SINK_KEYS
        definition = enriched(base, config, plugin, self._worker, self._plugins)
        framework = {value.name: value for value in definition.validate(config)}
        resolve_classes(framework, config, self._plugins)
        for side in ("key", "value", "header"):
            converter, version = (
                framework[f"{side}.converter{tail}"] for tail in ("", ".plugin.version")
            )
            converter.errors += [
                error
                for error in version.errors
                if error.startswith("Plugin ") and error not in converter.errors
            ]
        if plugin.kind == "source":
            self._check_source(connector, config, framework)
        else:
            self._check_sink(config, framework)
        _refuse_nulls(config, framework)
        keys = {**definition.keys, **connector.config_def.keys}
        groups = [*definition.groups, *connector.config_def.groups]
        found = connector.validate(config)
        values = [*framework.values(), *found]
        parts = [
            (groups, _merge(keys, values)),
            *(
                prefixed(
                    CLIENT_DEFINITIONS[role],
                    client_values(role, config, self._worker),
                    f"{role}.override.",
                )
                for role in roles_of(plugin, config)
            ),
            *self._converter_infos(config, framework),
        ]
        infos = _joined(class_name, parts)
        passing = sum(len(value.errors) for value in found if value.passing)
        return infos, passing == infos.error_count

    def _wrong_version(
        self, class_name: str, config: Mapping[str, str | None], error: str
    ) -> ConfigInfos:
        plugin = self._plugins.find_connector(class_name)
        keys = {
            **CONNECTOR_KEYS.keys,
            "connector.plugin.version": dataclasses.replace(
                CONNECTOR_KEYS.keys["connector.plugin.version"], default=plugin.version
            ),
        }
        values = {value.name: value for value in ConfigDef(keys.values()).validate(config)}
        for name in ("connector.class", "connector.plugin.version"):
            values[name].errors.append(error)
        values["connector.plugin.version"].recommended_values = [plugin.version]
        resolve_classes(values, config, self._plugins)
        _refuse_nulls(config, values)
        for side in ("key", "value", "header"):
            values[f"{side}.converter.plugin.version"].visible = False
        return _joined(class_name, [(CONNECTOR_KEYS.groups, _merge(keys, list(values.values())))])

    def _check_source(
        self,
        connector: Any,
        config: Mapping[str, str | None],
        values: Mapping[str, ConfigValue],
    ) -> None:
        if self._worker.standalone:
            return
        texts = {name: text for name, text in config.items() if text is not None}
        support = values["exactly.once.support"]
        if str(support.value).lower() == "required" and not support.errors:
            error = self._exactly_once_error(connector, texts)
            if error is not None:
                support.errors.append(error)
        boundary = values["transaction.boundary"]
        if (
            str(boundary.value).lower() == "connector"
            and not boundary.errors
            and not connector.can_define_transaction_boundaries(texts)
        ):
            boundary.errors.append(
                "The connector does not support connector-defined transaction boundaries with the "
                "given configuration. Please reconfigure it to use a different transaction boundary "
                "definition."
            )

    def _exactly_once_error(self, connector: Any, config: Mapping[str, str]) -> str | None:
        if not self._worker.exactly_once:
            return "This worker does not have exactly-once source support enabled."
        support = connector.exactly_once_support(config)
        if support is None:
            return (
                "The connector does not implement the API required for preflight validation of "
                "exactly-once source support. Please consult the documentation for the connector to "
                "determine whether it supports exactly-once semantics, and then consider "
                'reconfiguring the connector to use the value "requested" for this property (which '
                "will disable this preflight check and allow the connector to be created)."
            )
        if support == "unsupported":
            return (
                "The connector does not support exactly-once semantics with the provided "
                "configuration."
            )
        return None

    def _check_sink(
        self, config: Mapping[str, str | None], values: dict[str, ConfigValue]
    ) -> None:
        topics, regex = values["topics"], values["topics.regex"]
        has_topics = bool((config.get("topics") or "").strip())
        named = [topic.strip() for topic in (config.get("topics") or "").split(",")]
        if has_topics and len(set(named)) < len(named):
            # Said here alone: a connector that starts takes each topic once.
            topics.errors = ["Configuration 'topics' values must not be duplicated."]
        pattern = (config.get("topics.regex") or "").strip()
        if has_topics and pattern:
            both = "topics and topics.regex are mutually exclusive options, but both are set."
            topics.errors.append(both)
            regex.errors.append(both)
        if not has_topics and not pattern:
            neither = "Must configure one of topics or topics.regex"
            topics.errors.append(neither)
            regex.errors.append(neither)
        self._check_dead_letter_queue(config, topics, regex)
        self._check_group(config, values)

    @staticmethod
    def _check_dead_letter_queue(
        config: Mapping[str, str | None], topics: ConfigValue, regex: ConfigValue
    ) -> None:
        import re

        queue = (config.get("errors.deadletterqueue.topic.name") or "").strip()
        pattern = (config.get("topics.regex") or "").strip()
        if not queue:
            return
        if queue in (topics.value or ()):
            topics.errors.append(
                f"The DLQ topic '{queue}' may not be included in the list of topics "
                f"('topics=[{', '.join(topics.value)}]') consumed by the connector"
            )
        if pattern and not regex.errors and re.fullmatch(pattern, queue):
            regex.errors.append(
                f"The DLQ topic '{queue}' may not be matched by the regex for the topics "
                f"('topics.regex={pattern}') consumed by the connector"
            )

    def _check_group(
        self, config: Mapping[str, str | None], values: dict[str, ConfigValue]
    ) -> None:
        group = self._worker.group_id
        if not group:
            return
        overridden = config.get("consumer.override.group.id")
        name = values["name"]
        if overridden is not None:
            key = "consumer.override.group.id"
            values[key] = ConfigValue(key, overridden)
            if overridden == group:
                error = f"Consumer group {overridden} conflicts with Connect worker group {group}"
                values[key].errors.append(error)
        elif f"connect-{name.value}" == group:
            name.errors.append(
                f"Consumer group for sink connector named {name.value} conflicts with Connect "
                f"worker group {group}"
            )

    def _converter_infos(
        self, config: Mapping[str, str | None], framework: Mapping[str, ConfigValue]
    ) -> list[Infos]:
        found = [
            self._converter_info(side, config, framework[f"{side}.converter"])
            for side in ("key", "value", "header")
        ]
        return [infos for infos in found if infos is not None]

    def _converter_info(
        self, side: str, config: Mapping[str, str | None], value: ConfigValue
    ) -> Infos | None:
        if config.get(value.name) is None or value.errors:
            return None
        kind: Kind = "header_converter" if side == "header" else "converter"
        prefix = f"{value.name}."
        try:
            definition: ConfigDef = self._plugins.find(kind, value.value).load().config_def
        except (ConnectError, ImportError) as error:
            value.errors.append(f"Failed to load class {value.value}: {error}")
            return None
        texts = {"converter.type": side} | {
            name[len(prefix) :]: text
            for name, text in config.items()
            if name.startswith(prefix) and text is not None
        }
        return prefixed(definition.keys, definition.validate(texts), prefix)


def prefixed(keys: Mapping[str, ConfigKey], values: Sequence[ConfigValue], prefix: str) -> Infos:
    """Give options validated without a prefix under their full names, in a Java hash map's order."""
    groups: list[str] = []
    infos = []
    by_name = {value.name: value for value in values}
    for name in hash_order(by_name):
        key, value = keys.get(name), by_name[name]
        if key is not None and key.group is not None and key.group not in groups:
            groups.append(key.group)
        shown = ConfigValue(
            prefix + name, value.value, value.recommended_values, value.errors, value.visible
        )
        infos.append(
            {
                "definition": None if key is None else key_info(key, prefix),
                "value": value_info(key, shown),
            }
        )
    return groups, infos


def key_info(key: ConfigKey, prefix: str = "") -> dict[str, Any]:
    """Give a definition as ConfigKeyInfo."""
    return {
        "name": prefix + key.name,
        "type": key.type.value,
        "required": key.required,
        "default_value": None if key.required else text_of(key.default, key.type),
        "importance": key.importance.value,
        "documentation": key.doc,
        "group": key.group,
        "order_in_group": key.order,
        "width": key.width.value,
        "display_name": key.label,
        "dependents": list(key.dependents),
    }


def value_info(key: ConfigKey | None, value: ConfigValue) -> dict[str, Any]:
    """Give a value as ConfigValueInfo."""
    type_ = ConfigType.STRING if key is None else key.type
    return {
        "name": value.name,
        "value": text_of(value.value, type_),
        "recommended_values": [text_of(item, type_) for item in value.recommended_values],
        "errors": value.errors,
        "visible": value.visible,
    }


def _refuse_nulls(config: Mapping[str, str | None], values: dict[str, ConfigValue]) -> None:
    for name, text in config.items():
        if text is None:
            values.setdefault(name, ConfigValue(name)).errors.append(NULL_VALUE)


def _merge(keys: Mapping[str, ConfigKey], values: Sequence[ConfigValue]) -> list[dict[str, Any]]:
    by_name = {value.name: value for value in values}
    undefined = [value for value in values if value.name not in keys]
    return [{"definition": None, "value": value_info(None, value)} for value in undefined] + [
        {
            "definition": key_info(key),
            "value": value_info(key, by_name[name]) if name in by_name else None,
        }
        for name, key in keys.items()
    ]


def _joined(class_name: str, parts: Sequence[Infos]) -> ConfigInfos:
    groups = list(dict.fromkeys(group for part_groups, _ in parts for group in part_groups))
    configs = [config for _, part in parts for config in part]
    count = sum(len(config["value"]["errors"]) for config in configs if config["value"])
    return ConfigInfos(class_name, count, groups, configs)


def _java(value: str | None) -> str:
    return "null" if value is None else value


class Validator:
    """Validates in throw-away processes; also the herder's check before a configuration is written."""

    def __init__(self, worker: WorkerConfig, spawner: Spawner) -> None:
        """Take the worker's configuration and its handle of the spawner."""
        self._ask = Questions(worker, spawner, "appliance.worker.validation:serve")
        self._unknown: set[str] = set()

    def __call__(self, config: Mapping[str, str | None]) -> None:
        """Raise BadRequestError when `config` will not do, UnreachableError when it may do later."""
        self._told("check", config)

    def validate(self, config: Mapping[str, str | None]) -> ConfigInfos:
        """Give what `config` amounts to. Raises BadRequestError, ValidationFailedError, ConnectError."""
        return msgspec.json.decode(self._told("validate", config), type=ConfigInfos)

    def _told(self, what: str, config: Mapping[str, str | None]) -> bytes:
        try:
            return self._ask(what, dict(config))
        except NoSuchConnectorError as error:
            # The peer keeps the first failure for a name and wraps it ever after.
            name = config.get("connector.class") or ""
            if name in self._unknown:
                raise NoSuchConnectorError(f"{ConnectError.java_class}: {error}") from error
            self._unknown.add(name)
            raise

    def plugin_config(self, name: str, version: str | None) -> list[dict[str, Any]]:
        """Give the options of a plugin. Raises NotFoundError, BadRequestError."""
        asked = {"name": name, "version": version}
        found: list[dict[str, Any]] = msgspec.json.decode(self._ask("plugin_config", asked))
        return found


def serve(_arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Be the throw-away process of a Validator."""
    from appliance.worker.plugin_config import plugin_config

    def found(worker: WorkerConfig, what: str, argument: Any) -> Any:
        plugins = Plugins.discover(worker["plugin.path"] or ())
        if what == "plugin_config":
            return plugin_config(plugins, argument["name"], argument["version"])
        checker = ConfigChecker(worker, plugins, Providers.from_config(worker.originals))
        return checker.check(argument) if what == "check" else checker.validate(argument)

    return answer(sockets[0], found)
