"""The command line refuses what will not do before anything is started."""

from __future__ import annotations

import io
import itertools
import socket
import subprocess
import sys

import pytest

import appliance
from appliance import cli
from appliance.config.listeners import Listener
from appliance.config.providers import Providers
from appliance.errors import ConnectError
from appliance.rest.users import Principal, Role, UsersFile
from appliance.sockets import bind, port_of, port_owner


def daemon_file(folder, options):
    """Write a worker file for a daemon of its own; nothing is there at its broker's address."""
    given = {
        "bootstrap.servers": "127.0.0.1:1",
        "group.id": "g",
        "listeners": "http://127.0.0.1:0",
        "config.storage.topic": "c",
        "offset.storage.topic": "o",
        "status.storage.topic": "s",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.storage.file.filename": str(folder / "offsets"),
        "appliance.runtime.dir": str(folder / "run"),
        "appliance.state.dir": str(folder / "state"),
        "appliance.registry.listeners": "",
        **options,
    }
    path = folder / "worker.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in given.items()))
    return path


def run_appliance(*arguments):
    """Run the command to its end."""
    command = [sys.executable, "-m", "appliance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_version_is_told_when_asked_for(capsys):
    """`--version` prints the product's own version."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == appliance.__version__


def test_command_ends_quietly_when_its_reader_goes_away():
    """As `head` does: no words, and the code of a process that a closed pipe ended."""
    command = [sys.executable, "-m", "appliance", "completion", "bash"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        told = running.stderr.read()
    assert (running.returncode, told) == (141, b"")


def test_backup_says_in_a_sentence_that_its_folder_is_missing(tmp_path, capsys):
    """Before the broker is asked."""
    worker = tmp_path / "worker.properties"
    worker.write_text("bootstrap.servers=127.0.0.1:1\n")
    path = tmp_path / "none" / "file"
    assert cli.main(["backup", "--worker", str(worker), str(path)]) == 1
    told = capsys.readouterr().err
    assert told == f"ingest-appliance: Writing {path}: No such file or directory.\n"


def test_usage_error_ends_with_connects_code(capsys):
    """No command, an unknown one, or a missing file argument: 1."""
    for arguments in ([], ["fly"], ["distributed"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 1
    assert "usage:" in capsys.readouterr().err


def test_usage_error_of_a_verb_ends_with_its_code(capsys):
    """What a script asks wrongly is told from what is not so: 2."""
    for arguments in (["get", "nonsense"], ["pause", "--bad"], ["config", "fly"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "code"), [("run", 78), ("distributed", 2), ("standalone", 2)])
def test_file_and_finding_are_told_when_a_worker_file_will_not_do(command, code, tmp_path, capsys):
    """A missing file and a wrong option each give one sentence and the mode's exit code."""
    assert cli.main([command, str(tmp_path / "none.properties")]) == code
    assert "none.properties: No such file" in capsys.readouterr().err

    path = tmp_path / "bad.properties"
    path.write_text("listeners=nope\n")
    assert cli.main([command, str(path)]) == code
    assert "Listener doesn't have the right format" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", ["listeners", "admin.listeners", "appliance.registry.listeners"]
)
def test_owner_is_named_when_a_port_is_in_use(option):
    """The sentence says who holds the port and which option to change."""
    with bind(Listener("http", "127.0.0.1", 0)) as held:
        port = port_of(held)
        assert port_owner(port) is not None
        text = rf"in use by .* \(pid \d+\)\. Stop that process or .* port in {option}\."
        with pytest.raises(ConnectError, match=text):
            bind(Listener("http", "127.0.0.1", port), option)


@pytest.mark.parametrize(
    ("mode", "option", "code"),
    [
        ("run", "admin.listeners", 78),
        ("distributed", "listeners", 2),
        ("distributed", "admin.listeners", 2),
        ("standalone", "listeners", 2),
    ],
)
def test_daemon_ends_with_one_line_when_a_port_is_in_use(mode, option, code, tmp_path):
    """In every mode, with the option that names the port."""
    with bind(Listener("http", "127.0.0.1", 0)) as held:
        port = port_of(held)
        worker = daemon_file(tmp_path, {option: f"http://127.0.0.1:{port}"})
        found = run_appliance(mode, str(worker))
    (line,) = [line for line in found.stderr.splitlines() if "ERROR" in line]
    assert found.returncode == code
    assert "Traceback" not in found.stderr
    assert f"Listening on 127.0.0.1:{port}: the port is in use by" in line
    assert f"choose another port in {option}." in line


def test_registry_alone_is_not_served_when_its_port_is_in_use(tmp_path):
    """The line says what to change; the daemon goes on to the next thing, which is to serve REST."""
    option = "appliance.registry.listeners"
    with bind(Listener("http", "127.0.0.1", 0)) as held:
        taken = f"http://127.0.0.1:{port_of(held)}"
        worker = daemon_file(tmp_path, {option: taken})
        command = [sys.executable, "-m", "appliance", "run", str(worker)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:
            assert daemon.stderr is not None
            lines = list(
                itertools.takewhile(lambda line: "REST is served" not in line, daemon.stderr)
            )
            daemon.terminate()
            daemon.communicate()
    (line,) = [line for line in lines if "registry" in line]
    assert "the port is in use by" in line
    assert f"choose another port in {option}." in line
    assert daemon.returncode == 0


def test_all_interfaces_are_served_when_no_host_is_given():
    """An empty host listens on IPv4 and IPv6."""
    with bind(Listener("http", "", 0)) as sock:
        socket.create_connection(("127.0.0.1", port_of(sock))).close()


def test_credentials_are_a_provider_when_systemd_hands_them_over(tmp_path, monkeypatch):
    """A secret of the unit is named as ${dir:...} without a word in the worker file."""
    (tmp_path / "secrets_orders").write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = tmp_path / "worker.properties"
    file.write_text("")
    config = cli._load(file, "run")
    resolved = Providers.from_config(config.originals).resolve(
        {"database.password": f"${{dir:{tmp_path}:secrets_orders}}"}
    )
    assert resolved == {"database.password": "s3cret"}
    file.write_text("config.providers=\n")
    assert cli._load(file, "run").originals["config.providers"] == ""


def test_credentials_stay_a_provider_when_a_file_names_its_own(tmp_path, monkeypatch):
    """The user's providers stand beside the packaged one; an alias `dir` of the user's is the user's."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file, paths = tmp_path / "worker.properties", "config.providers.dir.param.allowed.paths"
    env = "config.providers.env.class=EnvVarConfigProvider\n"
    env += "config.providers.env.param.allowlist.pattern=DB_.*\n"
    file.write_text(f"config.providers=env\n{env}")
    loaded = cli._load(file, "run").originals
    assert (loaded["config.providers"], loaded[paths]) == ("env,dir", str(tmp_path))
    own = "config.providers.dir.class=DirectoryConfigProvider\n"
    file.write_text(f"config.providers=dir\n{own}{paths}=/etc\n")
    loaded = cli._load(file, "run").originals
    assert (loaded["config.providers"], loaded[paths]) == ("dir", "/etc")


def test_line_of_a_user_lets_that_user_in(tmp_path, monkeypatch, capsys):
    """What the command prints is what the daemon reads; the token is shown apart from it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\n"))
    assert cli.main(["user", "ada", "--role", "administer"]) == 0
    first = capsys.readouterr()
    assert cli.main(["user", "grafana", "--token"]) == 0
    second = capsys.readouterr()
    file = tmp_path / "users"
    file.write_text(first.out + second.out)
    users = UsersFile(file)

    assert users.of_password("ada", "s3cret") == Principal("ada", Role.ADMINISTER)
    assert users.of_token(second.err.split()[-1]) == Principal("grafana", Role.VIEW)
    assert "s3cret" not in first.out + first.err
    assert cli.main(["user", "a b"]) == 1


def test_daemon_refuses_to_serve_openly_when_run(tmp_path):
    """A listener that others reach ends with 78 and what is missing."""
    file = tmp_path / "worker.properties"
    file.write_text("listeners=http://0.0.0.0:0\nappliance.registry.listeners=\n")
    command = [sys.executable, "-m", "appliance", "run", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 78
    assert "without TLS" in done.stderr
    assert "appliance.rest.open=true" in done.stderr
