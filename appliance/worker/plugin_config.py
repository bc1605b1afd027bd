"""The options of one plugin, as `GET /connector-plugins/{name}/config` lists them.

Semantics: Kafka Connect 4.3.1 AbstractHerder.connectorPluginConfig.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from appliance.config.connector import SINK_KEYS, SOURCE_KEYS
from appliance.config.define import ConfigDef
from appliance.errors import BadRequestError, ConnectError, NotFoundError
from appliance.worker.enrich import BASE_CLASSES
from appliance.worker.plugins import Plugins, PluginVersionError, check_version
from appliance.worker.validation import key_info

_VERSION: Final = "connector.plugin.version"
_NO_PLUGIN_PACKAGES: Final = (
    "org.apache.kafka.common.config.provider.",
    "org.apache.kafka.connect.connector.policy.",
    "org.apache.kafka.connect.rest.",
)


def plugin_config(plugins: Plugins, name: str, version: str | None) -> list[dict[str, Any]]:
    """Give the options: a connector's own first, then the framework's that it does not define.

    Raises NotFoundError, BadRequestError.
    """
    try:
        kind, plugin = plugins.find_any(name)
    except NotFoundError:
        if name.startswith(_NO_PLUGIN_PACKAGES):
            raise BadRequestError(
                f"Invalid plugin class {name}. Valid types are sink, source, converter, "
                "header_converter, transformation, predicate."
            ) from None
        if name.startswith("java.") or _is_abstract(plugins, name):
            raise ConnectError("Instantiation error") from None
        raise
    if version == "":
        raise BadRequestError(
            f"Plugin {plugin.java_class} not found that matches the version range [,], available "
            f"versions: [{plugin.version}]"
        )
    try:
        check_version(plugin.java_class, plugin.version, version)
    except PluginVersionError as error:
        raise BadRequestError(str(error)) from error
    own: ConfigDef = plugin.load().config_def
    keys = dict(own.keys)
    if kind in ("source", "sink"):
        framework = SOURCE_KEYS if kind == "source" else SINK_KEYS
        keys |= {k: v for k, v in framework.keys.items() if k not in keys}
        keys[_VERSION] = dataclasses.replace(keys[_VERSION], default=plugin.version)
    return [key_info(key) for key in keys.values()]


def _is_abstract(plugins: Plugins, name: str) -> bool:
    """Tell whether `name` is a class that cannot be made: an interface, or what two variants share."""
    return name in BASE_CLASSES or plugins.lookup("transformation", f"{name}$Key") is not None
