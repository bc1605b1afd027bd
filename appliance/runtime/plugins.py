"""Plugins of one task: found by the worker, imported here.

The worker looks names up (entry points, aliases) and sends where the code is, so that a task process
imports what it runs and nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from appliance.channel import PluginRef
from appliance.config.connector import ConnectorConfig
from appliance.config.worker import WorkerConfig
from appliance.errors import ConfigError


def imported(target: str) -> Any:
    """Import `module:Class` and give the class."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def load(plugins: Mapping[str, PluginRef], kind: str, name: str) -> tuple[PluginRef, Any]:
    """Give the plugin that `name` stands for and a new instance. Raises ConfigError."""
    ref = plugins.get(f"{kind}:{name.strip()}")
    if ref is None:
        raise ConfigError(f"Class {name} could not be found.")
    return ref, imported(ref.target)()


def load_converter(
    role: str, worker: WorkerConfig, config: ConnectorConfig, plugins: Mapping[str, PluginRef]
) -> tuple[PluginRef, Any]:
    """Give the configured `key`, `value` or `header` converter.

    A connector that names a converter gives all its options; one that does not takes the worker's.
    """
    option = f"{role}.converter"
    name = config.originals.get(option)
    source: ConnectorConfig | WorkerConfig = config
    if name is None:
        name = str(worker[option])
        source = worker
    kind = "header_converter" if role == "header" else "converter"
    ref, converter = load(plugins, kind, name)
    converter.configure(source.with_prefix(option + "."), is_key=role == "key")
    return ref, converter
