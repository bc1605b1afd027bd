"""The framework's options for one configuration: defaults of this worker, transforms and predicates.

Semantics: Kafka Connect 4.3.1 ConnectorConfig.enrich, SourceConnectorConfig.enrichedConfigDef and
PluginsRecommenders.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance.api.plugin import Kind, Plugin
from appliance.config.define import (
    NO_DEFAULT,
    ConfigDef,
    ConfigKey,
    ConfigType,
    ConfigValue,
    Importance,
    Width,
)
from appliance.config.types import parse_type
from appliance.config.validators import Check
from appliance.config.worker import WorkerConfig
from appliance.errors import BadRequestError, ConfigError
from appliance.worker.plugins import Plugins, PluginVersionError, check_version

Texts = Mapping[str, str | None]

_INTERFACES: Final = {
    "converter": "Converter",
    "header_converter": "HeaderConverter",
    "transformation": "Transformation",
    "predicate": "Predicate",
}
BASE_CLASSES: Final = {
    "org.apache.kafka.connect.storage.Converter",
    "org.apache.kafka.connect.storage.HeaderConverter",
    "org.apache.kafka.connect.transforms.Transformation",
    "org.apache.kafka.connect.transforms.predicates.Predicate",
    "org.apache.kafka.connect.connector.Connector",
    "org.apache.kafka.connect.source.SourceConnector",
    "org.apache.kafka.connect.sink.SinkConnector",
}
_NEGATE_DOC: Final = "Whether the transform applies where the predicate is false."
_PREDICATE_DOC: Final = "Alias of the predicate that decides whether the transform applies."


@dataclasses.dataclass(frozen=True, slots=True)
class _Offer:
    """Recommends fixed values."""

    values: tuple[str, ...]
    shown: bool = True

    def valid_values(self, name: str, parsed: Mapping[str, Any]) -> list[Any]:
        return list(self.values)

    def visible(self, name: str, parsed: Mapping[str, Any]) -> bool:
        return self.shown


def enriched(
    base: ConfigDef, config: Texts, connector: Plugin, worker: WorkerConfig, plugins: Plugins
) -> ConfigDef:
    """Give `base` with this worker's defaults and the options of what `config` names."""
    keys = dict(base.keys)
    keys["connector.plugin.version"] = dataclasses.replace(
        keys["connector.plugin.version"],
        default=connector.version,
        recommender=_Offer((connector.version,)),
    )
    for side in ("key", "value", "header"):
        _add_converter(keys, side, config, worker, plugins)
    definition = ConfigDef(keys.values())
    for alias in _aliases(config, "transforms"):
        _add_stage(definition, "transformation", "transforms", alias, config, plugins)
    for alias in _aliases(config, "predicates"):
        _add_stage(definition, "predicate", "predicates", alias, config, plugins)
    return definition


def resolve_classes(values: Mapping[str, ConfigValue], config: Texts, plugins: Plugins) -> None:
    """Put full class names in place of aliases, and errors where a name means no plugin.

    `config` has the names as they were given: the errors show them with their blanks.
    """
    for name, value in values.items():
        kind = _kind_of(name)
        if kind is None or value.value is None:
            continue
        text = str(value.value)
        plugin = plugins.lookup(kind, text)
        if plugin is not None:
            value.value = plugins.class_of(kind, plugin, text)
            continue
        other = plugins.other_kind(kind, text)
        nested = [found for found in plugins.classes(kind) if found.startswith(f"{text.strip()}$")]
        if text in BASE_CLASSES or nested:
            hint = f" Did you mean {', '.join(nested)}?" if nested else ""
            if not value.errors:
                value.errors.append(f"This class is abstract and cannot be created.{hint}")
        elif other is not None:
            value.value = other
            if not value.errors:
                value.errors.append(
                    f"Class class {other} does not implement the {_INTERFACES[kind]} interface"
                )
        else:
            value.value = None
            given = config.get(name) or text
            value.errors.insert(0, str(ConfigError.invalid(name, given, _not_found(given))))


def _nested(kind: Kind, text: str, plugins: Plugins) -> list[str]:
    """Give the plugins inside of a class, which is abstract when there are any."""
    return [found for found in plugins.classes(kind) if found.startswith(f"{text.strip()}$")]


def _not_found(text: str) -> str:
    return f"Class {text} could not be found."


def _kind_of(name: str) -> Kind | None:
    if name in ("key.converter", "value.converter"):
        return "converter"
    if name == "header.converter":
        return "header_converter"
    parts = name.split(".")
    if len(parts) == 3 and parts[2] == "type":
        if parts[0] == "transforms":
            return "transformation"
        if parts[0] == "predicates":
            return "predicate"
    return None


def _add_converter(
    keys: dict[str, ConfigKey], side: str, config: Texts, worker: WorkerConfig, plugins: Plugins
) -> None:
    name = f"{side}.converter"
    kind: Kind = "header_converter" if side == "header" else "converter"
    default = worker.text(name)
    own = plugins.lookup(kind, default)
    if own is not None:
        default = plugins.class_of(kind, own, default)
    used = plugins.lookup(kind, config.get(name) or "") if config.get(name) is not None else own
    version = None if used is None else used.version
    text = config.get(name) or ""
    exists = bool(version) or text in BASE_CLASSES or plugins.other_kind(kind, text) is not None
    given = config.get(name) is not None
    keys[name] = dataclasses.replace(
        keys[name], default=default, recommender=_Offer(tuple(plugins.classes(kind)))
    )
    keys[f"{name}.plugin.version"] = dataclasses.replace(
        keys[f"{name}.plugin.version"],
        default=version,
        recommender=_Offer(
            (version,) if version else (), exists and (given or name not in config)
        ),
        validator=_version_check(used if given else None, plugins),
    )


def _version_fits(plugin: Plugin, wanted: str | None) -> bool:
    try:
        check_version(plugin.java_class, plugin.version, wanted)
    except (PluginVersionError, BadRequestError):
        return False
    return True


def _version_check(plugin: Plugin | None, plugins: Plugins) -> Check:
    """Check that a version can be read, and that there is one of `plugin` that it allows."""

    def check(_name: str, value: Any) -> None:
        if value is None:
            return
        name, version, known = "", str(value), ""
        if plugin is not None:
            name, version = plugin.java_class, plugin.version
            known = plugins.versions(name)
        try:
            check_version(name, version, str(value), known)
        except PluginVersionError as error:
            if plugin is not None:
                raise ConfigError(str(error)) from error
        except BadRequestError as error:
            raise ConfigError(str(error)) from error

    return Check(check, "version range")


def _aliases(config: Texts, name: str) -> list[str]:
    try:
        return list(dict.fromkeys(parse_type(name, config.get(name), ConfigType.LIST) or ()))
    except ConfigError:
        return []


def _add_stage(
    definition: ConfigDef, kind: Kind, list_name: str, alias: str, config: Texts, plugins: Plugins
) -> None:
    prefix = f"{list_name}.{alias}."
    word = "Transformation" if kind == "transformation" else "Predicate"
    group = f"{word if word == 'Predicate' else 'Transform'}s: {alias}"
    text = config.get(f"{prefix}type")
    plugin = plugins.lookup(kind, text.strip()) if text is not None else None
    version = None if plugin is None else plugin.version
    child: ConfigDef | None = None if plugin is None else plugin.load().config_def
    if plugin is not None and not _version_fits(plugin, config.get(f"{prefix}plugin.version")):
        child = None
    elif kind == "transformation" and child is not None:
        child = child.merged(_CONDITION)
    type_key = ConfigKey(
        f"{prefix}type",
        ConfigType.CLASS,
        NO_DEFAULT,
        validator=Check(_type_check(prefix, kind, config, plugin, plugins), ""),
        importance=Importance.HIGH,
        doc=f"Class of the {word.lower()} {alias}.",
        group=group,
        order=0,
        width=Width.LONG,
        display_name=f"{word} type for {alias}",
        recommender=_Offer(tuple(plugins.classes(kind))),
    )
    definition.add(type_key)
    definition.define(
        f"{prefix}plugin.version",
        ConfigType.STRING,
        version,
        validator=_version_check(plugin, plugins),
        importance=Importance.HIGH,
        doc=f"Version of that class; unset takes the newest ({alias}).",
        group=group,
        order=1,
        width=Width.LONG,
        display_name=f"{word} version for {alias}",
        recommender=_Offer((version,) if version else ()),
    )
    for order, key in enumerate(_sorted(child) if child is not None else ()):
        if prefix + key.name not in definition.keys:
            definition.add(_embedded(key, prefix, group, order + 2))


_CONDITION: Final = (
    ConfigDef()
    .define("predicate", ConfigType.STRING, None, importance=Importance.MEDIUM, doc=_PREDICATE_DOC)
    .define("negate", ConfigType.BOOLEAN, False, importance=Importance.MEDIUM, doc=_NEGATE_DOC)
)


def _type_check(
    prefix: str, kind: Kind, config: Texts, plugin: Plugin | None, plugins: Plugins
) -> Callable[[str, Any], None]:
    def check(name: str, _value: Any) -> None:
        negate, version = config.get(f"{prefix}negate"), config.get(f"{prefix}plugin.version")
        if kind == "transformation" and negate is not None and f"{prefix}predicate" not in config:
            raise ConfigError(
                f"Config '{prefix}negate' was provided but there is no config '{prefix}predicate' "
                "defining a predicate to be negated."
            )
        known = plugin is not None or _nested(kind, config.get(f"{prefix}type") or "", plugins)
        if version is not None and known:
            _version_check(plugin, plugins)(name, version)

    return check


def _embedded(key: ConfigKey, prefix: str, group: str, order: int) -> ConfigKey:
    validator = key.validator
    if validator is not None:
        inner = validator
        validator = Check(lambda _name, value: inner(key.name, value), str(inner))
    return dataclasses.replace(
        key,
        name=prefix + key.name,
        validator=validator,
        group=group if key.group is None else f"{group}: {key.group}",
        order=order,
        display_name=key.label,
        dependents=tuple(prefix + name for name in key.dependents),
    )


def _sorted(definition: ConfigDef) -> list[ConfigKey]:
    groups = {group: at for at, group in enumerate(definition.groups)}
    importances = list(Importance)

    def rank(key: ConfigKey) -> tuple[int, int, bool, int, str]:
        group = -1 if key.group is None else groups[key.group]
        weight = importances.index(key.importance)
        return group, key.order, not key.required, weight, key.name

    return sorted(definition.keys.values(), key=rank)
