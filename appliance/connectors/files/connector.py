"""The local files sink: the storage sink on a folder of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import unquote, urlsplit

from appliance.config.define import NO_DEFAULT, ConfigDef, ConfigKey, Importance, Width
from appliance.config.types import ConfigType
from appliance.connectors.files.store import LocalStore
from appliance.connectors.files.writable import obstacle
from appliance.connectors.storage import config as keys
from appliance.connectors.storage.connector import StorageSinkConnector
from appliance.connectors.storage.store import Store
from appliance.connectors.storage.task import StorageSinkTask
from appliance.errors import ConfigError

_URL: Final = ConfigKey(
    keys.STORE_URL,
    ConfigType.STRING,
    NO_DEFAULT,
    importance=Importance.HIGH,
    doc="The folder to write to: /data/lake or file:///data/lake.",
    group="Storage",
    order=0,
    width=Width.LONG,
    display_name="Store URL",
)
UNWRITABLE: Final = "writing to the folder "
_CURE: Final = (
    "name another one, or see that its file system is mounted for writing and the daemon's user may write "
    "there (`ingest-appliance doctor CONNECTOR` prints the commands)"
)
CONFIG_DEF: Final = ConfigDef(
    [_URL, *keys.common_keys("io.confluent.connect.hdfs.json.JsonFormat")]
)


def local_root(url: str) -> str:
    """Give the folder that `store.url` names. Raises ConfigError."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        raise ConfigError.invalid(keys.STORE_URL, url, "give an absolute folder or file:///folder")
    path = unquote(parts.path)
    if not path.startswith("/"):
        raise ConfigError.invalid(keys.STORE_URL, url, "give an absolute folder or file:///folder")
    return path


class FilesSinkConnector(StorageSinkConnector):
    """Writes topics into files of a local folder."""

    config_def: ClassVar = CONFIG_DEF
    version: ClassVar[str] = "0.1.0"

    def check_store(self, parsed: Mapping[str, Any]) -> dict[str, str]:
        """Find out whether the folder can be written, or made; the task makes it."""
        url = parsed[keys.STORE_URL]
        try:
            found = obstacle(Path(local_root(url)))
        except ConfigError as error:
            return {keys.STORE_URL: str(error)}
        return {} if found is None else {keys.STORE_URL: f"{UNWRITABLE}{url}: {found}; {_CURE}"}

    def open_store(self, parsed: Mapping[str, Any]) -> tuple[Store, str]:
        """Give the local file system."""
        return _open_store(parsed)


class FilesSinkTask(StorageSinkTask):
    """Writes partitions into a local folder."""

    def config_def(self) -> ConfigDef:
        """Give the connector's options."""
        return CONFIG_DEF

    def open_store(self, parsed: Mapping[str, Any]) -> tuple[Store, str]:
        """Give the local file system."""
        return _open_store(parsed)


def _open_store(parsed: Mapping[str, Any]) -> tuple[Store, str]:
    return LocalStore(), local_root(parsed[keys.STORE_URL])
