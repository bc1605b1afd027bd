"""The power of a machine is cut again and again while rows stream: what the database committed must arrive.

Database, broker and daemon are in the one machine, installed from the release's packages. Rows are written
all the time; each cut comes at a random moment while they flow. At the end every row of the table must be in
the topic; rows that came twice are counted, a source delivers at least once.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from deploy.packaging.build import DIST
from deploy.packaging.machine import Machine, machine_root, write_agent, write_disk
from deploy.packaging.roots import run_in
from deploy.parts.folder import PartError, progress, run

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
    """Cut a machine's power `cuts` times; give 0, or 1 when a committed row did not arrive."""
    seed = random.randrange(1 << 32) if seed is None else seed
    dice = random.Random(seed)
    progress(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="powercut-"))
    try:
        machine = _make(release, folder)
        try:
            return _Run(machine, dice).judge(cuts)
        finally:
            machine.cut()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(release: str, folder: Path) -> Machine:
    """Give the machine: the release with the packages installed, on a disk of its own."""
    packages = sorted((DIST / release).glob("*.deb"))
    if not packages:
        raise PartError(f"There are no packages for {release}: run `deploy/package build` first.")
    lower = machine_root(release)
    root, disk = folder / "root", folder / "disk.img"
    for name in ("upper", "work", "root"):
        (folder / name).mkdir()
    layers = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
    run(["mount", "-t", "overlay", "overlay", "-o", layers, str(root)], "mounting a folder")
    try:
        for package in packages:
            shutil.copy(package, root / "tmp")
        names = [f"/tmp/{package.name}" for package in packages]
        run_in(root, ["dpkg", "-i", *names], "installing the packages")
        write_agent(root)
        (root / "etc/mysql/mariadb.conf.d/90-cdc.cnf").write_text(_SETTINGS)
        (root / "etc/systemd/system/load.service").write_text(_LOAD)
        (root / "root/prepare.sql").write_text(_PREPARE)
        (root / "root/insert.sql").write_text("INSERT INTO shop.orders (note) VALUES (1);\n")
        (root / "root/read.py").write_text(_READ)
        connector = root / "etc/ingest-appliance/connectors.d/rows.properties"
        connector.write_text(_CONNECTOR)
        (root / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
        run_in(root, ["chgrp", "ingest", f"/{connector.relative_to(root)}"], "setting a group")
        progress("writing the disk")
        write_disk(root, disk, "6G")
    finally:
        subprocess.run(["umount", str(root)], check=False)
    return Machine(folder, lower, disk)


class _Run:
    """One machine's cuts; `dice` chooses the moments."""

    def __init__(self, machine: Machine, dice: random.Random) -> None:
        self._machine = machine
        self._dice = dice

    def judge(self, cuts: int) -> int:
        """Cut and start again, then compare table and topic."""
        self._start()
        self._machine.sh("mariadb </root/prepare.sql")
        self._machine.sh("systemctl start load; systemctl restart ingest-appliance", timeout_s=200)
        for number in range(1, cuts + 1):
            before = self._await_stream(0)
            wait_s = self._dice.uniform(2, 20)
            time.sleep(wait_s)
            self._machine.cut()
            progress(f"cut {number}: {wait_s:.1f} s after record {before} was in the topic")
            self._start()
            self._machine.sh("systemctl start load")
        self._await_stream(self._high())
        self._machine.sh("systemctl stop load")
        wanted = [int(line) for line in self._sql("SELECT id FROM shop.orders").split()]
        return self._compare(wanted)

    def _start(self) -> None:
        progress(f"up after {self._machine.start():.0f} s")

    def _sql(self, statement: str) -> str:
        return self._machine.sh(f"mariadb --batch --skip-column-names -e '{statement}'")

    def _topic(self, what: str) -> dict[str, object]:
        python = "$(readlink -f /usr/bin/ingest-appliance | xargs dirname)/python"
        found: dict[str, object] = json.loads(
            self._machine.sh(f"{python} /root/read.py {what}", timeout_s=300)
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
        told = self._machine.sh("journalctl -u ingest-appliance -n 30 --no-pager", check=False)
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
        twice = sum(count - 1 for count in counts.values())
        shown = f", first {missing[:5]}" if missing else ""
        print(
            f"{'BROKEN' if missing else 'kept  '} nothing that was committed is lost by power cuts "
            f"({len(wanted)} rows, {len(missing)} missing{shown}, {twice} came twice)"
        )
        return int(bool(missing))
