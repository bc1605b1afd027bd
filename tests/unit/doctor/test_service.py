"""The doctor judges as the service would: by its user and by what its sandbox lets it write and see."""

from __future__ import annotations

import getpass
import sqlite3
from pathlib import Path

import pytest

from appliance.config.worker import WorkerConfig
from appliance.connectors.files.connector import FilesSinkConnector
from appliance.doctor import files
from appliance.doctor.findings import Level
from appliance.doctor.jdbc import examine_jdbc
from appliance.doctor.machine import examine_machine
from appliance.doctor.service import Service, mounts_of, service_of

SHOWN = """\
LoadState=loaded
ActiveState=active
MainPID=0
User=ingest
Group=ingest
ReadWritePaths=-/srv/lake /data
StateDirectory=ingest-appliance
RuntimeDirectory=ingest-appliance
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
LimitNOFILE=65536
"""


def hardened(**other) -> Service:
    """Give a service of this process's own user, whose sandbox has everything read-only."""
    service = service_of(SHOWN)
    assert service is not None
    own = service._replace(user=getpass.getuser(), group="", private_tmp=False)
    return own._replace(**{"protect_home": "no", **other})


def test_service_is_as_systemd_tells_it():
    """User, limits, and what it may write: its own folders and the drop-ins'."""
    service = service_of(SHOWN)
    assert service is not None
    assert (service.user, service.open_files) == ("ingest", 65536)
    assert service.state_dir == Path("/var/lib/ingest-appliance")
    assert Path("/srv/lake") in service.writable
    assert service.hides(Path("/tmp/lake")) == "PrivateTmp=yes"
    assert service.hides(Path("/home/me/lake")) == "ProtectHome=yes"
    assert service_of("LoadState=not-found\nActiveState=inactive\n") is None


def test_folder_is_read_only_when_the_sandbox_does_not_name_it(tmp_path):
    """The drop-in has the minus sign; nothing is made, also by validation."""
    lake = tmp_path / "lake"
    found = files.folder("lake", lake, "store.url", hardened())
    assert found.level is Level.PROBLEM
    assert f"ReadWritePaths=-{lake}" in found.remedy
    assert found.remedy.splitlines()[0].startswith("install -d -o ")
    config = {"store.url": str(lake), "topics": "t", "flush.size": "1", "name": "lake"}
    errors = {v.name: v.errors for v in FilesSinkConnector().validate(config) if v.errors}
    assert "store.url" not in errors
    assert not lake.exists()


def test_folder_is_well_when_the_sandbox_names_it(tmp_path):
    """A folder that is named and there; one that is missing is part of no sandbox."""
    lake = tmp_path / "lake"
    service = hardened(writable=(lake,))
    assert files.folder("lake", lake, "store.url", service).level is Level.PROBLEM
    lake.mkdir()
    assert files.folder("lake", lake / "new", "store.url", service).level is not Level.PROBLEM


def test_restart_is_the_remedy_when_the_running_sandbox_is_older(tmp_path):
    """What the daemon has mounted counts, not what the unit says by now."""
    mounts = mounts_of("1 0 0:1 / / ro,relatime shared:1 - ext4 /dev/vda rw\n")
    found = files.folder("lake", tmp_path, "", hardened(writable=(tmp_path,), mounts=mounts))
    assert found.remedy == "systemctl restart ingest-appliance"


@pytest.mark.parametrize(
    ("switches", "level"),
    [({"private_tmp": True}, Level.WARNING), ({"protect_home": "yes"}, Level.PROBLEM)],
)
def test_own_folder_of_the_service_is_told_of_when_a_sink_writes_there(switches, level):
    """Nobody would find what is written below /tmp, and /home is not there."""
    path = Path("/tmp/lake" if "private_tmp" in switches else "/home/lake")
    found = files.folder("lake", path, "store.url", hardened(**switches))
    assert found.level is level
    assert "/srv/lake" in found.remedy


def test_file_is_told_of_when_the_service_cannot_read_it(tmp_path):
    """A trust store, and the file that a secret comes from; each once, with what opens it."""
    store, secrets = tmp_path / "trust.pem", tmp_path / "db.properties"
    for path in (store, secrets):
        path.write_text("password=x")
        path.chmod(0)
    config = {
        "ssl.truststore.location": str(store),
        "database.user": f"${{file:{secrets}:user}}",
        "database.password": f"${{file:{secrets}:password}}",
        "file": str(store),
    }
    service = Other(**hardened(user="nobody", group="nogroup")._asdict())
    found = list(files.examine_named("orders", config, service))
    assert [f.option for f in found] == ["ssl.truststore.location", "database.user"]
    group = store.stat().st_gid
    opened = (
        f"setfacl -m u:nobody:r {store}" if group else f"chgrp nogroup {store}; chmod 640 {store}"
    )
    assert found[0].remedy == opened
    assert list(files.examine_named("orders", config, None)) == []


class Other(Service):
    """Another user, who may enter every folder and read no file."""

    def may(self, path, *rights):
        return path.is_dir()


def test_rights_are_those_of_the_services_user():
    """Whoever calls the doctor: nobody may write where root alone may."""
    service = hardened(user="nobody", group="")
    assert service.may(Path("/etc/passwd"), "r")
    assert not service.may(Path("/etc/passwd"), "w")
    assert not hardened(user="no-such-user").may(Path("/etc/passwd"), "r")


def test_folder_and_limit_are_the_services_when_its_unit_is_installed(tmp_path):
    """Not those of the shell that calls the doctor."""
    service = hardened(state_dir=tmp_path / "state", open_files=1024)
    found = {f.subject: f for f in examine_machine(WorkerConfig({}, "run"), service)}
    assert str(tmp_path / "state") in found["disk"].text
    assert found["files"].level is Level.WARNING
    assert "LimitNOFILE=65536" in found["files"].remedy
    given = WorkerConfig({"appliance.state.dir": str(tmp_path)}, "run")
    assert str(tmp_path) in next(examine_machine(given, service)).text


@pytest.fixture
def database(tmp_path):
    """A file of SQLite in WAL mode that nobody has open."""
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE orders (id INTEGER)")
    connection.close()
    return path


def sqlite_findings(path, service):
    return list(examine_jdbc("shop", {"connection.url": f"jdbc:sqlite:{path}"}, service))


def test_file_of_sqlite_is_told_of_when_the_sandbox_hides_it():
    """It is moved, for a copy would not change any more."""
    (found,) = sqlite_findings("/home/me/shop.db", hardened(protect_home="yes"))
    assert (found.level, found.option) == (Level.PROBLEM, "connection.url")
    assert "ProtectHome=yes" in found.text
    assert found.remedy.startswith("mv /home/me/shop.db /srv/shop.db")


def test_file_of_sqlite_is_told_of_when_the_service_cannot_read_it(database):
    """By the rights of its user, not of who calls the doctor."""
    service = Other(**hardened(user="nobody", group="nogroup")._asdict())
    (found,) = sqlite_findings(database, service)
    assert (found.level, found.option) == (Level.PROBLEM, "connection.url")
    assert "user nobody" in found.text


def test_file_of_sqlite_is_told_of_when_its_mode_wants_a_folder_to_write_in(database):
    """Who only reads in WAL mode makes files beside the database."""
    found = sqlite_findings(database, hardened())
    assert found[0].level is Level.WARNING
    assert found[0].remedy == f"sqlite3 {database} 'PRAGMA journal_mode=DELETE'"
    well = sqlite_findings(database, hardened(writable=(database.parent,)))
    assert {f.level for f in well} == {Level.OK}
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    assert {f.level for f in sqlite_findings(database, hardened())} == {Level.OK}
