"""CDC beside the peer in one run: CPU-seconds per million rows, rows per second, memory at full speed.

    python -m tests.benchmarks.cdc [--rows N] [--rounds N] [--work N,W,T,U,SN,SW] [--only ours|peer]

A real MariaDB and a real broker. Streaming (N, W, T, U of workloads.py): a connector of each contestant
reads the schema, is stopped while a round's changes are made, then drains them; the first round is cold,
the best of the others counts. Snapshot (SN, SW): a new connector each round reads the whole table. Each
round the contestants take turns, with the same connector and producer options. Counted is the CPU of all
processes of a contestant, never of the servers. Then a sample of both topics is compared byte for byte,
times and run ids masked.
"""

from __future__ import annotations

import argparse
import functools
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from deploy.parts import MariaDb
from tests.benchmarks import workloads
from tests.benchmarks.contestants import TUNED, Contestant, Topics, broker, folder, ours, peer
from tests.benchmarks.processes import Peak, machine, named_memory
from tests.waiting import wait_until

SAMPLE = 20_000
FLUSH_WAIT_S = 90.0
GATES = {"N": 5.0, "W": 2.0, "T": 2.5, "U": 4.0, "SN": 5.0, "SW": 2.0}
"""How many times the peer's CPU must be ours."""

_TIMES = re.compile(rb'"ts_(ms|us|ns)":\d+')
_RUN = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Result:
    """What one contestant needed for one workload, a number per round."""

    cpu: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    def best_cpu(self) -> float:
        """Give the CPU-seconds per million rows of the best warm round."""
        return min(self.cpu[1:] or self.cpu)


def source(
    prefix: str, database: str, port: int, bootstrap: str, *, tuned: bool
) -> dict[str, str]:
    """Give a CDC connector that takes its snapshot first; `tuned` as the peer needs it to be fast."""
    more = {"max.batch.size": "8192", "max.queue.size": "32768", "poll.interval.ms": "50"}
    return {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "tasks.max": "1",
        "topic.prefix": prefix,
        "database.hostname": "127.0.0.1",
        "database.port": str(port),
        "database.user": "ingest",
        "database.password": "ingest",
        "database.server.id": "7001",
        "database.ssl.mode": "disable",
        "database.include.list": database,
        "schema.history.internal.kafka.bootstrap.servers": bootstrap,
        "schema.history.internal.kafka.topic": f"{prefix}.history",
        **(more if tuned else {}),
    }


class Race:
    """One workload, run by all contestants round by round."""

    def __init__(
        self,
        work: str,
        rows: int,
        contestants: list[Contestant],
        topics: Topics,
        database: MariaDb,
        bootstrap: str,
    ) -> None:
        self.work, self.rows = work, rows
        self._contestants = contestants
        self._topics = topics
        self._port = database.port
        self._bootstrap = bootstrap
        self._connection = workloads.connect(database.port)
        self._database = f"bench_{work.lower()}"
        self.results = {each.name: Result() for each in contestants}
        self.last: dict[str, tuple[str, int]] = {}

    def config(self, name: str, number: int, snapshot: str) -> dict[str, str]:
        """Give a contestant's connector; both names have the same length."""
        found = source(
            f"{name}{number:04d}", self._database, self._port, self._bootstrap, tuned=True
        )
        return {**found, "database.server.id": str(7000 + number), "snapshot.mode": snapshot}

    def run(self, rounds: int) -> None:
        """Run all rounds."""
        if self.work.startswith("S"):
            self._snapshots(rounds)
        else:
            self._streams(rounds)

    def _streams(self, rounds: int) -> None:
        workloads.create(self._connection, self.work, self._database)
        if self.work == "U":
            workloads.insert(self._connection, "N", self._database, 0, self.rows)
        base = 10 * (1 + "NWTU".index(self.work))
        names = {}
        for place, each in enumerate(self._contestants):
            config = self.config(each.name, base + place, "no_data")
            names[each.name] = config["topic.prefix"]
            each.put(config["topic.prefix"], config)
            check = functools.partial(each.check, config["topic.prefix"])
            self._topics.wait(config["topic.prefix"], 1, check=check)
            wait_until(
                functools.partial(each.offsets, config["topic.prefix"]),
                f"{each.name} stores where it stands",
                FLUSH_WAIT_S,
            )
            each.stop_connector(config["topic.prefix"])
        for number in range(rounds):
            workloads.change(self._connection, self.work, self._database, number, self.rows)
            for each in self._contestants:
                prefix = names[each.name]
                topic = f"{prefix}.{self._database}.t"
                start = functools.partial(each.resume, prefix)
                self._measure(each, topic, number * self.rows, start)
                each.stop_connector(prefix)
        for each in self._contestants:
            each.delete(names[each.name])

    def _snapshots(self, rounds: int) -> None:
        workloads.create(self._connection, self.work[1], self._database)
        workloads.insert(self._connection, self.work[1], self._database, 0, self.rows)
        base = 100 if self.work == "SN" else 200
        for number in range(rounds):
            for place, each in enumerate(self._contestants):
                config = self.config(each.name, base + 10 * number + place, "initial")
                prefix = config["topic.prefix"]
                topic = f"{prefix}.{self._database}.t"
                path = f"connectors/{prefix}/config"
                start = functools.partial(each.call, "PUT", path, config)
                self._measure(each, topic, 0, start)
                each.stop_connector(prefix)
                each.delete(prefix)

    def _measure(self, each: Contestant, topic: str, before: int, start: Any) -> None:
        result = self.results[each.name]
        cpu, began = each.cpu_s(), time.monotonic()
        with Peak(each.pid) as peak:
            start()
            ended = self._topics.wait(
                topic, before + self.rows, check=lambda: each.check(topic.partition(".")[0])
            )
            spent = each.cpu_s() - cpu
        result.cpu.append(spent / self.rows * 1e6)
        result.rates.append(self.rows / (ended - began))
        result.peak_mb = max(result.peak_mb, peak.mb)
        assert self._topics.end(topic) == before + self.rows, "more records than rows"
        self.last[each.name] = (topic, before)
        print(
            f"  {self.work} {each.name} round {len(result.cpu)}: {result.cpu[-1]:.1f} CPU-s/M, "
            f"{result.rates[-1]:,.0f} rows/s, peak {peak.mb:.0f} MB",
            flush=True,
        )

    def compare(self) -> str:
        """Compare the contestants' records of the last round; gives a word for the report."""
        if len(self.last) < 2:
            return "not compared"
        count = min(SAMPLE, self.rows)
        found = []
        for name, (topic, first) in self.last.items():
            prefix = topic.partition(".")[0].encode()
            records = self._topics.records(topic, first, count)
            found.append([masked(record, prefix, name) for record in records])
        for number, (one, other) in enumerate(zip(*found, strict=True)):
            if one != other:
                return f"record {number} differs:\n{one}\n{other}"
        return f"{count} records the same"


def masked(record: tuple[Any, Any, list[Any]], prefix: bytes, name: str) -> Any:
    """Give a record without what no two runs share."""

    def plain(text: bytes | None) -> bytes | None:
        if text is None:
            return None
        return _RUN.sub(b"run", _TIMES.sub(rb'"ts_\1":0', text.replace(prefix, b"prefix")))

    key, value, headers = record
    return plain(key), plain(value), [(header, plain(text)) for header, text in headers]


def report(races: list[Race]) -> None:
    """Print the table."""
    print(f"\n{machine()}")
    for race in races:
        words = [f"{race.work:3}"]
        for name, result in race.results.items():
            words.append(
                f"{name} {result.best_cpu():5.1f} CPU-s/M {max(result.rates):9,.0f} rows/s "
                f"{result.peak_mb:5.0f} MB"
            )
        if len(race.results) == 2:
            our, their = race.results["ours"], race.results["peer"]
            words.append(
                f"ratio {their.best_cpu() / our.best_cpu():.2f} (at least {GATES[race.work]}) "
                f"memory 1/{their.peak_mb / our.peak_mb:.1f}"
            )
        words.append(race.compare())
        print(" | ".join(words), flush=True)


def main() -> None:
    """Run the chosen workloads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", default="N,W,T,U,SN,SW")
    parser.add_argument("--only", choices=("ours", "peer"))
    chosen = parser.parse_args()
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        bootstrap = stack.enter_context(broker(home)).bootstrap
        database = stack.enter_context(
            MariaDb(
                home / "mariadb",
                options={"sync_binlog": 0, "innodb_flush_log_at_trx_commit": 2},
            )
        )
        contestants = [
            stack.enter_context(make(home, bootstrap, TUNED))
            for make in (peer, ours)
            if chosen.only in (None, make.__name__)
        ]
        topics = Topics(bootstrap)
        races = []
        for work in chosen.work.split(","):
            race = Race(work, chosen.rows, contestants, topics, database, bootstrap)
            race.run(chosen.rounds)
            races.append(race)
        for each in contestants:
            print(each.name, named_memory(each.pid))
        report(races)
        topics.close()


if __name__ == "__main__":
    main()
