"""Runs inside a machine whose power is cut: commits rows, reads the topic, and tells both at once.

It tells on the second serial line, a JSON object a line: `up`, the seconds since the kernel's start;
`committed`, the id of a row whose commit the database has answered; `begin` and `ids`, records of the topic
from an offset on; `answer`, the output of a shell script that came in as `run`. `load` that comes in is
whether rows go on being committed; they are from when the broker answers. The reader begins with the first
record at each start.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
import time
import tty
from pathlib import Path
from typing import Any

import pymysql
from confluent_kafka import Consumer, KafkaException, TopicPartition

TOPIC = "cut.shop.orders"
_LOGIN = Path("/etc/ingest-appliance-kafka/client.properties")
_PAUSE_S = 0.05
_line = os.open("/dev/ttyS1", os.O_RDWR | os.O_NOCTTY)
_lock = threading.Lock()
_load = threading.Event()


def tell(**message: Any) -> None:
    """Write one line; any thread."""
    data = json.dumps(message).encode() + b"\n"
    with _lock:
        while data:
            data = data[os.write(_line, data) :]


def commit() -> None:
    """Insert a row each 50 ms for as long as the load is wanted."""
    while _load.wait():
        try:
            with pymysql.connect(
                unix_socket="/run/mysqld/mysqld.sock",
                user="shop",
                password="shop",
                database="shop",
                autocommit=True,
            ) as database:
                cursor = database.cursor()
                while _load.is_set():
                    cursor.execute("INSERT INTO orders (note) VALUES ('x')")
                    tell(committed=cursor.lastrowid)
                    time.sleep(_PAUSE_S)
        except pymysql.Error:
            time.sleep(1)


def login() -> dict[str, str]:
    """Give how the broker's unit says that its clients log in, once it has said so."""
    while not _LOGIN.exists():
        time.sleep(1)
    options = dict(re.findall(r"(?m)^([a-z.]+)=(.*)$", _LOGIN.read_text()))
    user, password = re.findall(r'"([^"]*)"', options.pop("sasl.jaas.config"))
    return options | {"sasl.username": user, "sasl.password": password}


def read() -> None:
    """Read the topic from its first record to its end, and what comes after."""
    consumer = Consumer(
        {
            **login(),
            "group.id": "witness",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": 2000,
            "reconnect.backoff.max.ms": 3000,
        }
    )
    while not _load.is_set():
        with contextlib.suppress(KafkaException):
            consumer.list_topics(timeout=3)
            _load.set()
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    while True:
        messages = [m for m in consumer.consume(1000, 0.5) if m.error() is None]
        if messages:
            ids = [json.loads(message.key() or b"")["id"] for message in messages]
            tell(begin=messages[0].offset(), ids=ids)


def output(script: str) -> str:
    """Give what a shell script prints."""
    words = ["sh", "-c", script]
    piped, joined = subprocess.PIPE, subprocess.STDOUT
    return subprocess.run(words, stdout=piped, stderr=joined, text=True, check=False).stdout


def main() -> None:
    """Work until the power goes."""
    tty.setraw(_line)
    tell(up=time.monotonic())
    for work in (commit, read):
        threading.Thread(target=work, daemon=True).start()
    with os.fdopen(os.dup(_line)) as lines:
        for text in lines:
            wanted = json.loads(text)
            if "load" in wanted:
                (_load.set if wanted["load"] else _load.clear)()
            if "run" in wanted:
                tell(answer=output(wanted["run"]))


if __name__ == "__main__":
    main()
