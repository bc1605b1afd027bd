"""A table under change: snapshot and stream together give the table as it is in the end."""

from __future__ import annotations

import json
import random
import threading

import pytest

from appliance.connectors.binlog import task as task_module
from appliance.connectors.binlog.history import MemoryHistory
from tests.integration.cdc_replay import Replay


@pytest.fixture(params=["mariadb", "mysql"])
def server(request):
    """Both servers in turn: the kind and its address."""
    return request.param, request.getfixturevalue(request.param)


def _write(address, database, stop, done):
    """Insert, update, delete and move keys until told to stop."""
    choose = random.Random(7)
    connection = address.connect(database)
    with connection.cursor() as cursor:
        number = 3000
        while not stop.is_set():
            number += 1
            kind = choose.randrange(5)
            key = choose.randrange(1, number)
            if kind < 2:
                cursor.execute(f"insert into t (id, v, n) values ({number}, 'n{number}', {key})")
            elif kind == 2:
                cursor.execute(
                    f"update t set n = n + 1, v = concat('u', {key}) where id % 97 = {key % 97}"
                )
            elif kind == 3:
                cursor.execute(f"delete from t where id = {key}")
            else:
                cursor.execute(f"update t set id = {1_000_000 + number} where id = {key}")
            if number == 3600:
                cursor.execute("alter table t add x int default 3 first")
    connection.close()
    done.set()


@pytest.mark.parametrize("locking", ["minimal", "extended"])
def test_topic_folded_by_key_equals_the_table_when_written_to_during_a_snapshot(
    server, unique_name, locking, monkeypatch
):
    """No change is lost or applied twice between the snapshot's view and the stream."""
    kind, address = server
    monkeypatch.setattr(task_module, "open_history", lambda *_: MemoryHistory())
    setup = address.connect()
    with setup.cursor() as cursor:
        cursor.execute(f"create database {unique_name}")
        cursor.execute(f"use {unique_name}")
        cursor.execute("create table t (id int primary key, v varchar(20), n int)")
        values = ", ".join(f"({i}, 'v{i}', 0)" for i in range(1, 3001))
        cursor.execute(f"insert into t values {values}")
    stop, done = threading.Event(), threading.Event()
    writer = threading.Thread(target=_write, args=(address, unique_name, stop, done))
    writer.start()
    running = Replay(
        kind,
        {
            "topic.prefix": "p",
            "database.hostname": address.host,
            "database.port": str(address.port),
            "database.user": address.user,
            "database.password": address.password,
            "database.server.id": "21978",
            "database.include.list": unique_name,
            "snapshot.locking.mode": locking,
            "max.batch.size": "100",
        },
    )
    topic = f"p.{unique_name}.t"
    try:
        while len(running.topics.get(topic, ())) < 9000:
            running.poll()
    finally:
        stop.set()
        writer.join()
    assert done.is_set()
    running.catch_up()
    running.close()
    with setup.cursor() as cursor:
        cursor.execute("select id, v, n from t")
        expected = {row[0]: row[1:] for row in cursor.fetchall()}
        cursor.execute(f"drop database {unique_name}")
    setup.close()
    folded: dict[int, tuple[str, int]] = {}
    for key, value, _, _ in running.topics[topic]:
        id_ = json.loads(key)["payload"]["id"]
        after = json.loads(value)["payload"]["after"] if value else None
        if after is None:
            folded.pop(id_, None)
        else:
            folded[id_] = (after["v"], after["n"])
    assert folded == expected
