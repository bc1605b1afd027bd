"""Where sinks write, and the schema registry: reachable, writable, room left."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from appliance.connectors.hdfs.connector import CONFIG_DEF, address_of, store_url
from appliance.connectors.storage.store import StoreError
from appliance.doctor.findings import Finding, ok, problem, warning
from appliance.errors import ConfigError

_TIMEOUT_S: Final = 5
_STATE: Final = "/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState"
_SCARCE_BYTES: Final = 1 << 30


def examine_hdfs(name: str, config: Mapping[str, str]) -> Iterator[Finding]:
    """Give how the HDFS (or local folder) of sink `name` stands; `config` is resolved."""
    try:
        parsed = CONFIG_DEF.parse(config)
        url = store_url(parsed)
        if url.startswith("file:"):
            yield folder(name, Path(url.removeprefix("file://").removeprefix("file:")))
            return
        address = address_of(parsed)
    except ConfigError as error:
        yield problem(name, str(error), "correct store.url, webhdfs.url or hadoop.conf.dir")
        return
    for web in address.urls:
        yield from _namenode(name, web)
    yield from _permission(name, address.urls, f"{address.root}/{parsed['topics.dir']}")


def folder(name: str, path: Path) -> Finding:
    """Give whether a local folder can be written, and its room."""
    existing = next(found for found in (path, *path.parents) if found.exists())
    try:
        probe = existing / ".ingest-doctor"
        probe.touch()
        probe.unlink()
    except OSError as error:
        text = f"{path} cannot be written: {error.strerror}"
        remedy = (
            f"mkdir -p {path} && chown ingest:ingest {path}\n"
            f"systemctl edit ingest-appliance  # [Service] ReadWritePaths={path}"
        )
        return problem(name, text, remedy)
    free = shutil.disk_usage(existing).free
    if free < _SCARCE_BYTES:
        return warning(name, f"{free / 1e9:.1f} GB free for {path}", f"df -h {existing}")
    return ok(name, f"{path} can be written, {free / 1e9:.1f} GB free")


def _namenode(name: str, web: str) -> Iterator[Finding]:
    try:
        state = _json(web.rstrip("/") + _STATE)["beans"][0]
    except (OSError, ValueError, LookupError, TypeError) as error:
        yield problem(
            name, f"the NameNode at {web} does not tell its state: {error}", f"curl {web}/jmx"
        )
        return
    if state.get("FSState") != "Operational":
        remedy = "hdfs dfsadmin -safemode get; hdfs dfsadmin -safemode leave"
        yield problem(name, f"the NameNode at {web} is in safe mode", remedy)
    if not state.get("NumLiveDataNodes"):
        text = f"the NameNode at {web} has no live DataNode"
        yield problem(name, text, "hdfs dfsadmin -report")
    free = int(state.get("CapacityRemaining", 0))
    text = f"HDFS at {web}: {free / 1e9:.1f} GB free"
    yield ok(name, text) if free > _SCARCE_BYTES else warning(name, text, "hdfs dfsadmin -report")


def _permission(name: str, urls: tuple[str, ...], path: str) -> Iterator[Finding]:
    from appliance.connectors.hdfs.store import HdfsStore

    store = HdfsStore(urls)
    # a folder of the topic's name is made by the sink; here only up to it
    target = path.split("$", maxsplit=1)[0].rstrip("/") or "/"
    probe = f"{target}/.ingest-doctor"
    try:
        store.make_folders(target)
        store.create(probe, b"x")
        store.delete(probe)
    except StoreError as error:
        remedy = f"hdfs dfs -mkdir -p {target}; hdfs dfs -chown ingest {target}"
        yield problem(name, f"{target} on HDFS cannot be written: {error}", remedy)
    else:
        yield ok(name, f"{target} on HDFS can be written")
    finally:
        store.close()


def examine_registry(name: str, config: Mapping[str, str]) -> Iterator[Finding]:
    """Give whether each schema registry that the converters of `name` ask answers."""
    options = ("key.converter.schema.registry.url", "value.converter.schema.registry.url")
    urls = {url.strip() for option in options for url in config.get(option, "").split(",")}
    for url in sorted(urls - {""}):
        try:
            subjects = _json(f"{url.rstrip('/')}/subjects")
        except (OSError, ValueError) as error:
            remedy = f"curl {url}/subjects  # or correct *.converter.schema.registry.url"
            yield problem(name, f"the schema registry at {url} does not answer: {error}", remedy)
        else:
            yield ok(name, f"the schema registry at {url} has {len(subjects)} subjects")


def _json(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_TIMEOUT_S) as response:
        return json.load(response)
