"""What a package leaves behind: the paths of a system before it came and after it went."""

from __future__ import annotations

from collections.abc import Iterable

from deploy.packaging.systems import System

_NAME = "ingest-appliance"
_TRIALS = ("/root/", "/srv/", "/etc/apt/", "/etc/mysql/", "/usr/local/lib/probe.py")
"""What a trial puts there itself."""
_OTHERS = (
    *("/var/cache/", "/var/log/", "/var/tmp/", "/var/backups/"),
    *("/var/lib/apt/", "/var/lib/dpkg/", "/var/lib/mysql/", "/var/lib/systemd/"),
)
"""Where others write all the time: there only what is named after us counts."""


def paths(system: System) -> set[str]:
    """Give every path on the system's disk that is not the trial's own, or of no interest."""
    return set(telling(system.run("find", "/", "-xdev").splitlines()))


def telling(found: Iterable[str]) -> Iterable[str]:
    """Give those of the paths by which a package is judged."""
    for path in found:
        if not path.startswith(_TRIALS) and (_NAME in path or not path.startswith(_OTHERS)):
            yield path
