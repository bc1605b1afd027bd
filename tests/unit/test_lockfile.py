"""One daemon a folder, and what a killed one leaves for the next."""

from __future__ import annotations

import os

import pytest

from appliance.errors import ConfigError, ConnectError
from appliance.lockfile import DaemonLock
from tests.fulldisk import largest_file, refused


def test_second_daemon_is_refused_with_the_first_ones_pid_when_both_have_one_folder(tmp_path):
    """Who starts the daemon twice reads which process to stop."""
    path = tmp_path / "run" / "daemon.lock"
    first = DaemonLock(path)
    assert first.acquire() == []
    with pytest.raises(ConfigError, match=rf"Another daemon \(pid {os.getpid()}\) already runs"):
        DaemonLock(path).acquire()


def test_noted_members_are_found_when_the_holder_died(tmp_path):
    """The next daemon takes the former one's members out of the group, the last ones noted alone."""
    path = tmp_path / "daemon.lock"
    pid = os.fork()
    if pid == 0:
        killed = DaemonLock(path)
        killed.acquire()
        killed.note(["a-long-first-member", "second"])
        killed.note(["third", "", "fourth"])
        os._exit(0)
    os.waitpid(pid, 0)
    assert DaemonLock(path).acquire() == ["third", "fourth"]


def test_folder_is_named_when_the_lock_file_cannot_be_made(tmp_path):
    """A folder that cannot be written is an error of the configuration."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"Correct appliance\.runtime\.dir"):
        DaemonLock(tmp_path / "file" / "daemon.lock").acquire()


def test_start_says_what_to_do_when_the_disk_of_its_folder_is_full(tmp_path, monkeypatch):
    """One sentence, and no fault of the configuration: systemd starts the daemon again until there is room."""
    text = r"Writing the lock file .*: No space left on device\. To go on, free some space .*runtime\.dir"
    with refused(monkeypatch, "pwrite"), pytest.raises(ConnectError, match=text) as raised:
        DaemonLock(tmp_path / "daemon.lock").acquire()
    assert not isinstance(raised.value, ConfigError)
    assert DaemonLock(tmp_path / "daemon.lock").acquire() == []


def test_daemon_runs_on_when_its_members_cannot_be_noted(tmp_path, caplog):
    """Told once; noted as soon as there is room."""
    path = tmp_path / "daemon.lock"
    lock = DaemonLock(path)
    lock.acquire()
    with largest_file(4):
        lock.note(["member"])
        lock.note(["member", "other"])
    assert caplog.text.count("are not noted") == 1
    lock.note(["member", "other"])
    assert path.read_text().split()[1:] == ["member", "other"]
