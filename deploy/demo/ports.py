"""Who listens on a port: so that "in use" comes with a name."""

from __future__ import annotations

from pathlib import Path

from deploy.parts.server import port_is_free

LISTEN = "0A"


def taken(listeners: list[tuple[str, int, str]]) -> list[str]:
    """Give one sentence per port that is in use, with its owner and the option to move ours."""
    return [
        f"port {port} ({what}) is in use by {owner_of(port)}; choose another with {option} N"
        for option, port, what in listeners
        if not port_is_free(port)
    ]


def owner_of(port: int) -> str:
    """Give the name and pid of the process that listens on a TCP port, as far as one may see."""
    inodes = {
        fields[9]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for fields in _rows(Path(table))
        if fields[3] == LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port
    }
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(entry.readlink()) in wanted for entry in folder.iterdir()):
                name = (folder.parent / "comm").read_text().strip()
                return f"{name} (pid {folder.parent.name})"
        except OSError:
            continue
    return "a process of another user"


def _rows(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text().splitlines()[1:]]
    except FileNotFoundError:
        return []
