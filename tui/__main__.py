"""`ingest-tui`: reads the command line, then imports only what the first paint needs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

DEFAULT_URL = "http://127.0.0.1:8083"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console; gives the exit code."""
    parser = argparse.ArgumentParser(prog="ingest-tui", description="Console of ingest-appliance.")
    parser.add_argument("--url", default=os.environ.get("INGEST_URL", DEFAULT_URL))
    parser.add_argument("--cafile", help="certificate authority of the daemon's TLS certificate")
    parser.add_argument("--theme", choices=("dark", "light", "mono"))
    parser.add_argument("--ascii", action="store_true", help="glyphs and frames in ASCII")
    options = parser.parse_args(argv)
    if os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        sys.stderr.write(
            "ingest-tui needs a terminal that can move its cursor; "
            "use ingest-appliance in scripts and plain terminals.\n"
        )
        return 2
    import time

    from tui.app import Console
    from tui.client import Client
    from tui.feed import Feed
    from tui.model import Model
    from tui.palette import chosen
    from tui.scene import Scene

    model = Model()
    client = Client(options.url, options.cafile)
    feed = Feed(client, model, time.time)
    palette = chosen(options.theme, os.environ, ascii=options.ascii)
    Console(Scene(model, palette, client, feed, time.time)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
