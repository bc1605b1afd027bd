"""MariaDB, MySQL and PostgreSQL: installed ones first, else unpacked from Debian's packages."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from deploy.parts.debian import library_path, loader, obtain_packages
from deploy.parts.folder import PartError, run
from deploy.parts.server import HOST, Server

SYSTEM_TABLES = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "fill_help_tables.sql",
    "maria_add_gis_sp_bootstrap.sql",
    "mysql_sys_schema.sql",
)
"""MariaDB's own scripts, in the order in which it runs them itself."""

SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


class Database(Server):
    """A database server with one privileged user for TCP; `sql` runs statements as root."""

    user = "ingest"
    password = "ingest"
    start_timeout_s = 60.0

    def sql(self, text: str, database: str = "") -> str:
        """Run statements through the server's own client; gives tab-separated rows."""
        command = [*self.client_command(), *([database] if database else [])]
        done = subprocess.run(
            command,
            check=False,
            input=text,
            capture_output=True,
            text=True,
            cwd=self.data,
            env=self.environment(),
            timeout=300,
        )
        if done.returncode:
            raise PartError(f"{self.name} refused a statement: {done.stderr.strip()}")
        return done.stdout

    def client_command(self) -> list[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        try:
            return self.sql("SELECT 1;").strip() == "1"
        except PartError:
            return False


class _MySqlFamily(Database):
    """What MariaDB and MySQL share: option file, row binlog, a user `ingest` with all rights."""

    section = "mysqld"
    extra_options: ClassVar[Mapping[str, object]] = {}

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        *,
        base: int | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(data, port, base)
        self._options = options or {}
        self._root = self.obtained()

    def obtained(self) -> Path | None:
        """Give the root of the unpacked server, None for an installed one."""
        raise NotImplementedError

    def create_system_tables(self) -> None:
        """Fill an empty data folder."""
        raise NotImplementedError

    def prepare(self) -> None:
        self.write_options()
        unfinished = self.data / "initialising"
        if (self.data / "data").exists() and not unfinished.exists():
            return
        shutil.rmtree(self.data / "data", ignore_errors=True)
        unfinished.touch()
        self.create_system_tables()
        unfinished.unlink()

    def words(self, program: str) -> list[str]:
        """Give the words that start a program, an unpacked one by the loader it came with."""
        if self._root is None:
            return [_program(None, program)]
        return [*loader(self._root), _program(self._root, program)]

    @property
    def option_file(self) -> str:
        return f"--defaults-file={self.data / 'server.cnf'}"

    def write_options(self) -> None:
        """Write the option file; a relative socket keeps its path short enough."""
        home = self._root / "usr" if self._root else None
        temporary = self.data / "tmp"
        temporary.mkdir(exist_ok=True)
        settings = {
            **({"user": "root"} if os.geteuid() == 0 else {}),
            "datadir": self.data / "data",
            # a MariaDB that starts removes temporary tables, in a shared folder those of others too
            "tmpdir": temporary,
            "socket": "server.sock",
            "pid-file": self.data / "server.pid",
            "bind-address": HOST,
            "port": self.port,
            "server-id": self.port,
            "log-bin": "binlog",
            "binlog_format": "ROW",
            "binlog_row_image": "FULL",
            "binlog_row_metadata": "FULL",
            "sync_binlog": 1,
            "innodb_flush_log_at_trx_commit": 1,
            "innodb_buffer_pool_size": "64M",
            **(_homes(home) if home else {}),
            **self.extra_options,
            **self._options,
        }
        lines = [f"[{self.section}]", "skip-name-resolve"]
        lines += [f"{key}={value}" for key, value in settings.items()]
        (self.data / "server.cnf").write_text("\n".join(lines) + "\n")

    def wait_ready(self) -> None:
        super().wait_ready()
        granted = self.data / "granted"
        if not granted.exists():
            self.sql(
                "SET sql_log_bin=0;"
                f"CREATE USER '{self.user}'@'%' IDENTIFIED BY '{self.password}';"
                f"GRANT ALL ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;"
            )
            granted.touch()

    def client_options(self) -> list[str]:
        socket = self.data / "data/server.sock"
        return [
            *("--no-defaults", "--batch", "--skip-column-names", "--user=root"),
            *("--default-character-set=utf8mb4", f"--socket={os.path.relpath(socket, self.data)}"),
        ]


class MariaDb(_MySqlFamily):
    """MariaDB 10.11 on TCP `port`: an installed one, else the one of Debian 12."""

    name = "mariadb"
    section = "mariadbd"

    def obtained(self) -> Path | None:
        return obtain_mariadb()

    def create_system_tables(self) -> None:
        """What mariadb-install-db does, without a script that knows nothing of our loader."""
        share = (self._root / "usr" if self._root else Path("/usr")) / "share/mysql"
        scripts = "".join((share / name).read_text() for name in SYSTEM_TABLES)
        (self.data / "data/mysql").mkdir(parents=True)
        run(
            [*self.words("mariadbd"), self.option_file, "--bootstrap", "--skip-log-bin"],
            "creating MariaDB's system tables",
            text_in=f"USE mysql;\nSET @auth_root_socket=NULL;\n{scripts}",
            cwd=self.data,
        )

    def command(self) -> list[str]:
        return [*self.words("mariadbd"), self.option_file]

    def client_command(self) -> list[str]:
        return [*self.words("mariadb"), *self.client_options()]


class MySql(_MySqlFamily):
    """MySQL with GTIDs on TCP `port`: an installed one, else 9.7 of Debian's unstable release."""

    name = "mysql"
    extra_options: ClassVar[Mapping[str, object]] = {
        "mysqlx": "OFF",
        "secure-file-priv": "",
        "gtid_mode": "ON",
        "enforce_gtid_consistency": "ON",
    }

    def obtained(self) -> Path | None:
        return obtain_mysql()

    def create_system_tables(self) -> None:
        run(
            [*self.words("mysqld"), self.option_file, "--initialize-insecure"],
            "creating MySQL's system tables",
            cwd=self.data,
        )

    def command(self) -> list[str]:
        return [*self.words("mysqld"), self.option_file]

    def client_command(self) -> list[str]:
        return [*self.words("mysql"), *self.client_options()]


class PostgreSql(Database):
    """PostgreSQL with logical decoding on TCP `port`, user `postgres` without a password.

    It refuses to run as root: then it runs as `nobody`, which must be able to reach `data`.
    """

    name = "postgresql"
    user = "postgres"
    password = ""
    stop_signal = signal.SIGINT

    def __init__(self, data: Path, port: int | None = None, *, base: int | None = None) -> None:
        super().__init__(data, port, base)
        self._home = obtain_postgresql()
        unpacked = (p for p in self._home.parents if (p.parent / ".complete").exists())
        self._root = next(unpacked, None)

    def environment(self) -> dict[str, str]:
        return _with_libraries(self._root)

    def privileges(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        return ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]

    def prepare(self) -> None:
        if os.geteuid() == 0:
            self._open_to_nobody()
        if (self.data / "data/PG_VERSION").exists():
            return
        cluster = str(self.data / "data")
        initdb = [str(self._home / "bin/initdb"), "-D", cluster, "-U", self.user]
        run(
            [*self._die_with_parent(), *initdb, "--auth=trust", "--no-sync", "--encoding=UTF8"],
            "creating PostgreSQL's cluster",
            env=self.environment(),
            cwd=self.data,
        )

    def _open_to_nobody(self) -> None:
        """Give the data folder to `nobody`, with a copy of programs that it could not reach."""
        shutil.chown(self.data, "nobody", "nogroup")
        closed = _closed_to_others(self.data)
        if closed:
            raise PartError(
                f"PostgreSQL does not run as root, and the user nobody cannot enter {closed}: "
                "choose a folder that is open to all (chmod o+x), or do not run as root."
            )
        if self._root and _closed_to_others(self._home):
            copy = self.data / "programs"
            shutil.copytree(self._root, copy, symlinks=True, dirs_exist_ok=True)
            self._home = copy / self._home.relative_to(self._root)
            self._root = copy

    def command(self) -> list[str]:
        settings = {
            "port": self.port,
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "wal_level": "logical",
            "max_connections": 50,
            "shared_buffers": "32MB",
        }
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [str(self._home / "bin/postgres"), "-D", str(self.data / "data"), *words]

    def client_command(self) -> list[str]:
        psql = [str(self._home / "bin/psql"), "-X", "-q", "-t", "-A", "-F", "\t"]
        return [*psql, "-v", "ON_ERROR_STOP=1", "-h", HOST, "-p", str(self.port), "-U", self.user]

    def sql(self, text: str, database: str = "postgres") -> str:
        return super().sql(text, database)


def obtain_mariadb() -> Path | None:
    """Give the root of an unpacked MariaDB 10.11, or None when that one is installed."""
    server = _installed("mariadbd")
    if server and _installed("mariadb") and "10.11." in _version_text(server):
        return None
    return obtain_packages(
        "mariadb-10.11", ["mariadb-server-core", "mariadb-client-core"], release="bookworm"
    )


def obtain_mysql() -> Path | None:
    """Give the root of an unpacked MySQL 9.7, or None when MySQL (not MariaDB) is installed."""
    server = _installed("mysqld")
    if server and _installed("mysql") and "MariaDB" not in _version_text(server):
        return None
    return obtain_packages("mysql", ["mysql-server-core", "mysql-client-core"], release="sid")


def obtain_postgresql() -> Path:
    """Give PostgreSQL's home (`bin/postgres` below it), the newest installed one first."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    if installed:
        return installed[-1].parents[1]
    root = obtain_packages("postgresql", ["postgresql@", "postgresql-client@"])
    return max(root.glob("usr/lib/postgresql/*/bin/postgres"), key=_version).parents[1]


def _version(program: Path) -> int:
    name = program.parents[1].name
    return int(name) if name.isdigit() else 0


def _version_text(program: str) -> str:
    return subprocess.run(
        [program, "--version"], check=False, capture_output=True, text=True
    ).stdout


def _homes(home: Path) -> dict[str, object]:
    """Where an unpacked server finds what it would look for below /usr."""
    return {
        "basedir": home,
        "plugin-dir": home / "lib/mysql/plugin",
        "lc-messages-dir": home / "share/mysql",
        "character-sets-dir": home / "share/mysql/charsets",
    }


def _installed(program: str) -> str | None:
    return shutil.which(program, path=SYSTEM_PATH)


def _program(root: Path | None, name: str) -> str:
    if root is None:
        return _installed(name) or name
    return next(str(p) for p in (root / f"usr/{d}/{name}" for d in ("sbin", "bin")) if p.exists())


def _closed_to_others(folder: Path) -> Path | None:
    """The first folder on the way that only its owner or group may enter."""
    return next((p for p in folder.parents if not p.stat().st_mode & 0o001), None)


def _with_libraries(root: Path | None) -> dict[str, str]:
    environment = dict(os.environ)
    if root:
        environment["LD_LIBRARY_PATH"] = library_path(root)
    return environment
