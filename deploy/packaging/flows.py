"""What flows through a tried system, and the judgement of it: each item must arrive, once.

A flow has a load that goes on by itself inside the system, what it was given (`wanted`) and what arrived
(`seen`); an item that is missing was lost, one that is there twice came twice.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod

from deploy.packaging.systems import System

STATE = "/var/lib/ingest-appliance"
_FILES = "/etc/ingest-appliance"


class Flow(ABC):
    """One load with its connectors."""

    name: str

    def __init__(self, system: System) -> None:
        self._system = system

    @abstractmethod
    def prepare(self) -> None:
        """Put everything there that the connectors need."""

    @abstractmethod
    def connectors(self) -> dict[str, dict[str, str]]:
        """Give the connectors' configurations by name."""

    @abstractmethod
    def start(self) -> None:
        """Let the load run, on from where it was stopped."""

    def stop(self) -> None:
        """Stop the load."""
        self._system.sh(f"systemctl stop load-{self.name}", check=False)

    @abstractmethod
    def wanted(self) -> list[str]:
        """Give what the load has put in."""

    def seen(self) -> list[str]:
        """Give what has arrived."""
        return self._lines(f"{self.name}-out.txt")

    def _run(self, script: str) -> None:
        self._system.run(
            "systemd-run", "-q", "--collect", f"--unit=load-{self.name}", "sh", "-c", script
        )

    def _lines(self, name: str) -> list[str]:
        path = self._system.root / f"{STATE.lstrip('/')}/{name}"
        # the last line may be half written
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def write_connectors(self) -> None:
        """Write the connectors' files, where a reload finds them."""
        for name, config in self.connectors().items():
            text = "".join(f"{key}={value}\n" for key, value in {"name": name, **config}.items())
            file = self._system.root / f"{_FILES.lstrip('/')}/connectors.d/{name}.properties"
            file.write_text(text)
        self._system.sh(f"chgrp ingest {_FILES}/connectors.d/*")

    def _sink(self, topic: str, converter: str) -> dict[str, str]:
        return {
            "connector.class": "FileStreamSink",
            "topics": topic,
            "file": f"{STATE}/{self.name}-out.txt",
            "value.converter": converter,
        }


class Lines(Flow):
    """A file that grows by a numbered line every 20 ms, through a topic into another file."""

    name = "lines"

    def prepare(self) -> None:
        self._system.sh(f"touch {STATE}/in.txt && chown ingest:ingest {STATE}/in.txt")

    def connectors(self) -> dict[str, dict[str, str]]:
        text = "org.apache.kafka.connect.storage.StringConverter"
        source = {
            "connector.class": "FileStreamSource",
            "topic": "lines",
            "file": f"{STATE}/in.txt",
            "value.converter": text,
        }
        return {"lines-in": source, "lines-out": self._sink("lines", text)}

    def start(self) -> None:
        number = len(self.wanted())
        self._run(
            f"i={number}; while :; do i=$((i+1)); echo $i >>{STATE}/in.txt; sleep 0.02; done"
        )

    def wanted(self) -> list[str]:
        return self._lines("in.txt")


class Rows(Flow):
    """A table of Debian's own MariaDB that gets a row every 20 ms, by its binlog through a topic into a file.

    The database's password is a secret of the unit.
    """

    name = "rows"

    def __init__(self, system: System, secret: str) -> None:
        super().__init__(system)
        self._secret = secret

    def prepare(self) -> None:
        run = self._system.sh
        settings = (
            "[mariadbd]\nserver-id=1\nlog-bin\nbinlog_format=ROW\nbinlog_row_metadata=FULL\n"
        )
        (self._system.root / "etc/mysql/mariadb.conf.d/90-cdc.cnf").write_text(settings)
        run("systemctl restart mariadb")
        password = (self._system.root / f"{_FILES.lstrip('/')}/secrets/{self._secret}").read_text()
        self._sql(
            "CREATE DATABASE shop; CREATE TABLE shop.orders "
            "(id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(20)); "
            f"CREATE USER ingest@localhost IDENTIFIED BY '{password}'; "
            "GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT, BINLOG MONITOR ON *.* "
            "TO ingest@localhost"
        )

    def _sql(self, statements: str) -> str:
        script = self._system.root / "root/statements.sql"
        script.write_text(statements)
        try:
            return self._system.sh("mariadb --batch --skip-column-names </root/statements.sql")
        finally:
            script.unlink()

    def connectors(self) -> dict[str, dict[str, str]]:
        reference = f"${{dir:/run/credentials/ingest-appliance.service:secrets_{self._secret}}}"
        source = {
            "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
            "database.hostname": "localhost",
            "database.user": "ingest",
            "database.password": reference,
            "database.server.id": "4711",
            "topic.prefix": "trial",
            "table.include.list": "shop.orders",
            "schema.history.internal.kafka.bootstrap.servers": "127.0.0.1:9092",
            "schema.history.internal.kafka.topic": "trial-history",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "transforms": "after",
            "transforms.after.type": "io.debezium.transforms.ExtractNewRecordState",
        }
        sink = self._sink("trial.shop.orders", "org.apache.kafka.connect.storage.StringConverter")
        return {"rows-in": source, "rows-out": sink}

    def start(self) -> None:
        self._run(
            "while :; do echo \"INSERT INTO shop.orders (note) VALUES ('x');\"; sleep 0.02; done"
            " | mariadb"
        )

    def wanted(self) -> list[str]:
        return self._sql("SELECT id FROM shop.orders").split()

    def seen(self) -> list[str]:
        return [str(json.loads(line)["id"]) for line in super().seen()]
