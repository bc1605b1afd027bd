"""Whether a database still has what a binlog source has not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from appliance.connectors.binlog.gtid import MariaDbGtidSet
from appliance.doctor.findings import Finding, ok, problem, warning
from appliance.doctor.questions import Files
from appliance.errors import ConnectError


def position(
    name: str, server: Files, config: Mapping[str, str], offset: Mapping[str, Any] | None
) -> Iterator[Finding]:
    """Give whether the server can go on from a stored offset.

    None, or one of a snapshot that did not come to its end: there is nothing to go on from.
    """
    if not offset or not offset.get("file") or offset.get("snapshot"):
        return
    where = ", ".join(f"{key}={offset[key]}" for key in ("file", "pos", "gtids") if key in offset)
    try:
        files = server.binlogs()
        kept = server.has_position(offset) and not _purged(server, config, offset, files)
    except ConnectError:
        # a user who may not ask is told so by his privileges
        return
    if kept:
        behind = files[files.index(offset["file"]) + 1 :] if offset["file"] in files else []
        later = (
            f", {len(behind)} file{'s' * (len(behind) > 1)} before the newest" if behind else ""
        )
        yield ok(name, f"the server still has what comes after {where}{later}")
        return
    has = f"it has {files[0]} to {files[-1]}" if files else "it has no binlog"
    text = f"the server no longer has what comes after the stored offset {where}; {has}"
    if config.get("snapshot.mode") == "when_needed":
        yield warning(name, f"{text}: the next start takes a new snapshot", "SHOW BINARY LOGS;")
        return
    yield problem(
        name,
        text,
        f"ingest-appliance patch {name} --set snapshot.mode=when_needed"
        "  # or in its file: takes a new snapshot",
        "snapshot.mode",
    )


def _purged(
    server: Files, config: Mapping[str, str], offset: Mapping[str, Any], files: list[str]
) -> bool:
    """Tell whether MariaDB has purged transactions behind the GTIDs of an offset.

    It says so itself only when the stream is opened; what its oldest file begins with tells it before.
    """
    gtids = str(offset.get("gtids") or "")
    ignored = config.get("gtid.ignore.on.recovery", "").strip().lower() == "true"
    filtered = any(config.get(f"gtid.source.{word}") for word in ("includes", "excludes"))
    # MySQL's have colons, and it was asked by them
    if not gtids or ":" in gtids or ignored or filtered or not files:
        return False
    floor = server.ask(f"SELECT BINLOG_GTID_POS('{files[0]}', 4)")[0][0]
    return bool(floor) and not MariaDbGtidSet(gtids).contains_all(MariaDbGtidSet(str(floor)))
