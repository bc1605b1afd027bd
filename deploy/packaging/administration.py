"""What a sysadmin does with the running service, tried by the words of README.md and the manual.

Connector files, the console, the doctor and the statements that it prints, REST beyond this machine, backup
and restore. Each part leaves the service as it found it.
"""

from __future__ import annotations

import functools
import json
import time
from typing import Any

from deploy.packaging.flows import STATE
from deploy.packaging.promises import Promises

_ETC = "/etc/ingest-appliance"
_WORKER = f"{_ETC}/worker.properties"
_EXTRA = f"{_ETC}/connectors.d/extra.json"
_LOCAL = "http://localhost:8083"
_SHARED = """\
listeners=https://0.0.0.0:8083
listeners.https.ssl.keystore.type=PEM
listeners.https.ssl.keystore.location=/etc/ingest-appliance/tls.pem
appliance.rest.users.file=/etc/ingest-appliance/users
"""
LOGIN = "/etc/ingest-appliance-kafka/client.properties"
_REACH = """\
import sys
from pathlib import Path
from confluent_kafka.admin import AdminClient
from appliance.config.properties import load_properties
from appliance.kafka.clients import translated
options = {"bootstrap.servers": "127.0.0.1:9092"}
for file in sys.argv[1:]:
    options |= translated(load_properties(Path(file)))
print("reached", len(AdminClient(options).list_topics(timeout=10).topics))
"""
# the offsets of all that has flowed are stored by then
_STORED_S = 16.0


class Administration:
    """The parts, on the system of a trial."""

    def __init__(self, trial: Promises) -> None:
        self._trial = trial
        self._sh = trial.system.sh

    def _curl(self, words: str) -> tuple[int, str]:
        """Give status and body of what curl is told to ask."""
        told = self._sh(f"curl -sS -w '\\n%{{http_code}}' {words}", check=False)
        body, _, code = told.rpartition("\n")
        return int(code or 0), body

    def _write(self, path: str, text: str) -> None:
        (self._trial.system.root / path.lstrip("/")).write_text(text)

    def _serves(self, timeout_s: float = 90) -> bool:
        return self._trial.wait(self._trial.serves, timeout_s) < timeout_s

    # connectors

    def use_rest(self) -> None:
        """A connector by curl and by the verbs, and what monitoring asks."""
        promise = self._trial.promise
        config = {
            "connector.class": "FileStreamSource",
            "file": f"{STATE}/in.txt",
            "topic": "copy",
        }
        put = f"-X PUT -H 'Content-Type: application/json' -d '{json.dumps(config)}'"
        code, _ = self._curl(f"{put} {_LOCAL}/connectors/copy/config")
        promise("curl makes a connector", code == 201, code)
        took_s = self._trial.wait(lambda: self._states("copy") == ["RUNNING"])
        promise("and its task runs", took_s < 60, f"{took_s:.1f} s")
        listed = self._sh("ingest-appliance get connectors")
        promise("`ingest-appliance get connectors` lists it", "copy" in listed)
        code, body = self._curl(f"{_LOCAL}/metrics")
        promise("metrics are there for Prometheus", "kafka_connect_" in body, code)
        code, _ = self._curl(f"-X DELETE {_LOCAL}/connectors/copy")
        promise("curl deletes it", code == 204, code)

    def _states(self, name: str) -> list[str]:
        return [task["state"] for task in self._trial.get(f"/connectors/{name}/status")["tasks"]]

    def keep_files(self) -> None:
        """A connector file is applied, owns its connector, is changed and removed."""
        trial, promise = self._trial, self._trial.promise
        config = {
            "connector.class": "FileStreamSource",
            "file": f"{STATE}/in.txt",
            "topic": "extra",
        }
        self._apply(config)
        made = trial.wait(lambda: "extra" in trial.get("/connectors"))
        promise("a new file is a connector after a reload", made < 60, f"{made:.1f} s")
        owner = trial.get("/connectors/extra/config").get("appliance.connector.file", "")
        promise("its file is told", owner.endswith(_EXTRA), owner)
        changed = json.dumps({**config, "batch.size": "9"})
        for request in (
            f"-X PUT -H 'Content-Type: application/json' -d '{changed}' {_LOCAL}/connectors/extra/config",
            f"-X DELETE {_LOCAL}/connectors/extra",
        ):
            code, body = self._curl(request)
            refused = code == 409 and "extra.json" in body
            promise(f"REST's {request.split()[1]} is refused with the file's name", refused, code)
        self._apply({**config, "batch.size": "7"})
        took_s = trial.wait(lambda: trial.get("/connectors/extra/config").get("batch.size") == "7")
        promise("a changed file is applied", took_s < 60, f"{took_s:.1f} s")
        self._write(_EXTRA, "{")
        self._sh("systemctl reload ingest-appliance; sleep 2")
        told = self._sh("journalctl -u ingest-appliance -o cat -n 40 --no-pager")
        kept = "extra" in trial.get("/connectors") and "extra.json" in told
        promise("a broken file is told of and changes nothing", kept)
        self._sh(f"rm {_EXTRA}; systemctl reload ingest-appliance")
        took_s = trial.wait(lambda: "extra" not in trial.get("/connectors"))
        promise("a removed file takes its connector along", took_s < 60, f"{took_s:.1f} s")

    def _apply(self, config: dict[str, str]) -> None:
        self._write(_EXTRA, json.dumps({"name": "extra", "config": config}))
        self._sh(f"chgrp ingest {_EXTRA}; systemctl reload ingest-appliance")

    def look(self) -> None:
        """The console in a terminal and in a browser, manual and completion."""
        promise = self._trial.promise
        shown = self._sh(
            "export TERM=xterm-256color; sleep 15 | "
            "timeout 12 script -qec 'stty rows 40 cols 120; ingest-tui' /dev/null",
            check=False,
        )
        promise("the console shows the connectors", "rows-in" in shown and "running" in shown)
        page = self._sh(
            "cd $(mktemp -d); timeout 30 ingest-tui --web 2>told & "
            "for i in $(seq 100); do grep -q key= told && break; sleep .1; done; "
            "curl -sSL --cookie-jar jar $(grep -o 'http:[^ ]*key=[^ ]*' told); kill %1",
            check=False,
        )
        promise("and in a browser", "/ws" in page and "<html" in page)
        pages = "/usr/share/man/man8/ingest-appliance.8.gz /usr/share/man/man1/ingest-tui.1.gz"
        promise("there are manual pages", "doctor" in self._sh(f"zcat {pages}"))
        words = self._sh("ingest-appliance completion words -- des", check=False)
        promise("the shell can complete", "describe" in words)

    # trouble

    def heed_doctor(self) -> None:
        """What the doctor finds is what was broken, and its statement mends it."""
        promise = self._trial.promise
        files = f"{_ETC}/connectors.d/*"
        told = self._sh(f"ingest-appliance doctor {files}; echo code $?", check=False)
        wrong = [line for line in told.splitlines() if line.startswith("problem")]
        promise("the doctor finds no problem", "code 1" not in told, "; ".join(wrong))
        self._sh('mariadb -e "REVOKE REPLICATION SLAVE ON *.* FROM ingest@localhost"')
        found = self._problems(f"{_ETC}/connectors.d/rows-in.properties")
        remedies = [finding["remedy"] for finding in found]
        promise("a missing grant is a problem", "GRANT" in "".join(remedies), remedies)
        for statement in remedies:
            self._write("/root/remedy.sql", statement)
            self._sh("mariadb </root/remedy.sql", check=False)
        left = self._problems(f"{_ETC}/connectors.d/rows-in.properties")
        promise("the statement that it prints mends it", left == [], left or "")
        self._sh("systemctl stop ingest-appliance-kafka")
        found = self._problems("")
        named = [finding for finding in found if "ingest-appliance-kafka" in finding["remedy"]]
        promise("a broker that is down is a problem", bool(named), [f["text"] for f in found])
        status = self.service_status()
        promise("and the service runs on and says so", status != "", status)
        self._sh("systemctl start ingest-appliance-kafka")
        promise("it goes on when the broker is back", self._serves())

    def service_status(self) -> str:
        """Give what systemd shows of a service that is up, else nothing."""
        if self._trial.show("ActiveState") != "active":
            return ""
        return self._trial.show("StatusText")

    def guard_broker(self) -> None:
        """The broker answers who has its login, and the daemon takes a new one by itself."""
        promise = self._trial.promise
        self._write("/root/reach.py", _REACH)
        self._sh("install -m 644 /root/reach.py /tmp/reach.py")
        home = "$(dirname $(readlink -f /usr/bin/ingest-appliance))"
        for who, login, wanted in (
            ("ingest", LOGIN, True),
            ("nobody", LOGIN, False),
            ("nobody", "", False),
        ):
            told = self._sh(
                f"runuser -u {who} -- {home}/python /tmp/reach.py {login} 2>&1", check=False
            )
            label = f"{who} {'with' if login else 'without'} the login"
            promise(
                f"the broker as {label}",
                ("\nreached " in f"\n{told}") == wanted,
                told.strip()[-80:],
            )
        before = self._sh(f"cat {LOGIN}")
        self._sh(f"rm {LOGIN}; systemctl restart ingest-appliance-kafka")
        served = self._serves()
        promise("another login is made and taken", served and self._sh(f"cat {LOGIN}") != before)
        mode = self._sh(f"stat -c '%a %U:%G' {LOGIN}").strip()
        promise("for root and the daemon's group alone", mode == "640 root:ingest", mode)

    def _problems(self, files: str) -> list[dict[str, Any]]:
        told = self._sh(f"ingest-appliance doctor --json {files}", check=False)
        return [finding for finding in json.loads(told) if finding["level"] == "problem"]

    # the world beyond

    def open_to_others(self) -> None:
        """REST beyond this machine: not in the clear, and for those in the users file by role."""
        trial, promise = self._trial, self._trial.promise
        self._sh(f"cp {_WORKER} /root/closed; echo listeners=http://0.0.0.0:8083 >>{_WORKER}")
        self._sh("systemctl restart ingest-appliance", check=False)
        trial.wait(lambda: trial.show("ActiveState") == "failed", 30)
        status = trial.show("ExecMainStatus")
        told = self._sh("journalctl -u ingest-appliance -o cat -n 20 --no-pager")
        said = next((line for line in told.splitlines() if "cannot start" in line), "")
        promise("REST is not opened in the clear", status == "78" and said != "", said)
        self._sh(
            "cd /root; openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
            "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem 2>&1; "
            f"cat key.pem cert.pem >{_ETC}/tls.pem; "
            f"for role in view operate administer; do echo pass-$role | "
            f"ingest-appliance user $role --role $role >>{_ETC}/users; done; "
            f"chgrp ingest {_ETC}/tls.pem {_ETC}/users; chmod 640 {_ETC}/tls.pem {_ETC}/users; "
            f"cat /root/closed - >{_WORKER} <<'END'\n{_SHARED}\nEND\n"
            "systemctl reset-failed ingest-appliance; systemctl restart ingest-appliance"
        )
        address = "--cacert /root/cert.pem https://localhost:8083"
        healthy = functools.partial(self._curl, f"-u view:pass-view {address}/health")
        trial.wait(lambda: healthy()[0] == 200 and "healthy" in healthy()[1])
        pause = f"-X PUT {address}/connectors/lines-out"
        for who, words, wanted in (
            ("nobody", f"{address}/connectors", 401),
            ("a wrong password", f"-u view:wrong {address}/connectors", 401),
            ("view reads", f"-u view:pass-view {address}/connectors", 200),
            ("view pauses", f"-u view:pass-view {pause}/pause", 403),
            ("operate pauses", f"-u operate:pass-operate {pause}/pause", 202),
            ("operate resumes", f"-u operate:pass-operate {pause}/resume", 202),
            (
                "operate deletes",
                f"-u operate:pass-operate -X DELETE {address}/connectors/none",
                403,
            ),
            (
                "administer deletes",
                f"-u administer:pass-administer -X DELETE {address}/connectors/none",
                404,
            ),
        ):
            code, _ = self._curl(words)
            promise(f"over TLS, {who}: {wanted}", code == wanted, code)
        audit = self._sh(
            "journalctl -u ingest-appliance -o cat --no-pager | grep -w operate", check=False
        )
        promise("a change leaves who and what in the journal", "pause" in audit)
        shown = self._sh(
            "INGEST_APPLIANCE_USER=view INGEST_APPLIANCE_PASSWORD=pass-view SSL_CERT_FILE=/root/cert.pem "
            "ingest-appliance get connectors --url https://localhost:8083",
            check=False,
        )
        promise("the verbs log in", "lines-out" in shown)
        self._sh(f"cat /root/closed >{_WORKER}; rm {_ETC}/tls.pem {_ETC}/users")
        self._sh("systemctl restart ingest-appliance")
        promise("and back to this machine alone", self._serves())

    def start_anew(self) -> None:
        """A backup goes into an empty broker, and everything goes on where it was."""
        trial, promise = self._trial, self._trial.promise
        trial.check_flows("administration", twice_allowed=True)
        for flow in trial.flows:
            flow.stop()
        time.sleep(_STORED_S)
        before = trial.get("/connectors")
        self._sh("ingest-appliance backup /root/state.jsonl")
        mode = self._sh("stat -c %a /root/state.jsonl").strip()
        promise("a backup of the running group, for its owner alone", mode == "600", mode)
        data = "/var/lib/ingest-appliance-kafka"
        self._sh(f"systemctl stop ingest-appliance ingest-appliance-kafka; rm -rf {data}/*")
        self._sh("systemctl start ingest-appliance-kafka")
        restored = self._sh(
            "for i in $(seq 30); do ingest-appliance restore /root/state.jsonl && break; sleep 1; done"
        )
        promise("it is restored into an empty broker", "records" in restored)
        self._sh("systemctl start ingest-appliance")
        promise("healthy on the restored state", self._serves())
        promise("with the same connectors", trial.get("/connectors") == before, len(before))
        for flow in trial.flows:
            flow.start()
        time.sleep(5)
        trial.check_flows("backup and restore")
