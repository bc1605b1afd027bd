"""The power of a machine is cut again and again while rows stream: what the database committed must arrive.

Database, broker and daemon are in the one virtual machine, installed from the release's packages. Rows are
committed all the time; each cut comes at a random moment while they flow. At the end every row that was
answered must be in the table, and every row of the table in the topic; records that came twice are counted,
a source delivers at least once.
"""

from __future__ import annotations

import random
import time

from deploy.packaging.build import DIST
from deploy.packaging.machine import Machine, Message
from deploy.parts.folder import PartError, progress

CUTS = 10
_STREAM_S = 1800.0
_DRAIN_S = 600.0
_MOST_WAIT_S = 20.0
_SETTINGS = """\
[mariadbd]
server-id=1
log-bin
binlog_format=ROW
binlog_row_metadata=FULL
sync_binlog=1
innodb_flush_log_at_trx_commit=1
init-file=/etc/mysql/shop.sql
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
CREATE USER IF NOT EXISTS shop@localhost IDENTIFIED BY 'shop';
GRANT INSERT ON shop.* TO shop@localhost;
"""
_FILES = {
    "etc/mysql/mariadb.conf.d/90-cdc.cnf": _SETTINGS,
    "etc/mysql/shop.sql": _PREPARE,
    "etc/ingest-appliance/connectors.d/rows.properties": _CONNECTOR,
}


def cut_power(release: str, cuts: int = CUTS, seed: int | None = None) -> int:
    """Cut a machine's power `cuts` times; give 0, or 1 when a committed row did not arrive."""
    packages = sorted((DIST / release).glob("*.deb"))
    if not packages:
        raise PartError(f"There are no packages for {release}: run `deploy/package build` first.")
    seed = random.randrange(1 << 32) if seed is None else seed
    progress(f"seed {seed}")
    account = Account()
    with Machine(release, packages, _FILES, account.note) as machine:
        return _judge(machine, account, cuts, random.Random(seed))


class Account:
    """What was committed, and what is in the topic as far as it was read since the last start."""

    def __init__(self) -> None:
        self.answered: set[int] = set()
        self.topic: dict[int, int] = {}
        self._first: int | None = None
        self._before: dict[int, int] = {}

    def note(self, message: Message) -> None:
        """Take what the witness tells."""
        if "up" in message:
            progress(f"its services began {message['up']:.0f} s after its start")
        if "committed" in message:
            self.answered.add(message["committed"])
            if self._first is None:
                self._first = message["committed"]
        for offset, row in enumerate(message.get("ids", ()), message.get("begin", 0)):
            self.topic[offset] = row

    def cut(self) -> None:
        """Begin anew with a machine that has just lost its power."""
        self._before, self.topic, self._first = self.topic, {}, None

    def streams(self) -> bool:
        """Whether a row has arrived that was committed since the last start."""
        return self._first in self.topic.values()

    def skipped(self) -> int:
        """Give how many rows are not there though one that was committed after them is."""
        first = self._first or 0
        return len(self.missing({row for row in self.answered if row < first}))

    def taken_back(self) -> int:
        """Give how many records that could be read before the last cut are no longer there."""
        return sum(self.topic.get(offset) != row for offset, row in self._before.items())

    def missing(self, rows: set[int]) -> set[int]:
        """Give which of the rows are not in the topic."""
        return rows - set(self.topic.values())


def _judge(machine: Machine, account: Account, cuts: int, dice: random.Random) -> int:
    """Cut and start again, then compare what was answered, the table and the topic."""
    taken_back = 0
    machine.start()
    for number in range(1, cuts + 1):
        machine.wait(account.streams, "rows stream", _STREAM_S)
        end = time.monotonic() + dice.uniform(0.5, _MOST_WAIT_S)
        machine.wait(lambda: time.monotonic() > end, "letting rows flow", _DRAIN_S)  # noqa: B023 - called within its turn
        machine.cut()
        before = len(account.answered)
        account.cut()
        machine.start()
        took_s = machine.wait(account.streams, "rows stream again", _STREAM_S)
        lost = account.taken_back()
        taken_back += lost
        progress(
            f"cut {number} after {before} rows: streams again after {took_s:.0f} s, {lost} records were "
            f"gone from the topic, {account.skipped()} rows were passed over"
        )
    machine.say(load=False)
    told = machine.sh("mariadb --batch --skip-column-names -e 'SELECT id FROM shop.orders'")
    table = {int(line) for line in told.split()}
    try:
        machine.wait(lambda: not account.missing(table), "the last rows arrive", _DRAIN_S)
    except PartError as error:
        progress(str(error))
    missing = sorted(account.missing(table))
    unkept = len(account.answered - table)
    shown = f", first {missing[:5]}" if missing else ""
    twice = len(account.topic) - len(set(account.topic.values()))
    print(
        f"{'BROKEN' if missing or unkept else 'kept  '} nothing that was committed is lost by {cuts} "
        f"power cuts ({len(table)} rows in the table, {unkept} answered and not in it, {len(missing)} "
        f"not in the topic{shown}; {taken_back} records the broker had lost, {twice} came twice)"
    )
    return int(bool(missing or unkept))
