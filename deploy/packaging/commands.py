"""The commands of `deploy/package`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from deploy.packaging.build import DIST, MOST_BYTES, build
from deploy.packaging.repository import PUBLIC_KEY, make_repository
from deploy.packaging.roots import RELEASES
from deploy.parts.folder import PartError, progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Give the exit code: 0, or 1 after a sentence about what went wrong."""
    parser = argparse.ArgumentParser(prog="deploy/package", description=__doc__)
    parser.add_argument(
        "command", nargs="?", choices=("build", "trial", "powercut"), default="build"
    )
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=", ".join(RELEASES))
    parser.add_argument("--cuts", type=int, default=10, help="how often powercut cuts")
    parser.add_argument(
        "--seed", type=int, help="moments of the cuts, as an earlier run told them"
    )
    options = parser.parse_args(arguments)
    releases = options.releases or list(RELEASES)
    unknown = [release for release in releases if release not in RELEASES]
    if unknown:
        parser.error(f"unknown release {unknown[0]}, known: {', '.join(RELEASES)}")
    try:
        if options.command == "trial":
            from deploy.packaging.trial import try_out

            return max(try_out(release) for release in releases)
        if options.command == "powercut":
            from deploy.packaging.powercut import cut_power

            return max(cut_power(release, options.cuts, options.seed) for release in releases)
        return _build(releases)
    except PartError as error:
        print(f"deploy/package: {error}", file=sys.stderr)
        return 1


def _build(releases: Sequence[str]) -> int:
    began = time.monotonic()
    packages = {release: build(release) for release in releases}
    code = 0
    for path in (path for paths in packages.values() for path in paths):
        size = path.stat().st_size
        progress(f"{path} ({size / 1e6:.1f} MB)")
        if size > MOST_BYTES:
            print(f"{path} is larger than {MOST_BYTES / 1e6:.0f} MB", file=sys.stderr)
            code = 1
    built = {release: sorted((DIST / release).glob("*.deb")) for release in RELEASES}
    folder = make_repository({release: paths for release, paths in built.items() if paths})
    progress(f"done in {time.monotonic() - began:.0f} s. On a machine of the release, as root:")
    print(f"install -m 644 {folder}/{PUBLIC_KEY} /etc/apt/keyrings/ingest-appliance.asc")
    print(
        f"echo 'deb [signed-by=/etc/apt/keyrings/ingest-appliance.asc] file:{folder} RELEASE main'"
        " >/etc/apt/sources.list.d/ingest-appliance.list"
    )
    print("apt-get update && apt-get install ingest-appliance")
    return code
