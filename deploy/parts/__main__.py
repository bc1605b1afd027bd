"""`python3 -m deploy.parts`: fetch parts by name, or make a virtual environment.

python3 -m deploy.parts obtain java kafka mariadb mysql postgresql hdfs connect
python3 -m deploy.parts venv FOLDER
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.parts import connect, databases, hdfs, java, kafka
from deploy.parts.folder import PartError, progress, system_error
from deploy.parts.python import make_venv

PARTS: dict[str, Callable[[], object]] = {
    "java": java.obtain_java,
    "kafka": kafka.obtain_kafka,
    "mariadb": databases.obtain_mariadb,
    "mysql": databases.obtain_mysql,
    "postgresql": databases.obtain_postgresql,
    "hdfs": hdfs.obtain_hadoop,
    "connect": lambda: (connect.obtain_connect(), connect.obtain_debezium()),
}


def main() -> int:
    """Give the exit code: 0, or 1 after one sentence about what cannot be had."""
    parser = argparse.ArgumentParser(prog="python3 -m deploy.parts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    obtain = commands.add_parser("obtain", help="fetch parts into the parts folder")
    obtain.add_argument("names", nargs="+", choices=sorted(PARTS))
    venv = commands.add_parser("venv", help="make a virtual environment with pip")
    venv.add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        if options.command == "venv":
            print(make_venv(options.folder.absolute()))
            return 0
        for name in options.names:
            began = time.monotonic()
            PARTS[name]()
            progress(f"{name} is there ({time.monotonic() - began:.1f} s)")
    except PartError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(system_error("Fetching servers", error, "INGEST_PARTS=FOLDER"), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
