"""The HDFS sink, for both generations of Confluent's connector; `store.url=file://...` writes locally."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from appliance.config.addresses import refuse_link_local
from appliance.config.define import ConfigDef, ConfigKey, Importance, Width
from appliance.config.types import ConfigType
from appliance.connectors.files.connector import local_root
from appliance.connectors.files.store import LocalStore
from appliance.connectors.hdfs.address import Address, find_address, hadoop_settings
from appliance.connectors.storage import config as keys
from appliance.connectors.storage.connector import StorageSinkConnector
from appliance.connectors.storage.store import Store, StoreAwayError, StoreError
from appliance.connectors.storage.task import StorageSinkTask
from appliance.errors import ConfigError

HDFS_URL: Final = "hdfs.url"
WEBHDFS_URL: Final = "webhdfs.url"
CONF_DIR: Final = "hadoop.conf.dir"
_ROOT_OPTION: Final = keys.STORE_URL


def _key(
    name: str, type_: ConfigType, default: Any, importance: Importance, label: str, doc: str
) -> ConfigKey:
    return ConfigKey(
        name,
        type_,
        default,
        importance=importance,
        doc=doc,
        group="HDFS",
        width=Width.MEDIUM,
        display_name=label,
    )


def _hdfs_keys() -> list[ConfigKey]:
    t = ConfigType
    high, low = Importance.HIGH, Importance.LOW
    unused = "Accepted for the sake of existing configurations."
    return [
        _key(keys.STORE_URL, t.STRING, None, high, "Store URL",
             "Where HDFS is: hdfs://namenode:8020, hdfs://nameservice, http://namenode:9870, or file:///folder."),
        _key(HDFS_URL, t.STRING, None, high, "HDFS URL", "The older name of store.url."),
        _key(WEBHDFS_URL, t.STRING, "", low, "WebHDFS URL",
             "Address of WebHDFS, several separated by commas, where it does not follow from store.url."),
        _key(CONF_DIR, t.STRING, "", high, "Hadoop Configuration Directory",
             "Folder with core-site.xml and hdfs-site.xml."),
        _key("hadoop.home", t.STRING, "", high, "Hadoop home directory", unused),
        _key("hdfs.authentication.kerberos", t.BOOLEAN, False, high, "HDFS Authentication Kerberos",
             "Kerberos login; has to be false, it is not supported yet."),
        _key("connect.hdfs.principal", t.STRING, "", high, "Connect Kerberos Principal", unused),
        _key("connect.hdfs.keytab", t.STRING, "", high, "Connect Kerberos Keytab", unused),
        _key("hdfs.namenode.principal", t.STRING, "", high, "HDFS NameNode Kerberos Principal", unused),
        _key("kerberos.ticket.renew.period.ms", t.LONG, 3600000, low, "Kerberos Renew Period (ms)", unused),
        _key(keys.HIVE, t.BOOLEAN, False, high, "Hive Integration", "Has to be false, it is not supported."),
        _key("hive.metastore.uris", t.STRING, "", high, "Hive Metastore URIs", unused),
        _key("hive.conf.dir", t.STRING, "", high, "Hive configuration directory", unused),
        _key("hive.home", t.STRING, "", high, "Hive home directory", unused),
        _key("hive.database", t.STRING, "default", high, "Hive database", unused),
        _key("hive.table.name", t.STRING, "${topic}", high, "Hive table name", unused),
    ]  # fmt: skip


CONFIG_DEF: Final = ConfigDef(
    [*_hdfs_keys(), *keys.common_keys("io.confluent.connect.hdfs.avro.AvroFormat")]
)


def store_url(parsed: Mapping[str, Any]) -> str:
    """Give the configured URL, under its new or old name."""
    return parsed[keys.STORE_URL] or parsed[HDFS_URL] or ""


def address_of(parsed: Mapping[str, Any]) -> Address:
    """Give where WebHDFS answers. Raises ConfigError."""
    address = find_address(
        store_url(parsed), parsed[WEBHDFS_URL], hadoop_settings(parsed[CONF_DIR])
    )
    for url in address.urls:
        host = urlsplit(url).hostname or ""
        refuse_link_local("WebHDFS", host, host)
    return address


def open_store(parsed: Mapping[str, Any]) -> tuple[Store, str]:
    """Give HDFS, or the local file system for `file:` URLs, with the root folder. Raises ConfigError."""
    url = store_url(parsed)
    if url.startswith("file:"):
        return LocalStore(), local_root(url)
    from appliance.connectors.hdfs.store import HdfsStore

    address = address_of(parsed)
    return HdfsStore(address.urls), address.root


class HdfsSinkConnector(StorageSinkConnector):
    """Writes topics into files on HDFS."""

    config_def: ClassVar = CONFIG_DEF
    version: ClassVar[str] = "1.2.0"

    def check_store(self, parsed: Mapping[str, Any]) -> dict[str, str]:
        """Find out whether HDFS answers; Hive and Kerberos are refused. Raises StoreAwayError."""
        for option in (keys.HIVE, "hdfs.authentication.kerberos"):
            if parsed[option]:
                return {option: f"{option}=true is not supported; set it to false"}
        try:
            store, root = open_store(parsed)
        except ConfigError as error:
            return {_ROOT_OPTION: str(error)}
        try:
            store.list(
                f"{root}/{parsed[keys.TOPICS_DIR].strip('/')}".split("$", maxsplit=1)[0].rstrip(
                    "/"
                )
                or "/"
            )
        except StoreAwayError:
            raise
        except (StoreError, ConfigError) as error:
            return {_ROOT_OPTION: str(error)}
        finally:
            store.close()
        return {}

    def open_store(self, parsed: Mapping[str, Any]) -> tuple[Store, str]:
        """Give HDFS or, for `file:` URLs, the local file system."""
        return open_store(parsed)


class HdfsSinkTask(StorageSinkTask):
    """Writes partitions to HDFS."""

    def config_def(self) -> ConfigDef:
        """Give the connector's options."""
        return CONFIG_DEF

    def open_store(self, parsed: Mapping[str, Any]) -> tuple[Store, str]:
        """Give HDFS or, for `file:` URLs, the local file system."""
        return open_store(parsed)
