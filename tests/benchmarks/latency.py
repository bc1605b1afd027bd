"""From commit to consumer: p50 and p99 in milliseconds at steady rates, beside the tuned peer.

    python -m tests.benchmarks.latency [--seconds S] [--rates 500,2000] [--only ours|peer]

One process commits rows of one at a steady rate, each with the time just before its INSERT; another one
consumes the topic and takes the difference. Ours runs with default settings, the peer with those of
contestants.TUNED and a poll interval of 50 ms. The first two seconds do not count.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import statistics
import time
from contextlib import ExitStack
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from deploy.parts import MariaDb
from tests.benchmarks import workloads
from tests.benchmarks.cdc import source
from tests.benchmarks.contestants import TUNED, Contestant, Topics, broker, folder, ours, peer
from tests.benchmarks.processes import machine

GATES = {500: (8.0, 30.0), 2000: (10.0, None)}
"""p50 and p99 in ms at most; None: below the peer's."""

TABLE = "(id INT AUTO_INCREMENT PRIMARY KEY, sent BIGINT NOT NULL)"
WARM_S = 2.0
_STAMP = re.compile(rb'"sent":(\d+)')


def commit(port: int, database: str, rate: int, seconds: float) -> None:
    """Commit rows of one at a steady rate."""
    cursor = workloads.connect(port).cursor()
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        pause = began + number / rate - time.perf_counter()
        if pause > 0:
            # the pace itself: this many commits a second
            time.sleep(pause)
        cursor.execute(f"INSERT INTO {database}.t (sent) VALUES ({time.time_ns() // 1000})")


def consume(bootstrap: str, topic: str, first: int, count: int, ready: Any, found: Any) -> None:
    """Consume `count` records from offset `first` on; put (sent, latency in ms) of each."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, 0, first)])
    consumer.poll(1)
    ready.set()
    latencies: list[tuple[int, float]] = []
    deadline = time.monotonic() + 120
    while len(latencies) < count and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None or message.error():
            continue
        now = time.time_ns() // 1000
        stamp = _STAMP.search(message.value() or b"")
        if stamp:
            sent = int(stamp[1])
            latencies.append((sent, (now - sent) / 1000))
    found.put(latencies)
    consumer.close()


def run(
    each: Contestant, topic: str, topics: Topics, home: tuple[str, int], load: tuple[int, float]
) -> tuple[float, float]:
    """Give p50 and p99 of one contestant at one rate."""
    (bootstrap, port), (rate, seconds) = home, load
    database = topic.split(".")[1]
    first, count = topics.end(topic), int(rate * seconds)
    found: Any = multiprocessing.Queue()
    ready = multiprocessing.Event()
    reader = multiprocessing.Process(
        target=consume, args=(bootstrap, topic, first, count, ready, found)
    )
    writer = multiprocessing.Process(target=commit, args=(port, database, rate, seconds))
    reader.start()
    assert ready.wait(30), "the consumer did not start"
    cpu = each.cpu_s()
    writer.start()
    latencies = found.get(timeout=seconds + 180)
    share = (each.cpu_s() - cpu) / seconds * 100
    writer.join()
    reader.join()
    begin = latencies[0][0] + WARM_S * 1e6
    cuts = statistics.quantiles([ms for sent, ms in latencies if sent >= begin], n=100)
    p50, p99 = cuts[49], cuts[98]
    print(
        f"{rate:5} commits/s {each.name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {share:.0f} % of a core",
        flush=True,
    )
    return p50, p99


def main() -> None:
    """Run the contestants one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rates", default="500,2000")
    parser.add_argument("--only", choices=("ours", "peer"))
    chosen = parser.parse_args()
    print(machine())
    with ExitStack() as stack:
        data = stack.enter_context(folder())
        bootstrap = stack.enter_context(broker(data)).bootstrap
        options = {"sync_binlog": 0, "innodb_flush_log_at_trx_commit": 2}
        database = stack.enter_context(MariaDb(data / "mariadb", options=options))
        connection = workloads.connect(database.port)
        topics = Topics(bootstrap)
        for make, settings in ((ours, {}), (peer, TUNED)):
            if chosen.only not in (None, make.__name__):
                continue
            with make(data, bootstrap, settings) as each:
                name, cursor = f"bench_{each.name}", connection.cursor()
                cursor.execute(f"CREATE DATABASE {name}")
                cursor.execute(f"CREATE TABLE {name}.t {TABLE}")
                config = source(
                    each.name, name, database.port, bootstrap, tuned=each.name == "peer"
                )
                each.put(each.name, config)
                cursor.execute(f"INSERT INTO {name}.t (sent) VALUES (0)")
                topic = f"{each.name}.{name}.t"
                topics.wait(topic, 1)
                for rate in map(int, chosen.rates.split(",")):
                    home = bootstrap, database.port
                    run(each, topic, topics, home, (rate, chosen.seconds))
        print(f"ours at most (p50, p99): {GATES}")
        topics.close()


if __name__ == "__main__":
    main()
