"""Which plugins a connector's configuration names, as a task process needs to know them."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.api.plugin import Kind, Plugin
from appliance.channel import PluginRef
from appliance.config.worker import WorkerConfig
from appliance.worker.plugins import Plugins


def references(
    config: Mapping[str, str], worker: WorkerConfig, plugins: Plugins
) -> dict[str, PluginRef]:
    """Give every plugin named in a resolved configuration, by `kind:name`; the connector's is `task`.

    Raises ConfigError or BadRequestError for a name that means none.
    """
    name = config["connector.class"]
    connector = plugins.find_connector(name, config.get("connector.plugin.version"))
    ref = _ref(plugins, connector.kind, connector, name)
    found = {"task": ref, "connector": ref}
    for role in ("key", "value", "header"):
        option = f"{role}.converter"
        kind: Kind = "header_converter" if role == "header" else "converter"
        _add(found, plugins, kind, config.get(option) or str(worker[option]))
    for alias in _aliases(config.get("transforms")):
        if named := config.get(f"transforms.{alias}.type"):
            _add(found, plugins, "transformation", named)
        predicate = config.get(f"transforms.{alias}.predicate", "").strip()
        if named := config.get(f"predicates.{predicate}.type"):
            _add(found, plugins, "predicate", named)
    return found


def _aliases(text: str | None) -> list[str]:
    return [alias.strip() for alias in (text or "").split(",") if alias.strip()]


def _add(found: dict[str, PluginRef], plugins: Plugins, kind: Kind, name: str) -> None:
    name = name.strip()
    found[f"{kind}:{name}"] = _ref(plugins, kind, plugins.find(kind, name), name)


def _ref(plugins: Plugins, kind: Kind, plugin: Plugin, name: str) -> PluginRef:
    return PluginRef(
        plugin.kind,
        plugins.class_of(kind, plugin, name),
        plugin.target,
        plugin.version,
        plugin.task,
        plugin.task_class,
    )
