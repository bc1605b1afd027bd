"""JDBC source: CPU-seconds per million narrow rows of MariaDB, read incrementally by the default driver.

    python -m tests.benchmarks.jdbc [--rows N] [--rounds N]

A new connector each round reads the whole table into a topic of its own (JSON with schema, lz4); counted
is the CPU of all processes of the daemon from its creation to the last record. The best round counts.
"""

from __future__ import annotations

import argparse
import functools
import time
from contextlib import ExitStack

from deploy.parts import MariaDb
from tests.benchmarks import workloads
from tests.benchmarks.contestants import TUNED, Topics, broker, folder, ours
from tests.benchmarks.processes import machine, memory_mb

GATE = 4.0


def main() -> None:
    """Run all rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print(machine())
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        bootstrap = stack.enter_context(broker(home)).bootstrap
        database = stack.enter_context(MariaDb(home / "mariadb", options={"sync_binlog": 0}))
        connection = workloads.connect(database.port)
        workloads.create(connection, "N", "bench")
        workloads.insert(connection, "N", "bench", 1, chosen.rows)
        each = stack.enter_context(ours(home, bootstrap, TUNED))
        topics = Topics(bootstrap)
        best = []
        for number in range(chosen.rounds):
            name = f"jdbc{number}"
            config = {
                "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector",
                "connection.url": f"jdbc:mariadb://127.0.0.1:{database.port}/bench",
                "connection.user": "ingest",
                "connection.password": "ingest",
                "mode": "incrementing",
                "incrementing.column.name": "emp_no",
                "table.whitelist": "t",
                "topic.prefix": f"{name}_",
                "batch.max.rows": "2000",
            }
            cpu, began = each.cpu_s(), time.monotonic()
            each.call("PUT", f"connectors/{name}/config", config)
            ended = topics.wait(
                f"{name}_t", chosen.rows, check=functools.partial(each.check, name)
            )
            best.append((each.cpu_s() - cpu) / chosen.rows * 1e6)
            print(
                f"round {number + 1}: {best[-1]:.2f} CPU-s/M, "
                f"{chosen.rows / (ended - began):,.0f} rows/s, {memory_mb(each.pid):.0f} MB",
                flush=True,
            )
            each.delete(name)
        print(f"JDBC narrow: {min(best):.2f} CPU-s/M (at most {GATE})")
        topics.close()


if __name__ == "__main__":
    main()
