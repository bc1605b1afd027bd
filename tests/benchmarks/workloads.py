"""What the CDC benchmarks load: narrow rows, wide rows, one-row transactions, updates.

N: rows like those of the employees database, 1000 a transaction. W: 21 columns of all common types, 5 %
nulls. T: N in transactions of one row. U: updates of N, 1000 a transaction, both images.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pymysql
from pymysql.constants import CLIENT

NARROW = (
    "(emp_no INT NOT NULL PRIMARY KEY, birth_date DATE NOT NULL, first_name VARCHAR(14) NOT NULL,"
    " last_name VARCHAR(16) NOT NULL, gender ENUM('M','F') NOT NULL, hire_date DATE NOT NULL)"
)
WIDE = (
    "(id BIGINT UNSIGNED NOT NULL PRIMARY KEY, a TINYINT, b SMALLINT, c MEDIUMINT, d INT,"
    " e BIGINT, f FLOAT, g DOUBLE, h DECIMAL(12,2), i DECIMAL(20,6), j DATE, k TIME, l DATETIME,"
    " m DATETIME(6), n TIMESTAMP NULL, o YEAR, p CHAR(10), q VARCHAR(50), r TEXT,"
    " s VARBINARY(32), t ENUM('new','paid','sent','done'))"
)
NAMES = ("Georgi", "Bezalel", "Parto", "Chirstian", "Kyoichi", "Anneke", "Tzvetan", "Saniya")


def narrow(number: int, dice: random.Random) -> tuple[Any, ...]:
    """Give a row like those of the employees database."""
    day = f"19{dice.randrange(50, 99)}-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d}"
    hired = f"19{dice.randrange(85, 99)}-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d}"
    return number, day, dice.choice(NAMES), dice.choice(NAMES) + "son", dice.choice("MF"), hired


def wide(number: int, dice: random.Random) -> tuple[Any, ...]:
    """Give a row of 21 columns, 5 % of the values null."""
    day = f"20{dice.randrange(10, 26)}-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d}"
    clock = f"{dice.randrange(24):02d}:{dice.randrange(60):02d}:{dice.randrange(60):02d}"
    values = [
        dice.randrange(-128, 128),
        dice.randrange(-32768, 32768),
        dice.randrange(-8388608, 8388608),
        dice.randrange(-(2**31), 2**31),
        dice.randrange(-(2**63), 2**63),
        dice.randrange(1000) / 8,
        dice.random() * 1e6,
        f"{dice.randrange(10**9)}.{dice.randrange(100):02d}",
        f"{dice.randrange(10**13)}.{dice.randrange(10**6):06d}",
        day,
        clock,
        f"{day} {clock}",
        f"{day} {clock}.{dice.randrange(10**6):06d}",
        f"{day} 12:{clock[3:]}",
        dice.randrange(1950, 2050),
        "c" * dice.randrange(1, 10),
        "v" * dice.randrange(20, 50),
        "text " * dice.randrange(10, 25),
        dice.randbytes(24),
        dice.choice(("new", "paid", "sent", "done")),
    ]
    return number, *(None if dice.random() < 0.05 else value for value in values)


EACH = {"N": 1000, "W": 1000, "T": 1, "U": 1000}
"""Rows of one transaction."""

_PER_STATEMENT = 500


def connect(port: int) -> Any:
    """Give a connection to the benchmarks' server."""
    return pymysql.connect(
        host="127.0.0.1",
        port=port,
        user="ingest",
        password="ingest",
        charset="utf8mb4",
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )


def create(connection: Any, work: str, database: str) -> None:
    """Make the workload's empty table `t` in a database of its own."""
    cursor = connection.cursor()
    cursor.execute(f"DROP DATABASE IF EXISTS {database}")
    cursor.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
    cursor.execute(f"CREATE TABLE {database}.t {WIDE if work == 'W' else NARROW}")


def insert(connection: Any, work: str, database: str, first: int, rows: int) -> None:
    """Insert rows numbered from `first` on, in the workload's transactions."""
    dice = random.Random(first + 7)
    make: Callable[[int, random.Random], tuple[Any, ...]] = wide if work == "W" else narrow
    marks = ",".join(["%s"] * len(make(0, random.Random(1))))
    cursor = connection.cursor()
    each = EACH[work]
    numbers = range(first, first + rows)
    if each > 1:
        for start in range(0, rows, each):
            cursor.executemany(
                f"INSERT INTO {database}.t VALUES ({marks})",
                [make(number, dice) for number in numbers[start : start + each]],
            )
        return
    one = f"INSERT INTO {database}.t VALUES ({marks})"
    for start in range(0, rows, _PER_STATEMENT):
        texts = [
            cursor.mogrify(one, make(number, dice))
            for number in numbers[start : start + _PER_STATEMENT]
        ]
        cursor.execute(";".join(texts))
        while cursor.nextset():
            pass


def update(connection: Any, database: str, rows: int) -> None:
    """Change every row once."""
    for first in range(0, rows, EACH["U"]):
        connection.cursor().execute(
            f"UPDATE {database}.t SET hire_date = hire_date + INTERVAL 1 DAY WHERE emp_no BETWEEN "
            f"{first} AND {first + EACH['U'] - 1}"
        )


def change(connection: Any, work: str, database: str, round_number: int, rows: int) -> None:
    """Make one round's changes: `rows` change events."""
    if work == "U":
        update(connection, database, rows)
    else:
        insert(connection, work, database, round_number * rows, rows)
