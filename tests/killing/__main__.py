"""The command `tests/kill`: a campaign of kills, its progress, its report."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.killing.campaign import run
from tests.killing.kills import KINDS
from tests.killing.report import Plan
from tests.killing.site import Options


def main() -> int:
    """Run; 0 when nothing was lost, doubled, out of order or stuck."""
    arguments = _arguments()
    plan = Plan(
        count=arguments.count,
        kinds=arguments.only or KINDS,
        seed=arguments.seed,
        rate=arguments.rate,
        most_minutes=arguments.minutes,
        options=Options(arguments.isolation, arguments.exactly_once),
    )
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="ingest-kill-"))
    report = run(plan, folder / f"seed-{plan.seed}", _say)
    print(report.text())
    if arguments.report:
        Path(arguments.report).write_text(json.dumps(report.as_json(), indent=1) + "\n")
    if report.good and not arguments.folder:
        shutil.rmtree(folder / f"seed-{plan.seed}", ignore_errors=True)
    else:
        print(f"logs and data: {folder}")
    return 0 if report.good else 1


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/kill", description=__doc__)
    parser.add_argument("--count", type=int, default=5, help="kills of each kind (default 5)")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind alone")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--rate", type=float, default=25, help="transactions a second")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then no more kills")
    parser.add_argument("--isolation", choices=("task", "connector"), default="task")
    parser.add_argument("--exactly-once", action="store_true")
    parser.add_argument("--report", help="write the report to this file, as JSON")
    parser.add_argument("--folder", help="where the trial lives and stays (default: temporary)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
