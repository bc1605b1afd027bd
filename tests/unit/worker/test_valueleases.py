"""What stands on values of config providers is told when they have changed at the end of their term."""

from __future__ import annotations

import pytest

from appliance.config.providers import Providers
from appliance.worker.valueleases import ValueLeases


class Clock:
    """A clock that is set by hand."""

    now_s = 100.0

    def monotonic_s(self):
        return self.now_s


@pytest.fixture
def secrets(tmp_path):
    file = tmp_path / "db.properties"
    file.write_text("password=old\n")
    return file


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def take(secrets, clock):
    """Give a function that takes a lease for connector `c` and gives the leases."""
    providers = Providers.from_config(
        {
            "config.providers": "file",
            "config.providers.file.class": "FileConfigProvider",
            "config.providers.file.param.ttl.ms": "5000",
        }
    )
    leases = ValueLeases(providers, clock)

    def take_lease(**more):
        raw = {"password": f"${{file:{secrets}:password}}", **more}
        leases.take("c", raw, providers.resolve(raw))
        return leases

    return take_lease


def test_change_is_told_when_the_term_is_over(take, secrets, clock):
    """Before its end a changed value is not looked at, after it the connector is named."""
    leases = take()
    secrets.write_text("password=new\n")

    clock.now_s += 4.9
    assert leases.expired(["c"]) == []
    clock.now_s += 0.1
    assert leases.expired(["c"]) == ["c"]


@pytest.mark.parametrize("text", ["password=old\nother=1\n", None])
def test_term_begins_again_when_the_value_is_the_same_or_cannot_be_read(
    take, secrets, clock, text
):
    """Nothing is restarted for a value that has not changed, nor for a file that is away."""
    leases = take()
    if text is None:
        secrets.unlink()
    else:
        secrets.write_text(text)

    clock.now_s += 5
    assert leases.expired(["c"]) == []
    secrets.write_text("password=new\n")
    assert leases.expired(["c"]) == []
    clock.now_s += 5
    assert leases.expired(["c"]) == ["c"]


def test_nothing_is_told_when_the_connector_forbids_the_restart(take, secrets, clock):
    """`config.action.reload=none` keeps a connector as it started."""
    leases = take(**{"config.action.reload": "none"})
    secrets.write_text("password=new\n")

    clock.now_s += 5
    assert leases.expired(["c"]) == []


def test_lease_ends_when_its_connector_does(take, secrets, clock):
    """What no longer runs here is not told."""
    leases = take()
    secrets.write_text("password=new\n")

    clock.now_s += 5
    assert leases.expired([]) == []
    assert leases.expired(["c"]) == []
