"""A steady stream of real changes: small and large transactions of every kind, and lines of a file."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

from tests.killing.ledger import Event, Ledger

DATABASE = "trial"
TABLES = ("accounts", "items", "places")
KEYS = 400
ALTERED = 1 / 250
"""How many transactions have a change of a table's columns before them."""
SEQ_STEP = 1000
"""A statement's rows get seq = base + id: distinct, and one statement suffices for many rows."""

_TABLE = """
CREATE TABLE {name} (
  id INT PRIMARY KEY, seq BIGINT NOT NULL, note VARCHAR(120) NOT NULL, amount DOUBLE,
  changed TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3))
"""


class Load:
    """Commits `rate` transactions a second until stopped, from a thread of its own."""

    def __init__(self, connection: Any, file: Path, ledger: Ledger, rate: float, seed: int):
        self._connection = connection
        self._file = file
        self._ledger = ledger
        self._pause_s = 1 / rate
        self._random = random.Random(seed)
        self._base = SEQ_STEP
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._changes: list[tuple[str, Event]] = []
        self._rows: dict[str, dict[int, int]] = {}
        self._extended: set[str] = set()
        self.error: BaseException | None = None

    def prepare(self) -> None:
        """Make the tables with some rows, which the initial snapshot will find."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
            cursor.execute(f"USE {DATABASE}")
            for table in TABLES:
                cursor.execute(_TABLE.format(name=table))
                rows = {key: key for key in range(1, 41)}
                cursor.executemany(
                    f"INSERT INTO {table} (id, seq, note) VALUES (%s, %s, 'first')",
                    list(rows.items()),
                )
                self._ledger.snapshot(table, rows)
        self._file.touch()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the transaction at hand. Raises what the thread ended with."""
        self._stop.set()
        self._thread.join(60)
        self.check()

    def check(self) -> None:
        """Raise what the thread ended with, if it did."""
        if self.error is not None:
            raise self.error

    def contents(self, table: str) -> dict[int, tuple[int, str]]:
        """Give the table as the database has it: id -> (seq, note); after `stop`."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT id, seq, note FROM {DATABASE}.{table}")
            return {key: (seq, note) for key, seq, note in cursor.fetchall()}

    def _run(self) -> None:
        try:
            due = time.monotonic()
            while not self._stop.is_set():
                if self._random.random() < ALTERED:
                    self._alter(self._random.choice(TABLES))
                self._transaction()
                self.write_lines()
                due = max(due + self._pause_s, time.monotonic() - 1)
                self._stop.wait(max(0.0, due - time.monotonic()))
        except BaseException as error:
            self.error = error

    def write_lines(self) -> None:
        """Append two lines to the file."""
        first = self._ledger.line_count
        lines = [f"{n} " + "line" * self._random.randint(1, 20) for n in range(first, first + 2)]
        with self._file.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        self._ledger.write(lines)

    def _alter(self, table: str) -> None:
        """Add a column, or drop the one that was added: the schema history must survive too."""
        extended = table in self._extended
        words = "DROP COLUMN extra" if extended else "ADD COLUMN extra INT NOT NULL DEFAULT 7"
        with self._connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} {words}")
        self._extended ^= {table}

    def _transaction(self) -> None:
        self._changes = []
        self._rows = {table: dict(rows) for table, rows in self._ledger.rows.items()}
        with self._connection.cursor() as cursor:
            cursor.execute("BEGIN")
            if self._random.random() < 0.02:
                self._update_all(cursor, self._random.choice(TABLES))
            for _ in range(self._random.randint(1, 3)):
                step = self._random.choices(
                    (self._insert, self._update, self._delete, self._move), (4, 4, 2, 1)
                )[0]
                step(cursor, self._random.choice(TABLES))
            cursor.execute("COMMIT")
        self._ledger.commit(self._changes)

    def _next_base(self) -> int:
        self._base += SEQ_STEP
        return self._base

    def _some(self, table: str, most: int) -> list[int]:
        keys = list(self._rows[table])
        return sorted(self._random.sample(keys, min(len(keys), self._random.randint(1, most))))

    def _note(self) -> str:
        return "ünï" + "x" * self._random.randint(0, 80)

    def _insert(self, cursor: Any, table: str) -> None:
        free = sorted(set(range(1, KEYS)) - self._rows[table].keys())
        keys = self._random.sample(free, min(len(free), self._random.randint(1, 4)))
        if not keys:
            return
        base = self._next_base()
        values = ", ".join(f"({key}, {base + key}, '{self._note()}', {key / 8})" for key in keys)
        cursor.execute(f"INSERT INTO {table} (id, seq, note, amount) VALUES {values}")
        for key in keys:
            self._put(table, "c", key, base + key)

    def _update(self, cursor: Any, table: str) -> None:
        self._update_rows(cursor, table, self._some(table, 4))

    def _update_all(self, cursor: Any, table: str) -> None:
        self._update_rows(cursor, table, sorted(self._rows[table]))

    def _update_rows(self, cursor: Any, table: str, keys: list[int]) -> None:
        if not keys:
            return
        base = self._next_base()
        cursor.execute(
            f"UPDATE {table} SET seq = {base} + id, note = '{self._note()}' "
            f"WHERE id IN ({', '.join(map(str, keys))}) ORDER BY id"
        )
        for key in keys:
            self._put(table, "u", key, base + key)

    def _delete(self, cursor: Any, table: str) -> None:
        keys = self._some(table, 3)
        if not keys:
            return
        cursor.execute(
            f"DELETE FROM {table} WHERE id IN ({', '.join(map(str, keys))}) ORDER BY id"
        )
        for key in keys:
            self._remove(table, key)

    def _move(self, cursor: Any, table: str) -> None:
        """Change a row's key: a delete, its tombstone and a create."""
        old = self._some(table, 1)
        free = sorted(set(range(1, KEYS)) - self._rows[table].keys())
        if not old or not free:
            return
        new, base = self._random.choice(free), self._next_base()
        cursor.execute(f"UPDATE {table} SET id = {new}, seq = {base + new} WHERE id = {old[0]}")
        self._remove(table, old[0])
        self._put(table, "c", new, base + new)

    def _put(self, table: str, op: str, key: int, seq: int) -> None:
        self._rows[table][key] = seq
        self._changes.append((table, Event(op, key, seq)))

    def _remove(self, table: str, key: int) -> None:
        self._changes.append((table, Event("d", key, self._rows[table].pop(key))))
