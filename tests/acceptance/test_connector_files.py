"""Configuration by files: the daemon's connectors are those of its folder, at start and on reload."""

from __future__ import annotations

import signal
import socket
import urllib.request

import pytest

from appliance import cli
from appliance.client import AnswerError
from appliance.config.properties import render_properties
from deploy.parts import MariaDb, free_ports
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until


def test_connectors_follow_their_files_when_the_daemon_reloads(
    broker, unique_name, tmp_path, monkeypatch, capsys
):
    """Made at the start, changed and removed on SIGHUP; REST names the file; systemd hears of it all."""
    notified = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(notified))
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(notified))
        folder, text, out = tmp_path / "connectors.d", tmp_path / "in.txt", tmp_path / "out.txt"
        folder.mkdir()
        text.write_text("one\n")
        file = folder / "lines.properties"
        config = {
            "name": "lines",
            "connector.class": "FileStreamSource",
            "file": str(text),
            "topic": unique_name,
        }
        file.write_text(render_properties(config))
        options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
        with Daemon(
            tmp_path, "run", {**options, "appliance.connectors.dir": str(folder)}
        ) as daemon:
            client = daemon.client
            wait_until(lambda: client.get("connectors") == ["lines"], "the file's connector")
            owner = f"{socket.gethostname()}:{file}"
            assert client.get("connectors", "lines", "config")["appliance.connector.file"] == owner
            with pytest.raises(AnswerError, match=r"lines\.properties") as refused:
                client.delete("connectors", "lines")
            assert refused.value.status == 409
            assert cli.main(["delete", "lines", "--url", daemon.url]) == 4
            assert "lines.properties" in capsys.readouterr().err

            sink = {"connector.class": "FileStreamSink", "topics": unique_name, "file": str(out)}
            (folder / "out.properties").write_text(render_properties({**sink, "name": "out"}))
            file.write_text(render_properties({**config, "batch.size": "7"}))
            daemon.kill(signal.SIGHUP)
            wait_until(lambda: client.get("connectors") == ["lines", "out"], "the second file")
            wait_until(lambda: out.exists() and out.read_text() == "one\n", "the line arrives")
            assert client.get("connectors", "lines", "config")["batch.size"] == "7"

            file.unlink()
            daemon.kill(signal.SIGHUP)
            wait_until(lambda: client.get("connectors") == ["out"], "the first one is removed")
            (folder / "bad.json").write_text("{")
            daemon.kill(signal.SIGHUP)
            heard: list[bytes] = []
            while not heard or b"1 problems" not in heard[-1]:
                heard.append(systemd.recv(4096))
            with urllib.request.urlopen(f"{daemon.url}/metrics", timeout=10) as answer:
                assert b"\ningest_appliance_connector_file_problems 1" in answer.read()
        words = b"\n".join(heard)
        assert words.index(b"READY=1") < words.index(b"RELOADING=1\nMONOTONIC_USEC=")


def test_file_is_applied_by_itself_when_its_server_was_away_at_the_start(
    broker, unique_name, tmp_path, open_tmp_path
):
    """A daemon that starts before a database makes the connector when that is up, and tells it once."""
    database = MariaDb(open_tmp_path / "database")
    folder = tmp_path / "connectors.d"
    folder.mkdir()
    jdbc = {
        "connector.class": "JdbcSource",
        "connection.url": f"jdbc:mariadb://127.0.0.1:{database.port}/mysql",
        "connection.user": database.user,
        "connection.password": database.password,
        "topic.prefix": unique_name,
        "mode": "bulk",
        "query": "SELECT 1 AS id",
    }
    cdc = {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "topic.prefix": unique_name,
        "database.hostname": "127.0.0.1",
        "database.port": str(database.port),
        "database.user": database.user,
        "database.password": database.password,
        "database.server.id": "71234",
        "schema.history.internal.kafka.topic": f"{unique_name}-history",
        "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap,
    }
    files = {
        "changes": cdc,
        "rows": jdbc,
        "wrong": {"connector.class": "FileStreamSource"},
    }
    for name, config in files.items():
        (folder / f"{name}.properties").write_text(render_properties({"name": name, **config}))
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    options["appliance.connectors.dir"] = str(folder)
    with Daemon(tmp_path, "run", options) as daemon:

        def problems():
            with urllib.request.urlopen(f"{daemon.url}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
            (found,) = (n for n in lines if n.startswith("ingest_appliance_connector_file_prob"))
            return found.split()[-1]

        wait_until(lambda: problems() == "3", "three problems are told")
        assert daemon.client.get("connectors") == []
        try:
            database.start()
            wait_until(
                lambda: sorted(daemon.client.get("connectors")) == ["changes", "rows"],
                "the connectors whose server is up",
                120,
            )
            wait_until(lambda: problems() == "1", "one problem is left")
            told = daemon.log.read_text().count
            for name in files:
                assert 1 <= told(f"problem=Applying {folder}/{name}.properties") <= 2
        finally:
            database.stop()
