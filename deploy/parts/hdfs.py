"""HDFS: a NameNode and one DataNode, spoken to over WebHDFS."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.parts.jars import obtain_files
from deploy.parts.java import JavaServer, write_properties
from deploy.parts.server import HOST, free_ports

USER = "hdfs"
LOGGING = {
    "log4j.rootLogger": "WARN, console",
    "log4j.appender.console": "org.apache.log4j.ConsoleAppender",
    "log4j.appender.console.layout": "org.apache.log4j.PatternLayout",
    "log4j.appender.console.layout.ConversionPattern": "%d{ISO8601} %p %c{1}: %m%n",
}


def obtain_hadoop() -> Path:
    """Give the folder with HDFS's jars (Hadoop 3.5.0, 44 MB)."""
    return obtain_files("hdfs", "hdfs-jars")


class _HadoopServer(JavaServer):
    heap: tuple[str, ...] = ("-Xms64m", "-Xmx256m")

    def __init__(self, name: str, main_class: str, folder: Path, conf: Path, port: int) -> None:
        super().__init__(folder, port)
        self.name = name
        self._main_class = main_class
        self._conf = conf

    def main_class(self) -> str:
        return self._main_class

    def class_path(self) -> str:
        return f"{self._conf}:{obtain_hadoop()}/*"

    def environment(self) -> dict[str, str]:
        return os.environ | {"HADOOP_USER_NAME": USER}

    def prepare(self) -> None:
        if self.name == "namenode" and not (self.data / "name/current/VERSION").exists():
            words = ("-format", "-nonInteractive", "-force")
            self.run_once(f"formatting {self.data}", self._main_class, *words)

    def ready(self) -> bool:
        raise NotImplementedError


class _NameNode(_HadoopServer):
    def ready(self) -> bool:
        return _answers(f"http://{HOST}:{self.port}/webhdfs/v1/?op=LISTSTATUS&user.name={USER}")


class _DataNode(_HadoopServer):
    def __init__(self, folder: Path, conf: Path, port: int, namenode_port: int) -> None:
        name = "org.apache.hadoop.hdfs.server.datanode.DataNode"
        super().__init__("datanode", name, folder, conf, port)
        self._namenode_port = namenode_port

    def ready(self) -> bool:
        """One byte written through both: JMX would still count a killed DataNode as live."""
        query = f"op=CREATE&overwrite=true&user.name={USER}"
        url = f"http://{HOST}:{self._namenode_port}/webhdfs/v1/tmp/.ready?{query}"
        return _answers(url, "PUT", b"1")


class Hdfs:
    """NameNode and DataNode; `url` is WebHDFS, `fs` the hdfs:// address, `user` may write all."""

    user = USER

    def __init__(
        self,
        data: Path,
        *,
        base: int | None = None,
        ports: tuple[int, int, int, int, int] | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        """`ports`: NameNode RPC and HTTP, DataNode data, HTTP and RPC."""
        rpc, http, data_port, data_http, data_rpc = ports or free_ports(5, base)
        self.data = data.absolute()
        self.conf = self.data / "conf"
        self.url = f"http://{HOST}:{http}"
        self.fs = f"hdfs://{HOST}:{rpc}"
        self._core_site = {"fs.defaultFS": self.fs, "hadoop.tmp.dir": self.data / "tmp"}
        self._hdfs_site: dict[str, object] = {
            "dfs.replication": 1,
            "dfs.namenode.name.dir": f"file://{self.data}/namenode/name",
            "dfs.datanode.data.dir": f"file://{self.data}/datanode/data",
            "dfs.namenode.http-address": f"{HOST}:{http}",
            "dfs.datanode.address": f"{HOST}:{data_port}",
            "dfs.datanode.http.address": f"{HOST}:{data_http}",
            "dfs.datanode.ipc.address": f"{HOST}:{data_rpc}",
            "dfs.datanode.hostname": HOST,
            "dfs.namenode.safemode.extension": 0,
            "dfs.heartbeat.interval": 1,
            "dfs.namenode.heartbeat.recheck-interval": 2000,
            "dfs.namenode.datanode.registration.ip-hostname-check": "false",
            "dfs.permissions.superusergroup": "supergroup",
            **(properties or {}),
        }
        name = "org.apache.hadoop.hdfs.server.namenode.NameNode"
        self.namenode = _NameNode("namenode", name, self.data / "namenode", self.conf, http)
        self.datanode = _DataNode(self.data / "datanode", self.conf, data_http, http)

    @property
    def running(self) -> bool:
        return self.namenode.running and self.datanode.running

    def start(self) -> Self:
        """Start both; returns when a byte could be written."""
        self._write_conf()
        self.namenode.launch()
        self.datanode.launch()
        self.namenode.wait_ready()
        self.datanode.wait_ready()
        return self

    def start_namenode(self) -> None:
        """Start the NameNode alone; returns when it answers."""
        self._write_conf()
        self.namenode.launch()
        self.namenode.wait_ready()

    def stop(self) -> None:
        self.datanode.stop()
        self.namenode.stop()

    def kill(self) -> None:
        self.datanode.kill()
        self.namenode.kill()

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _write_conf(self) -> None:
        self.conf.mkdir(parents=True, exist_ok=True)
        for name, values in (("core-site", self._core_site), ("hdfs-site", self._hdfs_site)):
            entries = "".join(
                f"<property><name>{key}</name><value>{value}</value></property>\n"
                for key, value in values.items()
            )
            (self.conf / f"{name}.xml").write_text(f"<configuration>\n{entries}</configuration>\n")
        write_properties(self.conf / "log4j.properties", LOGGING)
        # Maven's jars come without the web folders that both servers insist on.
        for name in ("hdfs", "datanode"):
            folder = self.conf / "webapps" / name / "WEB-INF"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "web.xml").write_text("<web-app/>\n")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib does not follow a redirect with a body; WebHDFS's second step is ours."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def _answers(url: str, method: str = "GET", body: bytes | None = None) -> bool:
    try:
        _OPENER.open(urllib.request.Request(url, method=method), timeout=5).close()
    except urllib.error.HTTPError as error:
        if error.code != 307 or body is None:
            return False
        target = urllib.request.Request(error.headers["Location"], data=body, method=method)
        target.add_header("Content-Type", "application/octet-stream")
        return _sent(target)
    except OSError:
        return False
    return True


def _sent(request: urllib.request.Request) -> bool:
    try:
        _OPENER.open(request, timeout=10).close()
    except OSError:
        return False
    return True
