"""The power of a system is cut again and again while rows stream: what the database committed must arrive.

Database, broker and daemon are in the one system, installed from the release's packages. Rows are written
all the time; each cut comes at a random moment while they flow. At the end every row of the table must be in
the topic; rows that came twice are counted, a source delivers at least once.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter

from deploy.packaging.build import DIST
from deploy.packaging.disks import DiskSystem
from deploy.parts.folder import PartError, progress

CUTS = 10
_TOPIC = "cut.shop.orders"
_STREAM_S = 240.0
_DRAIN_S = 600.0
_SETTINGS = """\
[mariadbd]
server-id=1
log-bin
binlog_format=ROW
binlog_row_metadata=FULL
sync_binlog=1
innodb_flush_log_at_trx_commit=1
"""
_CONNECTOR = """\
name=rows
connector.class=io.debezium.connector.mariadb.MariaDbConnector
database.hostname=localhost
database.user=ingest
database.password=ingest
database.server.id=4711
topic.prefix=cut
table.include.list=shop.orders
schema.history.internal.kafka.bootstrap.servers=127.0.0.1:9092
schema.history.internal.kafka.topic=cut-history
key.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
"""
_PREPARE = """\
CREATE DATABASE IF NOT EXISTS shop;
CREATE TABLE IF NOT EXISTS shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(20));
CREATE USER IF NOT EXISTS ingest@localhost IDENTIFIED BY 'ingest';
GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT, BINLOG MONITOR ON *.* TO ingest@localhost;
"""
_LOAD = """\
[Unit]
After=mariadb.service
Requires=mariadb.service
[Service]
ExecStart=/bin/sh -c 'while :; do cat /root/insert.sql; sleep 0.05; done | mariadb'
Restart=always
"""
_READ = """\
import json, sys
from confluent_kafka import Consumer, TopicPartition
consumer = Consumer({"bootstrap.servers": "127.0.0.1:9092", "group.id": "judge"})
place = TopicPartition("cut.shop.orders", 0)
low, high = consumer.get_watermark_offsets(place, timeout=30)
ids = []
if sys.argv[1] == "ids":
    consumer.assign([TopicPartition(place.topic, 0, low)])
    while low < high:
        for message in consumer.consume(10000, 5):
            if message.error() is None:
                low = message.offset() + 1
                ids.append(json.loads(message.key())["id"])
print(json.dumps({"high": high, "ids": ids}))
"""


def cut_power(release: str, cuts: int = CUTS, seed: int | None = None) -> int:
    """Cut a system's power `cuts` times; give 0, or 1 when a committed row did not arrive."""
    packages = sorted((DIST / release).glob("*.deb"))
    if not packages:
        raise PartError(f"There are no packages for {release}: run `deploy/package build` first.")
    seed = random.randrange(1 << 32) if seed is None else seed
    progress(f"seed {seed}")
    with DiskSystem(release, packages) as system:
        return _Run(system, random.Random(seed)).judge(cuts)


class _Run:
    """One system's cuts; `dice` chooses the moments."""

    def __init__(self, system: DiskSystem, dice: random.Random) -> None:
        self._system = system
        self._dice = dice

    def _prepare(self) -> None:
        root, run = self._system.root, self._system.sh
        (root / "etc/mysql/mariadb.conf.d/90-cdc.cnf").write_text(_SETTINGS)
        (root / "etc/systemd/system/load.service").write_text(_LOAD)
        (root / "root/prepare.sql").write_text(_PREPARE)
        (root / "root/insert.sql").write_text("INSERT INTO shop.orders (note) VALUES (1);\n")
        (root / "root/read.py").write_text(_READ)
        connector = "etc/ingest-appliance/connectors.d/rows.properties"
        (root / connector).write_text(_CONNECTOR)
        run(f"chgrp ingest /{connector}; systemctl restart mariadb; mariadb </root/prepare.sql")
        run(
            "systemctl daemon-reload; systemctl start load; systemctl restart ingest-appliance; sync"
        )

    def judge(self, cuts: int) -> int:
        """Cut and start again, then compare table and topic."""
        self._prepare()
        for number in range(1, cuts + 1):
            before = self._await_stream(0)
            wait_s = self._dice.uniform(0.5, 20)
            time.sleep(wait_s)
            began = time.monotonic()
            self._system.cut()
            booted_s = time.monotonic() - began
            self._system.sh("systemctl start load")
            self._await_stream(0)
            progress(
                f"cut {number}: {wait_s:.1f} s after record {before} was in the topic; booted in "
                f"{booted_s:.1f} s, streaming after {time.monotonic() - began:.1f} s"
            )
        self._await_stream(self._high())
        self._system.sh("systemctl stop load")
        wanted = [int(line) for line in self._sql("SELECT id FROM shop.orders").split()]
        return self._compare(wanted)

    def _sql(self, statement: str) -> str:
        return self._system.sh(f"mariadb --batch --skip-column-names -e '{statement}'")

    def _topic(self, what: str) -> dict[str, object]:
        python = "$(readlink -f /usr/bin/ingest-appliance | xargs dirname)/python"
        found: dict[str, object] = json.loads(
            self._system.sh(f"{python} /root/read.py {what}", timeout_s=300)
        )
        return found

    def _high(self) -> int:
        return int(str(self._topic("high")["high"]))

    def _await_stream(self, above: int) -> int:
        """Wait until records arrive that were not there before; give the topic's end."""
        began, first = time.monotonic(), None
        while time.monotonic() - began < _STREAM_S:
            try:
                high = self._high()
            except (PartError, ValueError):
                time.sleep(2)
                continue
            if first is not None and high > max(first, above):
                return high
            first = high if first is None else first
            time.sleep(1)
        told = self._system.sh("journalctl -u ingest-appliance -n 30 --no-pager", check=False)
        raise PartError(f"Nothing streams after {_STREAM_S:g} s:\n{told}")

    def _compare(self, wanted: list[int]) -> int:
        began = time.monotonic()
        counts: Counter[int] = Counter()
        while time.monotonic() - began < _DRAIN_S:
            ids = self._topic("ids")["ids"]
            assert isinstance(ids, list)
            counts = Counter(ids)
            if set(wanted) <= set(counts):
                break
            time.sleep(5)
        missing = sorted(set(wanted) - set(counts))
        twice = counts.total() - len(counts)
        shown = f", first {missing[:5]}" if missing else ""
        print(
            f"{'BROKEN' if missing else 'kept  '} nothing that was committed is lost by power cuts "
            f"({len(wanted)} rows, {len(missing)} missing{shown}, {twice} came twice)"
        )
        return int(bool(missing))
