"""Fetch artifacts by coordinate; run by the tools' Python: fetch_coordinates.py CACHE COORDINATE...

Prints `coordinate<TAB>path` as each one arrives. The repository is the client's own default.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from jgo.maven import MavenContext

ATTEMPTS = 4


def fetch(context: MavenContext, coordinate: str) -> str:
    """Give the path of one artifact, tried a few times: a slow answer is not a final one."""
    group, artifact, version, extension, classifier = coordinate.split(":")
    component = context.project(group, artifact).at_version(version)
    for attempt in range(ATTEMPTS):
        try:
            return str(component.artifact(classifier, extension).resolve())
        except Exception as error:
            if attempt == ATTEMPTS - 1:
                raise RuntimeError(f"{coordinate}: {error}") from error
            time.sleep(2**attempt)
    raise AssertionError


def main() -> None:
    """Fetch all coordinates of the command line, eight at a time."""
    cache = Path(sys.argv[1])
    cache.mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=cache, timeout=60)
    with ThreadPoolExecutor(8) as pool:
        futures = {pool.submit(fetch, context, name): name for name in sys.argv[2:]}
        for future in as_completed(futures):
            print(f"{futures[future]}\t{future.result()}", flush=True)


if __name__ == "__main__":
    main()
