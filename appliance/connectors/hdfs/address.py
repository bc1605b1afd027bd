"""From `store.url` to WebHDFS addresses, with Hadoop's own configuration files where they are named."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from appliance.errors import ConfigError

HTTP_PORT: Final = 9870
HTTPS_PORT: Final = 9871


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """WebHDFS base URLs in the order to try, and the path below which the sink writes."""

    urls: tuple[str, ...]
    root: str


def hadoop_settings(folder: str) -> dict[str, str]:
    """Read core-site.xml and hdfs-site.xml of `hadoop.conf.dir`. Raises ConfigError."""
    settings: dict[str, str] = {}
    if not folder:
        return settings
    for name in ("core-site.xml", "hdfs-site.xml"):
        path = Path(folder) / name
        if not path.exists():
            continue
        try:
            tree = ET.parse(path)  # noqa: S314 - the administrator's own file
        except (ET.ParseError, OSError) as error:
            raise ConfigError.invalid(
                "hadoop.conf.dir", folder, f"{path} cannot be read: {error}"
            ) from error
        for item in tree.iter("property"):
            settings[(item.findtext("name") or "").strip()] = (
                item.findtext("value") or ""
            ).strip()
    return settings


def find_address(store_url: str, webhdfs_url: str, settings: Mapping[str, str]) -> Address:
    """Give where WebHDFS answers. Raises ConfigError.

    `hdfs://host:port` names the RPC port, which is of no use over HTTP: the address comes from
    `webhdfs.url`, from hdfs-site.xml, or is the host with WebHDFS's usual port.
    """
    url = store_url or settings.get("fs.defaultFS", "")
    if not url:
        raise ConfigError("Configuration store.url cannot be empty.")
    parts = urlsplit(url)
    root = parts.path.rstrip("/")
    if webhdfs_url:
        return Address(
            tuple(part.strip().rstrip("/") for part in webhdfs_url.replace(";", ",").split(",")),
            root,
        )
    if parts.scheme in ("http", "https"):
        return Address((f"{parts.scheme}://{parts.netloc}",), root)
    if parts.scheme in ("webhdfs", "swebhdfs"):
        scheme = "https" if parts.scheme == "swebhdfs" else "http"
        port = parts.port or (HTTPS_PORT if scheme == "https" else HTTP_PORT)
        return Address((f"{scheme}://{_shown(parts.hostname)}:{port}",), root)
    if parts.scheme != "hdfs":
        raise ConfigError.invalid(
            "store.url", url, "use hdfs://namenode:port, http://namenode:9870 or file:///folder"
        )
    return Address(_from_settings(parts.hostname or "localhost", settings), root)


def _from_settings(host: str, settings: Mapping[str, str]) -> tuple[str, ...]:
    secure = settings.get("dfs.http.policy") == "HTTPS_ONLY"
    scheme, kind = ("https", "https-address") if secure else ("http", "http-address")
    services = [name.strip() for name in settings.get("dfs.nameservices", "").split(",")]
    if host in services:
        nodes = settings.get(f"dfs.ha.namenodes.{host}", "").split(",")
        found = [settings.get(f"dfs.namenode.{kind}.{host}.{node.strip()}") for node in nodes]
        addresses = tuple(f"{scheme}://{address}" for address in found if address)
        if not addresses:
            raise ConfigError(
                f"finding WebHDFS of name service {host}: hdfs-site.xml has no dfs.namenode.{kind}.{host}.*; "
                "set webhdfs.url"
            )
        return addresses
    configured = settings.get(f"dfs.namenode.{kind}")
    if configured:
        name, _, port = configured.rpartition(":")
        return (f"{scheme}://{host if name in ('', '0.0.0.0') else name}:{port}",)  # noqa: S104 - compared, not bound
    return (f"{scheme}://{_shown(host)}:{HTTPS_PORT if secure else HTTP_PORT}",)


def _shown(host: str | None) -> str:
    """Give a host as a URL has it: an IPv6 address in brackets."""
    return f"[{host}]" if host and ":" in host else host or ""
