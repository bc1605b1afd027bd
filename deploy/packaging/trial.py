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
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.packaging.build import DIST, MOST_BYTES
from deploy.packaging.flows import STATE, Flow, Lines, Rows
from deploy.packaging.repository import PUBLIC_KEY, REPOSITORY_FOLDER
from deploy.packaging.systems import System
from deploy.parts.folder import PartError

UPGRADES = 5
MOST_GAP_S = 10.0
MOST_EXPOSURE = 1.5
MOST_IDLE_MB = 160
MOST_INSTALL_S = 15.0
MOST_START_S = 1.5
MOST_RETURN_S = 5.0
_STARTS = 3
_CANARY = "canary-3f1c9d2e"
_UNIT = "/usr/lib/systemd/system/ingest-appliance.service"
_GET = "import sys,urllib.request as u; print(u.urlopen(sys.argv[1],timeout=3).read().decode())"

_WATCH = """\
import os, time, urllib.request
last, worst = time.monotonic(), 0.0
end = last + 600
while time.monotonic() < end and not os.path.exists("/root/done"):
    try:
        urllib.request.urlopen("http://127.0.0.1:8083/", timeout=2).read()
        now = time.monotonic()
        worst, last = max(worst, now - last), now
    except OSError:
        pass
    time.sleep(0.02)
open("/root/worst", "w").write(str(worst))
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
        for step in (
            trial.install,
            trial.serve,
            trial.harden,
            trial.move_data,
            trial.examine,
            trial.survive_kill,
            trial.survive_stop_signal,
            trial.refuse_second,
            trial.upgrade_and_downgrade,
            trial.reboot,
            trial.stay_down,
            trial.hide_secret,
            trial.remove_and_purge,
        ):
            step()
    print(f"{release}: {trial.kept} passed, {trial.broken} failed")
    return int(trial.broken > 0)


class _Trial:
    """One release's trial; every step leaves the service running."""

    def __init__(self, system: System, release: str) -> None:
        self._system = system
        self._release = release
        self._flows: tuple[Flow, ...] = (Lines(system), Rows(system, "canary"))
        self._twice: Counter[str] = Counter()
        self.kept = 0
        self.broken = 0

    def _promise(self, text: str, kept: bool, seen: object = "") -> None:
        self.kept += kept
        self.broken += not kept
        print(
            f"{'kept  ' if kept else 'BROKEN'} {text}{f' ({seen})' if seen != '' else ''}",
            flush=True,
        )

    # looking

    def _get(self, path: str) -> Any:
        url = f"http://127.0.0.1:8083{path}"
        return json.loads(self._system.run("python3", "-c", _GET, url))

    def _serves(self) -> bool:
        try:
            return bool(self._get("/health")["status"] == "healthy")
        except (PartError, ValueError):
            return False

    def _wait(self, condition: Callable[[], bool], timeout_s: float = 60) -> float:
        """Give the seconds until the condition holds, `timeout_s` when it never does."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            try:
                if condition():
                    return time.monotonic() - began
            except (PartError, ValueError, LookupError):
                pass
            time.sleep(0.1)
        return timeout_s

    def _show(self, name: str) -> str:
        return self._system.run("systemctl", "show", "-P", name, "ingest-appliance").strip()

    # steps

    def install(self) -> None:
        """From the signed repository; Debian's own dependencies are put there before."""
        run = self._system.sh
        run(
            "apt-get update -qq && apt-get install -y -qq --no-install-recommends default-jre-headless"
        )
        shutil.copytree(REPOSITORY_FOLDER, self._system.root / "srv/apt")
        run(f"install -D -m 644 /srv/apt/{PUBLIC_KEY} /etc/apt/keyrings/ingest-appliance.asc")
        source = "deb [signed-by=/etc/apt/keyrings/ingest-appliance.asc] file:/srv/apt"
        run(f"echo '{source} {self._release} main' >/etc/apt/sources.list.d/ingest-appliance.list")
        run("apt-get update -qq")
        began = time.monotonic()
        used = run(
            "apt-get install -y -qq ingest-appliance ingest-appliance-kafka >/dev/null; times",
            timeout_s=500,
        )
        took_s = time.monotonic() - began
        seen = f"{took_s:.1f} s, CPU {' '.join(used.split()[-2:])}"
        self._promise(
            "installed from the signed repository by apt", took_s <= MOST_INSTALL_S, seen
        )
        size = max((DIST / self._release).glob("ingest-appliance_*.deb")).stat().st_size
        self._promise("the package's size", size <= MOST_BYTES, f"{size / 1e6:.1f} MB")
        for command in ("ingest-appliance --version", "ingest-tui --help"):
            self._promise(f"`{command}` runs", bool(run(command)))

    def serve(self) -> None:
        """The service runs on the packaged broker, with no word of configuration."""
        self._wait(self._serves, 90)
        self._promise(
            "active and healthy", self._show("ActiveState") == "active" and self._serves()
        )
        script = self._system.root / "root/start.py"
        script.write_text(_START)
        starts = []
        for _ in range(_STARTS):
            self._system.run("systemctl", "stop", "ingest-appliance")
            starts.append(float(self._system.run("python3", "/root/start.py")))
        seen = ", ".join(f"{took_s:.2f} s" for took_s in starts)
        self._promise("healthy after `systemctl start`", min(starts) <= MOST_START_S, seen)
        self._promise(
            "systemd is told", "serving" in self._show("StatusText"), self._show("StatusText")
        )
        rollups = "/sys/fs/cgroup/system.slice/ingest-appliance.service/cgroup.procs"
        told = self._system.sh(f"for p in $(cat {rollups}); do cat /proc/$p/smaps_rollup; done")
        kibibytes = sum(int(size) for size in re.findall(r"(?m)^Pss:\s+(\d+) kB", told))
        memory = kibibytes * 1024 / 1e6
        self._promise("memory at idle", 0 < memory <= MOST_IDLE_MB, f"{memory:.0f} MB")

    def harden(self) -> None:
        """What the process can still do."""
        for unit in ("ingest-appliance", "ingest-appliance-kafka"):
            told = self._system.run("systemd-analyze", "security", unit, check=False)
            found = re.search(r"exposure level[^:]*: ([\d.]+)", told)
            exposure = float(found[1]) if found else 10.0
            self._promise(f"exposure of {unit}", exposure <= MOST_EXPOSURE, exposure)
        status = self._system.sh(f"cat /proc/{self._show('MainPID')}/status")
        bare = re.search(r"CapEff:\s+0+\n", status) and re.search(r"NoNewPrivs:\s+1", status)
        filtered = re.search(r"Seccomp:\s+2\n", status)
        self._promise("no capability, no new privileges, a filter", bool(bare and filtered))
        able = self._probe()
        self._promise(
            "what is forbidden fails",
            able["done"] == [],
            ", ".join(able["done"]) or able["tried"],
        )
        self._promise("what is needed works", able["lacks"] == [], ", ".join(able["lacks"]))

    def _probe(self) -> dict[str, Any]:
        """Give what a process can do that is started just as the daemon is."""
        root = self._system.root
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
        self._system.sh("cat >/etc/systemd/system/probe.service <<'END'\n" + unit + "\nEND")
        run = self._system.sh
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
        self._system.run("systemctl", "restart", "ingest-appliance")
        for flow in self._flows:
            flow.prepare()
            flow.start()
            flow.write_connectors()
        self._wait(self._serves)
        self._system.run("systemctl", "reload", "ingest-appliance")
        for flow in self._flows:
            took_s = self._wait(functools.partial(_has_begun, flow))
            self._promise(f"{flow.name} move after a reload", took_s < 60, f"{took_s:.1f} s")
        journal = self._system.sh(
            "journalctl -u ingest-appliance CONNECTOR=rows-in TASK=0 -o cat", check=False
        )
        self._promise("the journal knows connector and task", bool(journal.strip()))

    def examine(self) -> None:
        """The product's own doctor finds nothing to mend."""
        told = self._system.sh(
            "ingest-appliance doctor /etc/ingest-appliance/connectors.d/*; echo code $?",
            check=False,
        )
        worst = [
            line for line in told.splitlines() if line.startswith(("FAIL", "ERROR", "problem"))
        ]
        self._promise("the doctor finds no problem", "code 1" not in told, "; ".join(worst))

    def survive_kill(self) -> None:
        """SIGKILL of the main process."""
        old = self._show("MainPID")
        self._watch()
        self._system.run("kill", "-9", old)
        self._wait(lambda: self._show("MainPID") not in (old, "0") and self._serves())
        gap_s = self._watched()
        self._promise("serves again after SIGKILL", 0 < gap_s <= MOST_RETURN_S, f"{gap_s:.1f} s")

    def survive_stop_signal(self) -> None:
        """A main process that makes no progress is replaced by the watchdog."""
        old = self._show("MainPID")
        self._system.run("kill", "-STOP", old)
        took_s = self._wait(
            lambda: self._show("MainPID") not in (old, "0") and self._serves(), 120
        )
        self._promise("the watchdog replaces a stopped process", took_s < 120, f"{took_s:.1f} s")

    def refuse_second(self) -> None:
        """A second daemon on this host leaves the first one alone."""
        pid = self._show("MainPID")
        told = self._system.sh(
            "runuser -u ingest -- timeout 30 ingest-appliance run 2>&1; echo code $?", check=False
        )
        refused = "code 78" in told and pid == self._show("MainPID")
        self._promise("a second instance is refused", refused, told.strip().splitlines()[-1])

    def upgrade_and_downgrade(self) -> None:
        """To the next version and back, again and again, under load."""
        self._check_flows("kills", twice_allowed=True)
        next_one = self._repack("99.0")
        this_one = self._package()
        for turn in range(UPGRADES):
            gap_s = self._replace(next_one)
            self._promise(
                f"upgrade {turn + 1}: the gap of REST", gap_s <= MOST_GAP_S, f"{gap_s:.1f} s"
            )
            found = self._system.sh(f"cat /proc/{self._show('MainPID')}/cmdline | tr '\\0' ' '")
            self._promise("the new version runs", "/99.0/" in found)
            gap_s = self._replace(this_one)
            self._promise(f"downgrade {turn + 1}", gap_s <= MOST_GAP_S, f"{gap_s:.1f} s")
        self._check_flows("upgrades")

    def _package(self) -> str:
        found = max((DIST / self._release).glob("ingest-appliance_*.deb"))
        shutil.copy(found, self._system.root / "root")
        return f"/root/{found.name}"

    def _repack(self, version: str) -> str:
        """Give the same package under another version, with the folder of that version."""
        package = self._package()
        home = "usr/lib/ingest-appliance"
        self._system.sh(
            f"set -e; rm -rf /root/next; dpkg-deb -R {package} /root/next; cd /root/next; "
            f"old=$(ls {home}); mv {home}/$old {home}/{version}; "
            f"grep -rlI /$old/ {home}/{version}/bin DEBIAN | xargs sed -i s,/$old/,/{version}/,g; "
            f"for c in ingest-appliance ingest-tui; do "
            f"ln -sfn ../lib/ingest-appliance/{version}/bin/$c usr/bin/$c; done; "
            f"sed -i 's/^Version: .*/Version: {version}/' DEBIAN/control; "
            "cd /root; dpkg-deb -Znone -b next next.deb; rm -rf next",
            timeout_s=500,
        )
        return "/root/next.deb"

    def _replace(self, package: str) -> float:
        """Install a package; give the longest time in which REST did not answer."""
        self._watch()
        self._system.sh(f"dpkg -i {package}", timeout_s=500)
        self._wait(self._serves)
        return self._watched()

    def _watch(self) -> None:
        """Begin to measure how long REST does not answer."""
        (self._system.root / "root/watch.py").write_text(_WATCH)
        self._system.sh(
            "rm -f /root/done /root/worst; systemd-run -q --collect python3 /root/watch.py"
        )
        time.sleep(0.5)

    def _watched(self) -> float:
        """Give the longest time that was measured."""
        self._system.sh("touch /root/done; while [ ! -s /root/worst ]; do sleep 0.1; done")
        return float((self._system.root / "root/worst").read_text())

    def _check_flows(self, after: str, *, twice_allowed: bool = False) -> None:
        """Stop the loads, let them drain, and compare; then go on."""
        for flow in self._flows:
            flow.stop()
        for flow in self._flows:
            wanted = flow.wanted()
            took_s = self._wait(functools.partial(_has_all, flow, set(wanted)))
            counts = Counter(flow.seen())
            missing = len(set(wanted) - set(counts))
            twice = sum(count - 1 for count in counts.values()) - self._twice[flow.name]
            self._twice[flow.name] += twice
            seen = f"{len(wanted)} {flow.name}, {took_s:.1f} s"
            self._promise(f"no {flow.name} are lost by {after}", missing == 0, seen)
            self._promise(
                f"{flow.name} that came twice by {after}", twice == 0 or twice_allowed, twice
            )
            flow.start()

    def reboot(self) -> None:
        """Everything is back by itself."""
        self._system.power_off()
        self._system.boot()
        took_s = self._wait(self._serves, 90)
        self._promise("healthy after a reboot", took_s < 90, f"{took_s:.1f} s")
        for flow in self._flows:
            flow.start()
        self._check_flows("the reboot")

    def stay_down(self) -> None:
        """A configuration that will not do: 78, and nobody tries again."""
        file = "/etc/ingest-appliance/worker.properties"
        self._system.sh(f"cp {file} /root/kept; echo appliance.worker=2 >>{file}")
        self._system.run("systemctl", "restart", "ingest-appliance", check=False)
        time.sleep(5)
        seen = f"{self._show('ActiveState')}, {self._show('ExecMainStatus')}"
        self._promise("a wrong configuration stays down", seen == "failed, 78", seen)
        self._system.sh(f"cat /root/kept >{file}; systemctl restart ingest-appliance")
        self._promise("and is mended by an edit", self._wait(self._serves) < 60)

    def hide_secret(self) -> None:
        """The secret is nowhere but in its file."""
        places = {
            "the journal": "journalctl --no-pager",
            "command lines": "cat /proc/[0-9]*/cmdline",
            "environments": "cat /proc/[0-9]*/environ",
            "topics": "cat $(find /var/lib/ingest-appliance-kafka -name '*.log')",
            "the state folder": f"cat $(find {STATE} -type f)",
        }
        # the pattern comes from the secret's file: on a command line it would find itself
        pattern = "/etc/ingest-appliance/secrets/canary"
        for place, command in places.items():
            found = self._system.sh(f"{command} 2>/dev/null | grep -acf {pattern}", check=False)
            self._promise(f"the secret is not in {place}", found.strip() == "0", found.strip())
        shown = json.dumps(self._get("/connectors?expand=info&expand=status"))
        self._promise("the secret is not in answers", _CANARY not in shown)

    def remove_and_purge(self) -> None:
        """Remove keeps what is a person's; purge takes all of ours and nothing else."""
        run = self._system.sh
        for flow in self._flows:
            flow.stop()
        run("echo mine >/etc/other.conf")
        run("apt-get remove -y -qq ingest-appliance ingest-appliance-kafka")
        kept = ("/etc/ingest-appliance/connectors.d/rows-in.properties", f"{STATE}/in.txt")
        there = all((self._system.root / path.lstrip("/")).exists() for path in kept)
        self._promise("remove keeps configuration and data", there)
        run("apt-get purge -y -qq ingest-appliance ingest-appliance-kafka")
        left = run(
            "find / -xdev -name '*ingest-appliance*' -not -path '/proc/*' -not -path '/srv/*' "
            "-not -path '/root/*' -not -path '/etc/apt/*' -not -path '/var/lib/apt/*' "
            "-not -path '/sys/*' -not -path '/run/*'"
        ).split()
        self._promise("purge leaves nothing of ours", left == [], " ".join(left[:5]))
        self._promise("and takes nothing else", bool(run("cat /etc/other.conf /etc/hosts")))


def _has_begun(flow: Flow) -> bool:
    return len(flow.seen()) > 50


def _has_all(flow: Flow, wanted: set[str]) -> bool:
    return wanted <= set(flow.seen())
