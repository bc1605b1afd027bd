"""HDFS, where sinks write: reachable, writable, room left."""

from __future__ import annotations

import json
import os
import pwd
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from appliance.config.define import ConfigDef
from appliance.connectors.files.connector import local_root
from appliance.connectors.hdfs.connector import (
    CONF_DIR,
    CONFIG_DEF,
    HDFS_URL,
    WEBHDFS_URL,
    address_of,
    store_url,
)
from appliance.connectors.hdfs.store import HdfsStore
from appliance.connectors.storage.config import LOGS_DIR, STORE_URL, TOPICS_DIR
from appliance.connectors.storage.store import StoreError
from appliance.doctor.files import SCARCE_BYTES, folder
from appliance.doctor.findings import Finding, Level, ok, problem, warning
from appliance.doctor.service import Service
from appliance.errors import ConfigError

_OPTIONS: Final = ConfigDef(
    CONFIG_DEF.keys[name]
    for name in (STORE_URL, HDFS_URL, WEBHDFS_URL, CONF_DIR, TOPICS_DIR, LOGS_DIR)
)
_TIMEOUT_S: Final = 5
_STATE: Final = "/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState"


def examine_hdfs(
    name: str, config: Mapping[str, str], service: Service | None = None
) -> Iterator[Finding]:
    """Give how the HDFS (or local folder) of sink `name` stands; `config` is resolved."""
    try:
        parsed = _OPTIONS.parse(config)
        url = store_url(parsed)
        if url.startswith("file:"):
            yield folder(name, Path(local_root(url)), STORE_URL, service)
            return
        address = address_of(parsed)
    except ConfigError as error:
        remedy = "correct store.url, webhdfs.url or hadoop.conf.dir"
        yield problem(name, str(error), remedy, STORE_URL)
        return
    option = WEBHDFS_URL if config.get(WEBHDFS_URL) else STORE_URL
    usable = False
    for web in address.urls:
        found = list(_namenode(name, web, option))
        usable = usable or not any(one.level is Level.PROBLEM for one in found)
        yield from found
    if usable:
        given = os.environ.get("HADOOP_USER_NAME") or (service.user if service else None)
        user = given or pwd.getpwuid(os.getuid()).pw_name
        store = HdfsStore(address.urls, user)
        try:
            for folder_option in (TOPICS_DIR, LOGS_DIR):
                path = f"{address.root.rstrip('/')}/{parsed[folder_option].strip('/')}"
                yield _permission(name, store, path, folder_option, user)
        finally:
            store.close()


def _namenode(name: str, web: str, option: str) -> Iterator[Finding]:
    try:
        state = _json(web.rstrip("/") + _STATE)["beans"][0]
    except (OSError, ValueError, LookupError, TypeError) as error:
        yield problem(
            name,
            f"the NameNode at {web} does not tell its state: {error}",
            f"curl {web}/jmx",
            option,
        )
        return
    if state.get("FSState") != "Operational":
        remedy = "hdfs dfsadmin -safemode get; hdfs dfsadmin -safemode leave"
        yield problem(name, f"the NameNode at {web} is in safe mode", remedy, option)
    if not state.get("NumLiveDataNodes"):
        text = f"the NameNode at {web} has no live DataNode"
        yield problem(name, text, "hdfs dfsadmin -report", option)
    free = int(state.get("CapacityRemaining", 0))
    text = f"HDFS at {web}: {free / 1e9:.1f} GB free"
    if free > SCARCE_BYTES:
        yield ok(name, text, option)
    else:
        yield warning(name, text, "hdfs dfsadmin -report", option)


def _permission(name: str, store: HdfsStore, path: str, option: str, user: str) -> Finding:
    # a folder of the topic's name is made by the sink; here only up to it
    target = path.split("$", maxsplit=1)[0].rstrip("/") or "/"
    try:
        existing = target
        while existing != "/" and store.length(existing) is None:
            existing = existing.rpartition("/")[0] or "/"
        probe = f"{existing.rstrip('/')}/.ingest-doctor"
        store.create(probe, b"x")
        store.delete(probe)
    except (StoreError, ConfigError) as error:
        remedy = (
            f"hdfs dfs -mkdir -p {target}; hdfs dfs -chown {user} {target}  # as HDFS's superuser"
        )
        text = f"{target} on HDFS cannot be written: {error}"
        return problem(name, text, remedy, option)
    return ok(name, f"{target} on HDFS can be written", option)


def _json(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_TIMEOUT_S) as response:
        return json.load(response)
