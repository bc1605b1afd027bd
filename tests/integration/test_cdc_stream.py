"""The source task on real servers: types, restarts, lost connections, odd transactions."""

from __future__ import annotations

import json
import math
import random
import threading
import time
import uuid
from typing import Any

import pytest

from appliance.connectors.binlog.task import MariaDbConnectorTask, MySqlConnectorTask
from appliance.converters.json import JsonConverter
from appliance.errors import ConnectError
from appliance.ids import ConnectorTaskId

TASKS = {"mariadb": MariaDbConnectorTask, "mysql": MySqlConnectorTask}


class Context:
    """A task's context with a stored offset in memory."""

    def __init__(self, config, offset):
        self.id = ConnectorTaskId("cdc", 0)
        self.config = config
        self.stopping = False
        self.offset = offset
        self.metrics: dict[str, float] = {}
        self.trouble: str | None = None

    def wait(self, timeout_s):
        time.sleep(min(timeout_s, 0.2))
        return self.stopping

    def set_metric(self, name, value):
        self.metrics[name] = value

    def set_trouble(self, trouble):
        self.trouble = trouble

    def offsets(self, partitions):
        return [self.offset for _ in partitions]

    def client_config(self, prefix):
        return {}


class Capture:
    """A connector of a test's own database: runs tasks one after the other, keeps what they give."""

    def __init__(self, kind, address, folder):
        self.kind = kind
        self.address = address
        self.database = f"d{uuid.uuid4().hex[:12]}"
        self.connection = address.connect(charset="utf8mb4")
        self.sql(f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")
        self.sql(f"USE {self.database}")
        self.config = {
            "topic.prefix": "p",
            "database.hostname": address.host,
            "database.port": str(address.port),
            "database.user": address.user,
            "database.password": address.password,
            "database.server.id": str(random.randrange(10_000, 2**31)),
            "database.include.list": self.database,
            "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
            "schema.history.internal.file.filename": str(folder / f"{self.database}.history"),
            "include.schema.changes": "false",
        }
        self.offset: Any = None
        self.records: list[tuple] = []
        self.task: Any = None
        self.context: Any = None
        self._converters = [JsonConverter(), JsonConverter()]
        for converter, is_key in zip(self._converters, (True, False), strict=True):
            converter.configure({"schemas.enable": "false"}, is_key=is_key)

    def sql(self, *statements):
        """Run statements; give the last one's rows."""
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def start(self, **options):
        """Start a task at the last offset, and let it finish a snapshot."""
        config = {**self.config, **options}
        self.task = TASKS[self.kind]()
        self.context = Context(config, self.offset)
        self.task.start(self.context, config)
        while self.offset is None or self.offset.get("snapshot"):
            self.poll()

    def stop(self):
        """End the task."""
        if self.task is not None:
            self.task.stop()
            self.task.close()
            self.task = None

    def poll(self):
        """Take one poll; keep its records and the offset behind them."""
        for batch in self.task.poll():
            self._take(batch)

    def _take(self, batch):
        topic = batch.topic_at(0)
        keys: list[bytes | None] = [None] * len(batch)
        if batch.keys is not None and batch.values:
            keys = self._converters[0].encoder(topic, batch.key_schema)(batch.keys, ())
        if batch.values:
            encode = self._converters[1].encoder(topic, batch.value_schema, batch.layout)
            for row, value in enumerate(encode(batch.values, batch.constants)):
                key = keys[row]
                self.records.append((topic, key and json.loads(key), value and json.loads(value)))
        last = batch.source_offset_at(max(0, len(batch) - 1))
        if last is not None:
            self.offset = last

    def until(self, count, timeout_s=20):
        """Poll until there are `count` records."""
        deadline = time.monotonic() + timeout_s
        while len(self.records) < count and time.monotonic() < deadline:
            self.poll()
        assert len(self.records) == count

    def images(self, op, field="after"):
        """Give the images of one operation."""
        return [r[2][field] for r in self.records if r[2] is not None and r[2]["op"] == op]

    def close(self):
        """Stop, drop the database."""
        self.stop()
        self.sql(f"DROP DATABASE IF EXISTS {self.database}")
        self.connection.close()


@pytest.fixture(params=["mariadb", "mysql"])
def capture(request, tmp_path):
    """A capture of a database of its own, on both servers in turn."""
    found = Capture(request.param, request.getfixturevalue(request.param), tmp_path)
    yield found
    found.close()


COLUMNS = """
id INT PRIMARY KEY AUTO_INCREMENT, t1 TINYINT, t1u TINYINT UNSIGNED, b1 TINYINT(1), s2 SMALLINT,
s2u SMALLINT UNSIGNED, m3 MEDIUMINT, m3u MEDIUMINT UNSIGNED, i4 INT NOT NULL, i4u INT UNSIGNED,
z4 INT(6) ZEROFILL, i8 BIGINT, i8u BIGINT UNSIGNED, f4 FLOAT, f8 DOUBLE, d1 DECIMAL(5,0), d2 DECIMAL(12,2),
d3 DECIMAL(18,9), d4 DECIMAL(28,10) NOT NULL, d5 DECIMAL(65,30), d6 DECIMAL(9,9), bt1 BIT(1), bt9 BIT(9),
bt64 BIT(64), dt DATE, dn DATE NOT NULL, ti TIME, ti2 TIME(2), ti3 TIME(3), ti6 TIME(6), da DATETIME,
da1 DATETIME(1), da3 DATETIME(3), da4 DATETIME(4), da6 DATETIME(6), ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL,
y YEAR, c CHAR(10), cu CHAR(60), v VARCHAR(40), vl VARCHAR(300), l1 VARCHAR(20) CHARACTER SET latin1,
u16 VARCHAR(20) CHARACTER SET utf16, gbk VARCHAR(20) CHARACTER SET gbk, tt TINYTEXT, tx TEXT, lt LONGTEXT,
bi BINARY(6), vb VARBINARY(30), bl BLOB, e ENUM('a','bb','ccc'), st SET('x','y','z'),
st9 SET('1','2','3','4','5','6','7','8','9'), po POINT, ge GEOMETRY
"""


def random_row(dice):
    """Give a row of SQL literals for COLUMNS behind `id`; a fifth of the nullable ones is NULL."""

    def integer(bits, *, unsigned=False):
        low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return str(dice.choice((low, high, 0, 1, dice.randint(low, high))))

    def decimal(precision, scale):
        digits = "".join(
            dice.choice("0123456789") for _ in range(dice.randrange(1, precision + 1))
        )
        number = digits.zfill(scale + 1)
        whole, fraction = number[: len(number) - scale], number[len(number) - scale :]
        if scale == precision:
            whole = "0"
        return dice.choice(("", "-")) + (f"{whole}.{fraction}" if scale else whole)

    def date():
        return f"{dice.randrange(1000, 9999):04d}-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d}"

    def clock(digits=0):
        text = f"{dice.randrange(24):02d}:{dice.randrange(60):02d}:{dice.randrange(60):02d}"
        return text + (f".{dice.randrange(10**digits):0{digits}d}" if digits else "")

    def span(digits=0):
        text = f"{dice.choice(('', '-'))}{dice.randrange(838):02d}:{dice.randrange(60):02d}:59"
        return f"'{text}" + (f".{dice.randrange(10**digits):0{digits}d}'" if digits else "'")

    def moment(digits=0):
        year = dice.randrange(1971, 2037)
        return f"'{year}-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d} {clock(digits)}'"

    def text(letters, most):
        chosen = "".join(dice.choice(letters) for _ in range(dice.randrange(most + 1)))
        return "'" + chosen.replace("\\", "\\\\").replace("'", "''") + "'"

    def raw(most):
        return f"x'{dice.randbytes(dice.randrange(most + 1)).hex()}'"

    def bits(count):
        return f"b'{dice.getrandbits(count):b}'"

    plain, wide = "abc XYZ '\"\\\n\t", "aé中😀\u0085'"
    required = {8, 18, 25}
    values = [
        integer(8), integer(8, unsigned=True), dice.choice("01"), integer(16), integer(16, unsigned=True),
        integer(24), integer(24, unsigned=True), integer(32), integer(32, unsigned=True),
        str(dice.randrange(10**6)), integer(64), integer(64, unsigned=True), str(dice.randrange(-999, 999) / 8),
        repr(dice.uniform(-1e9, 1e9)), decimal(5, 0), decimal(12, 2), decimal(18, 9), decimal(28, 10),
        decimal(65, 30), decimal(9, 9), bits(1), bits(9), bits(64), f"'{date()}'", f"'{date()}'", span(),
        span(2), span(3), span(6), f"'{date()} {clock()}'", f"'{date()} {clock(1)}'", f"'{date()} {clock(3)}'",
        f"'{date()} {clock(4)}'", f"'{date()} {clock(6)}'", moment(),
        moment(5)[:-1] + f"{dice.randrange(1, 10)}'", str(dice.randrange(1901, 2156)),
        text(plain, 10), text(wide, 60), text(wide, 40), text(wide, 300), text("aé\u20ac", 20),
        text("aé中", 20), text("a中文", 20), text(wide, 60), text(wide, 500), text(wide, 3000), raw(6), raw(30),
        raw(400), dice.choice(("'a'", "'bb'", "'ccc'")), str(dice.randrange(8)), str(dice.randrange(512)),
        f"ST_GeomFromText('POINT({dice.randrange(90)} {dice.randrange(90)})')",
        "ST_GeomFromText('LINESTRING(0 0,1 2,3 4)', 4326)",
    ]  # fmt: skip
    return [
        value if place + 1 in required or dice.random() < 0.8 else "NULL"
        for place, value in enumerate(values)
    ]


def test_stream_gives_the_values_of_the_snapshot_when_rows_are_the_same(capture):
    """For every type the stream decodes what SQL says: copies of snapshotted rows look alike."""
    dice = random.Random(11)
    capture.sql(f"CREATE TABLE t ({COLUMNS})")
    capture.sql("SET sql_mode = ''")
    for _ in range(150):
        capture.sql(f"INSERT INTO t VALUES (NULL, {', '.join(random_row(dice))})")
    capture.start()
    capture.until(150)
    names = [row[0] for row in capture.sql("DESCRIBE t") if row[0] != "id"]
    listed = ", ".join(names)
    capture.sql(f"INSERT INTO t (id, {listed}) SELECT id + 1000, {listed} FROM t")
    capture.until(300)
    capture.sql("UPDATE t SET i4 = i4 - 1 WHERE id > 1000 AND i4 > 0")
    changed = capture.sql("SELECT ROW_COUNT()")[0][0]
    capture.until(300 + changed)
    read = {image["id"]: image for image in capture.images("r")}
    made = capture.images("c")
    assert len(made) == 150
    for after in made:
        before = read[after["id"] - 1000]
        differing = [name for name in names if after[name] != before[name]]
        assert {n: after[n] for n in differing} == {n: before[n] for n in differing}
    updated = {image["id"]: image for image in capture.images("u", "before")}
    assert updated
    assert all(image == updated.get(image["id"], image) for image in made)


def _fill(capture, count):
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))", "CREATE TABLE u LIKE t")
    dice = random.Random(5)
    for number in range(count):
        capture.sql("BEGIN")
        rows = [number * 100 + n for n in range(dice.choice((1, 1, 2, 30)))]
        capture.sql("INSERT INTO t VALUES " + ",".join(f"({n},'a')" for n in rows))
        if dice.random() < 0.5:
            capture.sql(f"INSERT INTO u VALUES ({number},'u')")
        capture.sql(f"UPDATE t SET v = 'b' WHERE id >= {rows[0]}")
        if dice.random() < 0.5:
            capture.sql(f"UPDATE t SET id = id + 50 WHERE id = {rows[0]}")
        if dice.random() < 0.5:
            capture.sql(f"DELETE FROM t WHERE id = {rows[-1]}")
        capture.sql("COMMIT")


def _timeless(records):
    found = []
    for topic, key, value in records:
        kept = value and {k: v for k, v in value.items() if not k.startswith("ts_")}
        found.append((topic, key, kept))
    return found


def test_records_are_those_of_one_run_when_the_task_restarts_all_the_time(capture):
    """A task stopped after any poll, inside transactions too, goes on exactly behind it."""
    capture.start(**{"snapshot.mode": "no_data"})
    begin = capture.offset
    _fill(capture, 40)
    capture.sql("INSERT INTO u VALUES (-1, 'last')")
    while not capture.records or capture.records[-1][1] != {"id": -1}:
        capture.poll()
    capture.stop()
    whole = capture.records
    assert len(whole) > 400
    capture.records, capture.offset = [], begin
    while len(capture.records) < len(whole):
        capture.start(**{"max.batch.size": "7"})
        for _ in range(3):
            if len(capture.records) < len(whole):
                capture.poll()
        capture.stop()
    assert _timeless(capture.records) == _timeless(whole)


def _kill_dump(capture):
    rows = capture.sql("SELECT ID, COMMAND FROM information_schema.PROCESSLIST")
    for number, command in rows:
        if "Binlog Dump" in command:
            capture.sql(f"KILL {number}")


def test_nothing_is_lost_or_doubled_when_connections_are_killed(capture):
    """A killed dump connection is opened again at the last event and row, by the same task."""
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200))")
    capture.start(**{"snapshot.mode": "no_data", "max.batch.size": "50"})
    total = 4000
    for first in range(0, total, 500):
        rows = ",".join(f"({n},'{'x' * 150}')" for n in range(first, first + 500))
        capture.sql(f"INSERT INTO t VALUES {rows}")
    kills = 0
    deadline = time.monotonic() + 60
    while len(capture.records) < total and time.monotonic() < deadline:
        capture.poll()
        if len(capture.records) // 700 > kills:
            _kill_dump(capture)
            kills += 1
    assert kills >= 4
    assert [record[1]["id"] for record in capture.records] == list(range(total))


def test_lag_is_unknown_while_the_connection_is_lost(capture):
    """How far it was behind before says nothing; once it reads again, it knows again."""
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    capture.start(**{"snapshot.mode": "no_data"})
    capture.sql("INSERT INTO t VALUES (1)")
    capture.until(1)
    seen: list[bool] = []
    _kill_dump(capture)
    deadline = time.monotonic() + 20
    while seen[-2:-1] != [True] or seen[-1]:
        assert time.monotonic() < deadline
        capture.poll()
        seen.append(math.isnan(capture.task._context.metrics["milliseconds_behind_source"]))
    assert capture.records[1:] == []


def test_schema_follows_when_ddl_runs_while_streaming_and_while_stopped(capture):
    """Changes of a table are followed at their place in the stream, by a restarted task too."""
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(10))")
    capture.start(**{"snapshot.mode": "no_data"})
    capture.sql("INSERT INTO t VALUES (1, 1, 'x')")
    capture.until(1)
    capture.stop()
    capture.sql(
        "INSERT INTO t VALUES (2, 2, 'y')",
        "ALTER TABLE t MODIFY b VARCHAR(10) FIRST, ADD COLUMN c DATE",
        "INSERT INTO t VALUES ('z', 3, 3, '2026-01-02')",
        "ALTER TABLE t DROP COLUMN a, RENAME TO t2",
        "INSERT INTO t2 VALUES ('w', 4, NULL)",
    )
    capture.start()
    capture.until(4)
    assert [record[2]["after"] for record in capture.records] == [
        {"id": 1, "a": 1, "b": "x"},
        {"id": 2, "a": 2, "b": "y"},
        {"b": "z", "id": 3, "a": 3, "c": 20455},
        {"b": "w", "id": 4, "c": None},
    ]
    assert capture.records[-1][0].endswith(".t2")


def test_rows_come_when_the_server_compresses_its_binlog(capture):
    """Compressed transactions (MySQL) and compressed events (MariaDB) are read like plain ones."""
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(2000))")
    capture.start(**{"snapshot.mode": "no_data"})
    capture.sql("INSERT INTO t VALUES (1, 'plain')")
    capture.until(1)
    if capture.kind == "mysql":
        capture.sql("SET SESSION binlog_transaction_compression = ON")
    else:
        capture.sql("SET GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10")
    try:
        values = ",".join(f"({n}, REPEAT('v', 1900))" for n in range(2, 52))
        capture.sql(f"INSERT INTO t VALUES {values}")
        capture.sql("UPDATE t SET v = REPEAT('w', 1900) WHERE id = 2")
        capture.sql("DELETE FROM t WHERE id = 3")
        capture.until(54)
    finally:
        if capture.kind == "mariadb":
            capture.sql("SET GLOBAL log_bin_compress = OFF, GLOBAL log_bin_compress_min_len = 256")
    capture.sql("INSERT INTO t VALUES (100, 'after')")
    capture.until(55)
    assert capture.records[1][2]["after"] == {"id": 2, "v": "v" * 1900}
    assert capture.images("u") == [{"id": 2, "v": "w" * 1900}]
    assert capture.records[-1][2]["after"] == {"id": 100, "v": "after"}


def test_row_comes_when_its_event_fills_several_packets(capture):
    """An event of more than 16 MB, sent in several packets, is put together."""
    size = 18_000_000
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)")
    # stays, since tests beside this one set it too
    capture.sql("SET GLOBAL max_allowed_packet = 67108864")
    connection = capture.address.connect(capture.database, charset="utf8mb4")
    capture.start(**{"snapshot.mode": "no_data"})
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO t VALUES (1, REPEAT('v', {size})), (2, 'small')")
    connection.close()
    capture.until(2)
    assert capture.records[0][2]["after"]["v"] == "v" * size
    assert capture.records[1][2]["after"] == {"id": 2, "v": "small"}


def test_task_fails_when_row_images_lack_columns(capture):
    """A session that writes minimal row images stops the task, with the remedy in the text."""
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT, w INT)")
    capture.start(**{"snapshot.mode": "no_data"})
    capture.sql("INSERT INTO t VALUES (1, 1, 1)")
    capture.until(1)
    capture.sql("SET SESSION binlog_row_image = MINIMAL", "UPDATE t SET v = 2")
    with pytest.raises(ConnectError, match="binlog_row_image=FULL"):
        capture.until(2)


def test_position_moves_on_when_only_other_tables_change(capture):
    """The stored position follows the binlog through transactions that are not captured."""
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE other (id INT PRIMARY KEY)")
    capture.start(**{"snapshot.mode": "no_data", "table.include.list": f"{capture.database}.t"})
    capture.sql("INSERT INTO t VALUES (1)")
    capture.until(1)
    first = capture.offset
    capture.sql("INSERT INTO other VALUES (1)")
    deadline = time.monotonic() + 20
    while capture.offset["pos"] <= first["pos"] + 100 and time.monotonic() < deadline:
        capture.poll()
    assert capture.offset["pos"] > first["pos"] + 100
    assert capture.offset["gtids"] != first.get("gtids")
    assert "event" not in capture.offset


def test_position_moves_on_when_other_tables_are_busy(capture):
    """A server that never rests keeps no poll: the position follows tables that are not captured."""
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE other (id INT)")
    capture.start(**{"snapshot.mode": "no_data", "table.include.list": f"{capture.database}.t"})
    capture.sql("INSERT INTO t VALUES (1)")
    capture.until(1)
    first = capture.offset
    done = threading.Event()

    def write():
        with capture.address.connect(capture.database) as connection:
            while not done.wait(0.05):
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO other VALUES (1)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        begin = time.monotonic()
        for _ in range(3):
            capture.poll()
        assert time.monotonic() - begin < 10
        assert capture.offset["pos"] > first["pos"] + 100
    finally:
        done.set()
        writer.join()


def test_rows_come_when_sequences_step_between_them(mariadb, tmp_path):
    """Sequences, made before or after the start, step by rows of their own: these are no changes of tables."""
    capture = Capture("mariadb", mariadb, tmp_path)
    try:
        capture.sql(
            "CREATE SEQUENCE early", "CREATE TABLE t (id INT PRIMARY KEY DEFAULT NEXTVAL(early))"
        )
        capture.start()
        capture.sql(
            "INSERT INTO t VALUES (DEFAULT), (DEFAULT)",
            "CREATE SEQUENCE late START 50",
            "SELECT NEXTVAL(late)",
            "ALTER SEQUENCE late RESTART 70",
            "INSERT INTO t VALUES (NEXTVAL(late))",
            "DROP SEQUENCE late",
        )
        capture.until(3)
        assert [image["id"] for image in capture.images("c")] == [1, 2, 70]
    finally:
        capture.close()


def test_bytes_behind_are_none_when_all_is_read(capture):
    """The distance to the end of the server's binlog is told, and is nothing once the stream is there."""
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    capture.start()
    capture.until(1)
    capture.sql("INSERT INTO t VALUES (2)")
    capture.until(2)
    capture.poll()
    task = capture.task
    task._distance._asked_ms = task._measured_ms = 0
    capture.poll()
    assert task._context.metrics["bytes_behind_source"] == 0
    position = task._streaming.position
    behind = task._distance.bytes(position.file, 4, task._clock.now_ms() + 60_000)
    assert behind == position.pos - 4
