"""References in values are resolved as Kafka's config providers do."""

from __future__ import annotations

import re

import pytest

from appliance.config.providers import Providers
from appliance.config.worker import WorkerConfig
from appliance.errors import ConfigError
from tests.unit.config.test_worker import DISTRIBUTED

PACKAGE = "org.apache.kafka.common.config.provider."


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "db.properties").write_text("user=ana\npassword=p=1\n")
    (tmp_path / "in" / "token").write_text("t0k\n")
    (tmp_path / "out.properties").write_text("user=eva\n")
    return tmp_path


@pytest.fixture
def providers(folder, monkeypatch):
    monkeypatch.setenv("DB_HOST", "db1")
    monkeypatch.setenv("SECRET", "no")
    return Providers.from_config(
        {
            "config.providers": "file, dir,env",
            "config.providers.file.class": f"{PACKAGE}FileConfigProvider",
            "config.providers.file.param.allowed.paths": str(folder / "in"),
            "config.providers.dir.class": "DirectoryConfigProvider",
            "config.providers.env.class": f"{PACKAGE}EnvVarConfigProvider",
            "config.providers.env.param.allowlist.pattern": "DB_.*",
        }
    )


def test_references_are_replaced_when_their_provider_knows_them(providers, folder):
    """Several references in one value are all replaced; a file's last newline stays."""
    config = {
        "url": f"${{env:DB_HOST}}/${{file:{folder}/in/db.properties:user}}",
        "token": f"${{dir:{folder}/in:token}}",
        "plain": "x",
    }

    assert providers.resolve(config) == {"url": "db1/ana", "token": "t0k\n", "plain": "x"}


def test_reference_stays_when_it_is_unknown_or_not_allowed(providers, folder):
    """Unknown providers, keys, variables and forbidden paths leave the text as it stands."""
    config = {
        "a": "${vault:x:y}",
        "b": f"${{file:{folder}/in/db.properties:none}}",
        "c": "${env:SECRET}",
        "d": f"${{file:{folder}/out.properties:user}}",
        "e": f"${{file:{folder}/in/../out.properties:user}}",
    }

    assert config == providers.resolve(config)


def test_unreadable_file_is_an_error_when_it_is_allowed(providers, folder):
    """A file that cannot be read is an error, not an unresolved reference."""
    with pytest.raises(ConfigError, match="Could not read properties from file"):
        providers.resolve({"a": f"${{file:{folder}/in/none.properties:x}}"})


def test_worker_stops_when_a_provider_class_is_unknown():
    """A provider that there is not is named at start."""
    with pytest.raises(ConfigError, match="Class Vault could not be found"):
        Providers.from_config({"config.providers": "v", "config.providers.v.class": "Vault"})


def test_values_hold_for_the_shortest_ttl_of_the_providers_they_name(folder):
    """A configuration holds as long as its shortest-lived reference; without one for ever."""
    providers = Providers.from_config(
        {
            "config.providers": "file,dir,env",
            "config.providers.file.class": "FileConfigProvider",
            "config.providers.file.param.ttl.ms": "60000",
            "config.providers.dir.class": "DirectoryConfigProvider",
            "config.providers.dir.param.ttl.ms": "1500",
            "config.providers.env.class": "EnvVarConfigProvider",
        }
    )

    assert providers.ttl_s({"a": "${file:/x:y} ${dir:/x:y}", "b": "c"}) == 1.5
    assert providers.ttl_s({"a": "${file:/x:y}", "b": "${env:HOME}"}) == 60
    assert providers.ttl_s({"a": "${env:HOME}"}) is None
    assert providers.shortest_ttl_s == 1.5


@pytest.mark.parametrize("text", ["0", "-1", "soon", ""])
def test_ttl_is_refused_when_it_is_no_number_of_milliseconds(text):
    """A ttl that cannot be meant is a fault of the worker's configuration."""
    worker = {
        "config.providers": "env",
        "config.providers.env.class": "EnvVarConfigProvider",
        "config.providers.env.param.ttl.ms": text,
    }

    with pytest.raises(ConfigError, match="milliseconds above 0"):
        Providers.from_config(worker)


@pytest.mark.parametrize(
    ("provider", "limit", "given"),
    [
        ("FileConfigProvider", "allowed.paths", "/"),
        (f"{PACKAGE}DirectoryConfigProvider", "allowed.paths", "/"),
        ("EnvVarConfigProvider", "allowlist.pattern", "DB_.*"),
    ],
)
def test_provider_needs_a_limit_when_run(provider, limit, given):
    """`run` refuses one that reads anything, by the option to set; a user's own files are Connect's."""
    texts = {"config.providers": "mine", "config.providers.mine.class": provider}
    option = f"config.providers.mine.param.{limit}"
    for missing in (texts, {**texts, option: " "}):
        with pytest.raises(ConfigError, match=re.escape(f"may read anything: set {option} to ")):
            WorkerConfig.of(missing, "run")
    assert WorkerConfig.of({**texts, option: given}, "run").originals[option] == given
    WorkerConfig.of({**DISTRIBUTED, **texts}, "distributed")
