"""A backup file says what was stored, byte for byte, and nothing that is no business of a file."""

from __future__ import annotations

import json

import pytest

from appliance import backup
from appliance.config.worker import WorkerConfig
from appliance.errors import BadRequestError
from appliance.kafka.cluster import Record, Topic

CONFIG = WorkerConfig({}, "run")
CONFIGS, OFFSETS = "ingest-appliance-configs", "ingest-appliance-offsets"
CONNECTOR = {"properties": {"schema.history.internal.kafka.topic": "shop-history"}}


class FakeCluster:
    """Topics in memory."""

    def __init__(self, **topics: list[Record]) -> None:
        self.topics = {name.replace("_", "-"): records for name, records in topics.items()}
        self.partitions = dict.fromkeys(self.topics, 1)
        self.settings: dict[str, str] = {}
        self.id = "cluster"
        self.written: list[tuple[str, Record]] = []

    def topic(self, name):
        return Topic(1, 1, {"cleanup.policy": "compact"}) if name in self.topics else None

    def records(self, name):
        return self.topics.get(name, [])

    def write(self, records):
        self.written = list(records)
        return {name: 1 for name, _ in self.written}


@pytest.fixture
def connected(monkeypatch):
    """Put a cluster in the place of the worker's."""

    def connect(cluster: FakeCluster) -> FakeCluster:
        monkeypatch.setattr(backup, "_connected", lambda _config: cluster)
        return cluster

    return connect


def full() -> FakeCluster:
    return FakeCluster(
        ingest_appliance_configs=[
            Record(0, b"session-key", b"k", 1),
            Record(0, b"connector-a", b"{}", 2),
            Record(0, b"connector-a", json.dumps(CONNECTOR).encode(), 3),
            Record(0, b"connector-gone", b"{}", 4),
            Record(0, b"connector-gone", None, 5),
        ],
        ingest_appliance_offsets=[Record(0, b'["a",{}]', b"\xff\x00", 6)],
        ingest_appliance_status=[],
        shop_history=[Record(0, None, b"ddl 1", 7), Record(0, None, b"ddl 2", 8)],
    )


def test_restored_records_are_those_that_were_stored(connected, monkeypatch, tmp_path):
    """The newest of each key, whole histories, bytes that are no text too; no session key."""
    file = tmp_path / "saved"
    connected(full())
    backup.back_up(CONFIG, file)
    empty = connected(FakeCluster(ingest_appliance_configs=[Record(0, b"session-key", b"x", 1)]))
    made: list[str] = []
    monkeypatch.setattr(backup, "create_topic", lambda _, name, *_rest: made.append(name))
    backup.restore(CONFIG, file)
    assert empty.written == [
        (CONFIGS, Record(0, b"connector-a", json.dumps(CONNECTOR).encode(), 3)),
        (OFFSETS, Record(0, b'["a",{}]', b"\xff\x00", 6)),
        ("shop-history", Record(0, None, b"ddl 1", 7)),
        ("shop-history", Record(0, None, b"ddl 2", 8)),
    ]
    assert made == [OFFSETS, "ingest-appliance-status", "shop-history"]


def with_connectors(**configs: dict[str, str]) -> FakeCluster:
    cluster = full()
    cluster.topics[CONFIGS] = [
        Record(0, f"connector-{name}".encode(), json.dumps({"properties": config}).encode(), 1)
        for name, config in configs.items()
    ]
    return cluster


def test_offset_topic_of_a_connectors_own_is_kept(connected, tmp_path):
    """Exactly-once sources keep their positions there: the newest of each key."""
    file = tmp_path / "saved"
    cluster = with_connectors(
        a={"offsets.storage.topic": "a-offsets"}, b={"offsets.storage.topic": OFFSETS}
    )
    own = [Record(0, b'["a",{}]', value, 1) for value in (b"1", b"2")]
    cluster.topics["a-offsets"] = own
    cluster.partitions["a-offsets"] = 1
    connected(cluster)

    saved = backup.back_up(CONFIG, file)
    assert saved.counts["a-offsets"] == 1
    assert saved.left_out == []
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["value"] for line in lines if line.get("record") == "a-offsets"] == ["2"]
    assert [line.get("topic") for line in lines].count(OFFSETS) == 1


def test_each_connector_is_told_whose_history_is_out_of_reach(connected, monkeypatch, tmp_path):
    """What lies on other brokers or in a file is not taken for an empty history; other names of these
    brokers are.
    """
    prefix = "schema.history.internal"
    topic, servers = f"{prefix}.kafka.topic", f"{prefix}.kafka.bootstrap.servers"
    connected(
        with_connectors(
            far={topic: "far-history", servers: "far:9092"},
            twin={topic: "shop-history", servers: "twin:9092"},
            near={topic: "shop-history", servers: "near:9092"},
            disk={f"{prefix}.file.filename": "/h.dat"},
        )
    )
    ids = {"near:9092": "cluster", "twin:9092": "another"}
    monkeypatch.setattr(backup, "_cluster_id", lambda settings: ids[settings["bootstrap.servers"]])

    saved = backup.back_up(CONFIG, tmp_path / "saved")
    assert saved.counts["shop-history"] == 2
    assert "far-history" not in saved.counts
    assert saved.left_out == [
        "far: its schema history in topic far-history of the brokers far:9092; save it there",
        "twin: its schema history in topic shop-history of the brokers twin:9092; save it there",
        "disk: its schema history in the file /h.dat; copy that too",
    ]


def test_nothing_is_written_when_the_cluster_has_connectors(connected, tmp_path):
    """A restore never mixes two groups' states."""
    file = tmp_path / "saved"
    cluster = connected(full())
    backup.back_up(CONFIG, file)
    with pytest.raises(BadRequestError, match="holds 1 records already"):
        backup.restore(CONFIG, file)
    assert cluster.written == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no file made by"),
        ('{"format":"ingest-appliance-backup","version":2}\n', "later version"),
        ('{"format":"ingest-appliance-backup","version":1}\n{"rec', "damaged"),
    ],
)
def test_file_is_refused_when_it_cannot_be_read(connected, tmp_path, text, why):
    """Before a single topic is made."""
    file = tmp_path / "saved"
    file.write_text(text)
    connected(FakeCluster())
    with pytest.raises(BadRequestError, match=why):
        backup.restore(CONFIG, file)
