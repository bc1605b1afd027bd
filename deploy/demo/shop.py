"""A small shop at work: a schema in MariaDB and a steady stream of real changes to it."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pymysql

SCHEMA = """
CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE IF NOT EXISTS customers (
  id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) NOT NULL, email VARCHAR(90) NOT NULL UNIQUE,
  city VARCHAR(40), created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3));
CREATE TABLE IF NOT EXISTS orders (
  id INT AUTO_INCREMENT PRIMARY KEY, customer_id INT NOT NULL, item VARCHAR(40) NOT NULL,
  quantity SMALLINT UNSIGNED NOT NULL, price DECIMAL(8,2) NOT NULL,
  state ENUM('placed','paid','sent','returned') NOT NULL DEFAULT 'placed',
  placed_at DATETIME NOT NULL, FOREIGN KEY (customer_id) REFERENCES customers (id));
CREATE TABLE IF NOT EXISTS payments (
  id INT AUTO_INCREMENT PRIMARY KEY, order_id INT NOT NULL, amount DOUBLE NOT NULL,
  paid_at DATETIME NOT NULL);
"""

NAMES = ("Ada", "Bertrand", "Chloé", "Dídac", "Ewa", "Fatima", "Gustaf", "Hanna", "Îo", "José")
CITIES = ("Barcelona", "Girona", "Zürich", "Kraków", "Göteborg", "Lyon")
ITEMS = ("espresso cup", "teapot", "reading lamp", "oak stool", "wool blanket", "wall clock")
PAGES = ("/", "/search", "/basket", "/item/teapot", "/item/oak-stool", "/checkout")
STATES = ("paid", "sent", "returned")
KEPT_ORDERS = 200
"""With more orders than this, old ones are deleted, so that the tables stay small."""


class Shop:
    """Commits a few changes per `step`; `committed` counts rows by kind since it was opened.

    Any thread, one at a time. The connection is opened when needed and again after a failure.
    """

    def __init__(self, port: int, user: str, password: str, events_file: Path) -> None:
        self._login: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "user": user,
            "password": password,
        }
        self._connection: Any = None
        self._events_file = events_file
        self._random = random.Random()
        self.committed = {"insert": 0, "update": 0, "delete": 0}
        self.visits = 0

    def step(self) -> None:
        """Commit one transaction of one to three rows and note one visit in the text file.

        Raises pymysql.MySQLError while the database is away; the next step connects again.
        """
        try:
            self._change()
        except (pymysql.MySQLError, OSError):
            self.close()
            raise
        now = time.strftime("%Y-%m-%dT%H:%M:%S")
        with self._events_file.open("a", encoding="utf-8") as file:
            file.write(f"{now} {self._random.choice(NAMES)} {self._random.choice(PAGES)}\n")
        self.visits += 1

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            try:
                self._connection.close()
            except pymysql.MySQLError:
                pass
            self._connection = None

    def _change(self) -> None:
        if self._connection is None:
            self._connection = pymysql.connect(database="shop", connect_timeout=5, **self._login)
        counts = {"insert": 0, "update": 0, "delete": 0}
        with self._connection.cursor() as cursor:
            dice = self._random.random()
            if dice < 0.15 or self._pick(cursor, "customers") is None:
                self._new_customer(cursor, counts)
            elif dice < 0.6:
                self._new_order(cursor, counts)
            elif dice < 0.9:
                self._advance_order(cursor, counts)
            else:
                self._move_customer(cursor, counts)
            self._forget_old_order(cursor, counts)
        self._connection.commit()
        for kind, count in counts.items():
            self.committed[kind] += count

    def _pick(self, cursor: Any, table: str) -> int | None:
        cursor.execute(f"SELECT id FROM {table} ORDER BY RAND() LIMIT 1")
        row = cursor.fetchone()
        return int(row[0]) if row else None

    def _new_customer(self, cursor: Any, counts: dict[str, int]) -> None:
        name = self._random.choice(NAMES)
        email = f"{name.lower()}.{self._random.getrandbits(40):x}@example.com"
        row = (name, email, self._random.choice(CITIES))
        cursor.execute("INSERT INTO customers (name, email, city) VALUES (%s, %s, %s)", row)
        counts["insert"] += 1

    def _new_order(self, cursor: Any, counts: dict[str, int]) -> None:
        price = self._random.randint(490, 24900) / 100
        cursor.execute(
            "INSERT INTO orders (customer_id, item, quantity, price, placed_at) "
            "VALUES (%s, %s, %s, %s, UTC_TIMESTAMP())",
            (
                self._pick(cursor, "customers"),
                self._random.choice(ITEMS),
                self._random.randint(1, 4),
                price,
            ),
        )
        cursor.execute(
            "INSERT INTO payments (order_id, amount, paid_at) VALUES (%s, %s, UTC_TIMESTAMP())",
            (cursor.lastrowid, price),
        )
        counts["insert"] += 2

    def _advance_order(self, cursor: Any, counts: dict[str, int]) -> None:
        cursor.execute(
            "UPDATE orders SET state = %s WHERE id = %s",
            (self._random.choice(STATES), self._pick(cursor, "orders")),
        )
        counts["update"] += cursor.rowcount

    def _move_customer(self, cursor: Any, counts: dict[str, int]) -> None:
        cursor.execute(
            "UPDATE customers SET city = %s WHERE id = %s",
            (self._random.choice(CITIES), self._pick(cursor, "customers")),
        )
        counts["update"] += cursor.rowcount

    def _forget_old_order(self, cursor: Any, counts: dict[str, int]) -> None:
        cursor.execute("SELECT COUNT(*) FROM orders")
        if cursor.fetchone()[0] > KEPT_ORDERS or self._random.random() < 0.05:
            cursor.execute("DELETE FROM orders ORDER BY id LIMIT 1")
            counts["delete"] += cursor.rowcount
