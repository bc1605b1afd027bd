"""The packages tried as a sysadmin would: installed from the signed repository in a booted system, used,
hurt, upgraded and downgraded under load, removed and purged; each promise is one line of output.

The load is a file and a table of Debian's MariaDB, each through a topic into a file (`flows`).
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.packaging.administration import LOGIN, Administration
from deploy.packaging.build import DIST, MOST_BYTES
from deploy.packaging.flows import STATE, Flow, Lines, Rows
from deploy.packaging.promises import Promises
from deploy.packaging.repository import PUBLIC_KEY, REPOSITORY_FOLDER
from deploy.packaging.systems import System
from deploy.packaging.traces import paths
from deploy.parts.folder import PartError

UPGRADES = 5
MOST_GAP_S = 10.0
MOST_EXPOSURE = 1.5
MOST_IDLE_MB = 160
MOST_BROKER_MB = 800
MOST_INSTALL_S = 15.0
MOST_START_S = 1.5
MOST_RETURN_S = 5.0
_STARTS = 3
_CANARY = "canary-3f1c9d2e"
_UNIT = "/usr/lib/systemd/system/ingest-appliance.service"

_WATCH = """\
import json, os, threading, time, urllib.request
URL = "http://127.0.0.1:8083"
CONFIG = {"connector.class": "FileStreamSource", "file": "/dev/null", "topic": "watched"}
VALIDATE = urllib.request.Request(
    URL + "/connector-plugins/FileStreamSource/config/validate",
    json.dumps({"name": "watched", **CONFIG}).encode(),
    {"Content-Type": "application/json"},
    method="PUT",
)
worst = {}
def watch(name, request, pause):
    last, worst[name] = time.monotonic(), 0.0
    end = last + 600
    while time.monotonic() < end and not os.path.exists("/root/done"):
        try:
            urllib.request.urlopen(request, timeout=10).read()
            now = time.monotonic()
            worst[name], last = max(worst[name], now - last), now
        except OSError:
            pass
        time.sleep(pause)
    worst[name] = max(worst[name], time.monotonic() - last)
watches = [
    threading.Thread(target=watch, args=words)
    for words in (("read", URL + "/", 0.02), ("validate", VALIDATE, 0.2))
]
for one in watches:
    one.start()
for one in watches:
    one.join()
with open("/root/worst.new", "w") as file:
    json.dump(worst, file)
os.rename("/root/worst.new", "/root/worst")
"""
_CREATE = """\
ask() {
    curl -s -o /dev/null -w '%{http_code}\\n' -H 'Content-Type: application/json' "$@"
}
ask http://127.0.0.1:8083/connectors -d '{"name": "made", "config": {
    "connector.class": "FileStreamSource", "file": "/dev/null", "topic": "made"}}'
ask -X DELETE http://127.0.0.1:8083/connectors/made
"""
_START = """\
import subprocess, time, urllib.request
began = time.monotonic()
starting = subprocess.Popen(["systemctl", "start", "ingest-appliance"])
while True:
    try:
        if b'"healthy"' in urllib.request.urlopen("http://127.0.0.1:8083/health", timeout=5).read():
            break
    except OSError:
        time.sleep(0.01)
print(time.monotonic() - began)
starting.wait()
"""


def try_out(release: str) -> int:
    """Try a release's packages from `dist/apt`; give 0, or 1 when a promise is not kept."""
    if not (REPOSITORY_FOLDER / f"dists/{release}").is_dir():
        raise PartError(f"There are no packages for {release}: run `deploy/package build` first.")
    with System(release) as system:
        trial = _Trial(system, release)
        care = Administration(trial)
        for step in (
            trial.install,
            trial.serve,
            trial.harden,
            trial.move_data,
            care.look,
            care.use_rest,
            care.keep_files,
            care.heed_doctor,
            care.guard_broker,
            trial.survive_kill,
            trial.survive_stop_signal,
            trial.refuse_second,
            trial.upgrade_and_downgrade,
            trial.reboot,
            trial.stay_down,
            care.open_to_others,
            trial.hide_secret,
            care.start_anew,
            trial.remove_and_purge,
        ):
            step()
    print(f"{release}: {trial.kept} passed, {trial.broken} failed")
    return int(trial.broken > 0)


class _Trial(Promises):
    """One release's trial; every step leaves the service running."""

    def __init__(self, system: System, release: str) -> None:
        super().__init__(system, (Lines(system), Rows(system, "canary")))
        self._release = release
        self._before: set[str] = set()

    def install(self) -> None:
        """From the signed repository; Debian's own dependencies are put there before."""
        run = self.system.sh
        run(
            "apt-get update -qq && "
            "apt-get install -y -qq --no-install-recommends "
            "default-jre-headless curl openssl mariadb-server",
            timeout_s=500,
        )
        shutil.copytree(REPOSITORY_FOLDER, self.system.root / "srv/apt")
        run(f"install -D -m 644 /srv/apt/{PUBLIC_KEY} /etc/apt/keyrings/ingest-appliance.asc")
        source = "deb [signed-by=/etc/apt/keyrings/ingest-appliance.asc] file:/srv/apt"
        run(f"echo '{source} {self._release} main' >/etc/apt/sources.list.d/ingest-appliance.list")
        run("apt-get update -qq")
        planned = run("apt-get install -s ingest-appliance")
        self.promise("the package brings its broker", "Inst ingest-appliance-kafka" in planned)
        self._before = paths(self.system)
        began = time.monotonic()
        used = run(
            "apt-get install -y -qq ingest-appliance ingest-appliance-kafka >/dev/null; times",
            timeout_s=500,
        )
        took_s = time.monotonic() - began
        seen = f"{took_s:.1f} s, CPU {' '.join(used.split()[-2:])}"
        self.promise("installed from the signed repository by apt", took_s <= MOST_INSTALL_S, seen)
        size = max((DIST / self._release).glob("ingest-appliance_*.deb")).stat().st_size
        self.promise("the package's size", size <= MOST_BYTES, f"{size / 1e6:.1f} MB")
        for command in ("ingest-appliance --version", "ingest-tui --help"):
            self.promise(f"`{command}` runs", bool(run(command)))

    def serve(self) -> None:
        """The service runs on the packaged broker, with no word of configuration."""
        self.wait(self.serves, 90)
        self.promise("active and healthy", self.show("ActiveState") == "active" and self.serves())
        script = self.system.root / "root/start.py"
        script.write_text(_START)
        starts = []
        for _ in range(_STARTS):
            self.system.run("systemctl", "stop", "ingest-appliance")
            starts.append(float(self.system.run("python3", "/root/start.py")))
        seen = ", ".join(f"{took_s:.2f} s" for took_s in starts)
        self.promise("healthy after `systemctl start`", min(starts) <= MOST_START_S, seen)
        self.promise(
            "systemd is told", "serving" in self.show("StatusText"), self.show("StatusText")
        )
        memory = self._memory_mb("ingest-appliance")
        self.promise("memory at idle", 0 < memory <= MOST_IDLE_MB, f"{memory:.0f} MB")

    def _memory_mb(self, unit: str) -> float:
        """Give what a unit's processes hold, in MB; what they share counts once."""
        processes = f"/sys/fs/cgroup/system.slice/{unit}.service/cgroup.procs"
        # some end meanwhile
        told = self.system.sh(
            f"for p in $(cat {processes}); do cat /proc/$p/smaps_rollup; done", check=False
        )
        kibibytes = sum(int(size) for size in re.findall(r"(?m)^Pss:\s+(\d+) kB", told))
        return kibibytes * 1024 / 1e6

    def harden(self) -> None:
        """What the process can still do."""
        for unit in ("ingest-appliance", "ingest-appliance-kafka"):
            told = self.system.run("systemd-analyze", "security", unit, check=False)
            found = re.search(r"exposure level[^:]*: ([\d.]+)", told)
            exposure = float(found[1]) if found else 10.0
            self.promise(f"exposure of {unit}", exposure <= MOST_EXPOSURE, exposure)
        status = self.system.sh(f"cat /proc/{self.show('MainPID')}/status")
        bare = re.search(r"CapEff:\s+0+\n", status) and re.search(r"NoNewPrivs:\s+1", status)
        filtered = re.search(r"Seccomp:\s+2\n", status)
        self.promise("no capability, no new privileges, a filter", bool(bare and filtered))
        able = self._probe()
        self.promise(
            "what is forbidden fails",
            able["done"] == [],
            ", ".join(able["done"]) or able["tried"],
        )
        self.promise("what is needed works", able["lacks"] == [], ", ".join(able["lacks"]))

    def _probe(self) -> dict[str, Any]:
        """Give what a process can do that is started just as the daemon is."""
        root = self.system.root
        shutil.copy(Path(__file__).with_name("probe.py"), root / "usr/local/lib/probe.py")
        secret = root / "etc/ingest-appliance/secrets/canary"
        secret.write_text(_CANARY)
        secret.chmod(0o600)
        unit = (root / _UNIT.lstrip("/")).read_text()
        for old, new in (
            (r"Type=notify", "Type=oneshot"),
            (r"ExecStart=.*", "ExecStart=/usr/bin/python3 /usr/local/lib/probe.py"),
            (r"Restart=.*|WatchdogSec=.*|NotifyAccess=.*", ""),
            # the folder is removed with the unit, and is the daemon's
            (r"RuntimeDirectory=.*", "RuntimeDirectory=ingest-appliance-probe"),
        ):
            unit = re.sub(rf"(?m)^(?:{old})$", new, unit)
        self.system.sh("cat >/etc/systemd/system/probe.service <<'END'\n" + unit + "\nEND")
        run = self.system.sh
        run("systemctl daemon-reload; systemctl start probe", check=False)
        told = run("journalctl -u probe -o cat --no-pager")
        run(f"rm -f /etc/systemd/system/probe.service {STATE}/probe; systemctl daemon-reload")
        for line in told.splitlines():
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        raise PartError(f"The probe said nothing: {told[-2000:]}")

    def move_data(self) -> None:
        """Connectors from files, one with a secret; loads that run until the end."""
        # credentials are read when a service starts
        self.system.run("systemctl", "restart", "ingest-appliance")
        for flow in self.flows:
            flow.prepare()
            flow.start()
            flow.write_connectors()
        self.wait(self.serves)
        self.system.run("systemctl", "reload", "ingest-appliance")
        for flow in self.flows:
            took_s = self.wait(functools.partial(_has_begun, flow))
            self.promise(f"{flow.name} move after a reload", took_s < 60, f"{took_s:.1f} s")
        journal = self.system.sh(
            "journalctl -u ingest-appliance CONNECTOR=rows-in TASK=0 -o cat", check=False
        )
        self.promise("the journal knows connector and task", bool(journal.strip()))

    def survive_kill(self) -> None:
        """SIGKILL of the main process."""
        old = self.show("MainPID")
        self._watch()
        self.system.run("kill", "-9", old)
        self.wait(lambda: self.show("MainPID") not in (old, "0") and self.serves())
        gap_s = self._watched()["read"]
        self.promise("serves again after SIGKILL", 0 < gap_s <= MOST_RETURN_S, f"{gap_s:.1f} s")

    def survive_stop_signal(self) -> None:
        """A main process that makes no progress is replaced by the watchdog."""
        old = self.show("MainPID")
        self.system.run("kill", "-STOP", old)
        took_s = self.wait(lambda: self.show("MainPID") not in (old, "0") and self.serves(), 120)
        self.promise("the watchdog replaces a stopped process", took_s < 120, f"{took_s:.1f} s")

    def refuse_second(self) -> None:
        """A second daemon on this host leaves the first one alone."""
        pid = self.show("MainPID")
        told = self.system.sh(
            "runuser -u ingest -- timeout 30 ingest-appliance run 2>&1; echo code $?", check=False
        )
        refused = "code 78" in told and pid == self.show("MainPID")
        self.promise("a second instance is refused", refused, told.strip().splitlines()[-1])

    def upgrade_and_downgrade(self) -> None:
        """To the next version and back, again and again, under load; every other time the broker too."""
        self.check_flows("kills", twice_allowed=True)
        memory = self._memory_mb("ingest-appliance-kafka")
        seen = f"{memory:.0f} MB"
        self.promise("the broker's memory under load", 0 < memory <= MOST_BROKER_MB, seen)
        names = ("ingest-appliance", "ingest-appliance-kafka")
        next_ones = [self._repack(name, "99.0") for name in names]
        these = [self._package(name) for name in names]
        for turn in range(UPGRADES):
            many = 1 + turn % 2
            label = f"{turn + 1}{' with the broker' * (many - 1)}"
            self._replace(f"upgrade {label}", next_ones[:many])
            found = self.system.sh(f"cat /proc/{self.show('MainPID')}/cmdline | tr '\\0' ' '")
            self.promise("the new version runs", "/99.0/" in found)
            self._replace(f"downgrade {label}", these[:many])
        self.check_flows("upgrades")

    def _package(self, name: str) -> str:
        found = max((DIST / self._release).glob(f"{name}_*.deb"))
        shutil.copy(found, self.system.root / "root")
        return f"/root/{found.name}"

    def _repack(self, name: str, version: str) -> str:
        """Give the same package under another version, with the folder of that version."""
        package = self._package(name)
        home = "usr/lib/ingest-appliance"
        self.system.sh(
            f"set -e; rm -rf /root/next; dpkg-deb -R {package} /root/next; cd /root/next; "
            f"sed -i 's/^Version: .*/Version: {version}/' DEBIAN/control; "
            f"if [ -d {home} ]; then old=$(ls {home}); mv {home}/$old {home}/{version}; "
            f"grep -rlI /$old/ {home}/{version}/bin DEBIAN | xargs sed -i s,/$old/,/{version}/,g; "
            f"for c in ingest-appliance ingest-tui; do "
            f"ln -sfn ../lib/ingest-appliance/{version}/bin/$c usr/bin/$c; done; fi; "
            f"cd /root; dpkg-deb -Znone -b next {name}-next.deb; rm -rf next",
            timeout_s=500,
        )
        return f"/root/{name}-next.deb"

    def _replace(self, what: str, packages: Sequence[str]) -> None:
        """Install packages: REST reads and validates again in time, and then makes a connector."""
        self._watch()
        self.system.sh(
            f"apt-get install -y -qq --allow-downgrades {' '.join(packages)} >/dev/null",
            timeout_s=500,
        )
        self.wait(self.serves)
        gap_s = self._watched()
        for request, longest_s in gap_s.items():
            seen = f"{longest_s:.1f} s"
            self.promise(f"{what}: REST's gap, {request}", longest_s <= MOST_GAP_S, seen)
        code = self.system.sh(_CREATE).split()
        self.promise(f"{what}: a connector is made and deleted", code == ["201", "204"], code)

    def _watch(self) -> None:
        """Begin to measure how long REST does not answer."""
        (self.system.root / "root/watch.py").write_text(_WATCH)
        self.system.sh(
            "rm -f /root/done /root/worst; systemd-run -q --collect python3 /root/watch.py"
        )
        time.sleep(0.5)

    def _watched(self) -> dict[str, float]:
        """Give the longest time that was measured, in s, by what was asked for."""
        self.system.sh("touch /root/done; while [ ! -s /root/worst ]; do sleep 0.1; done")
        measured: dict[str, float] = json.loads((self.system.root / "root/worst").read_text())
        return measured

    def reboot(self) -> None:
        """Everything is back by itself."""
        self.system.power_off()
        self.system.boot()
        took_s = self.wait(self.serves, 90)
        self.promise("healthy after a reboot", took_s < 90, f"{took_s:.1f} s")
        for flow in self.flows:
            flow.start()
        self.check_flows("the reboot")

    def stay_down(self) -> None:
        """A configuration that will not do: 78, and nobody tries again."""
        file = "/etc/ingest-appliance/worker.properties"
        self.system.sh(f"cp {file} /root/kept; echo appliance.worker=2 >>{file}")
        self.system.run("systemctl", "restart", "ingest-appliance", check=False)
        time.sleep(5)
        seen = f"{self.show('ActiveState')}, {self.show('ExecMainStatus')}"
        self.promise("a wrong configuration stays down", seen == "failed, 78", seen)
        self.system.sh(f"cat /root/kept >{file}; systemctl restart ingest-appliance")
        self.promise("and is mended by an edit", self.wait(self.serves) < 60)

    def hide_secret(self) -> None:
        """The secret is nowhere but in its file."""
        places = {
            "the journal": "journalctl --no-pager",
            "command lines": "cat /proc/[0-9]*/cmdline",
            "environments": "cat /proc/[0-9]*/environ",
            "topics": "cat $(find /var/lib/ingest-appliance-kafka -name '*.log')",
            "the state folder": f"cat $(find {STATE} -type f)",
        }
        # the patterns come from a file: on a command line they would find themselves
        pattern = "/root/secrets"
        self.system.sh(
            f"(cat /etc/ingest-appliance/secrets/canary; echo; grep -o '[^\"]*\";$' {LOGIN} "
            f"| tr -d '\";') >{pattern}"
        )
        for place, command in places.items():
            found = self.system.sh(f"{command} 2>/dev/null | grep -acf {pattern}", check=False)
            self.promise(f"the secret is not in {place}", found.strip() == "0", found.strip())
        shown = json.dumps(self.get("/connectors?expand=info&expand=status"))
        self.promise("the secret is not in answers", _CANARY not in shown)
        self.system.sh("touch /root/before; pkill -ABRT -x ingest-task; sleep 2")
        self.system.run("kill", "-ABRT", self.show("MainPID"))
        self.wait(self.serves)
        found = self.system.sh(
            "find / \\( -path /proc -o -path /sys -o -path /run/credentials \\) -prune "
            "-o -type f -newer /root/before -print0 "
            f"| xargs -0 grep -alf {pattern}",
            check=False,
        )
        self.promise(
            "the secret is not in what a crash leaves", found.strip() == "", found.strip()
        )

    def remove_and_purge(self) -> None:
        """Remove keeps what is a person's; purge takes all of ours and nothing else."""
        run = self.system.sh
        for flow in self.flows:
            flow.stop()
        run("apt-get remove -y -qq ingest-appliance ingest-appliance-kafka")
        kept = ("/etc/ingest-appliance/connectors.d/rows-in.properties", f"{STATE}/in.txt")
        there = all((self.system.root / path.lstrip("/")).exists() for path in kept)
        self.promise("remove keeps configuration and data", there)
        run("apt-get purge -y -qq ingest-appliance ingest-appliance-kafka")
        after = paths(self.system)
        left, gone = sorted(after - self._before), sorted(self._before - after)
        self.promise("purge leaves nothing of ours", left == [], " ".join(left[:5]))
        self.promise("and takes nothing else", gone == [], " ".join(gone[:5]))


def _has_begun(flow: Flow) -> bool:
    return len(flow.seen()) > 50
