"""jdbc: URLs and what becomes of them."""

from __future__ import annotations

import pytest

from appliance.connectors.jdbc.url import parse_url
from appliance.errors import ConfigError


def test_database_and_login_are_found_when_the_url_is_mysqls() -> None:
    """Host, port, database and the parameters of Connector/J are understood."""
    target = parse_url(
        "jdbc:mysql://db1:3307,db2/shop?useSSL=false&zeroDateTimeBehavior=CONVERT_TO_NULL&user=u&password=p&odd=1",
        None,
        None,
    )
    assert target.hosts == (("db1", 3307), ("db2", 3306))
    assert (target.url.database, target.url.username, target.url.password) == ("shop", "u", "p")
    assert target.options == {"zerodatetimebehavior": "CONVERT_TO_NULL"}
    assert target.unknown == ("odd",)


def test_options_win_when_the_url_has_a_login_too() -> None:
    """connection.user and connection.password beat credentials in the URL."""
    target = parse_url("jdbc:mariadb://a:b@h/d", "user", "secret")
    assert (target.url.username, target.url.password) == ("user", "secret")


def test_password_is_hidden_when_the_target_is_shown() -> None:
    """No message shows a password that stood in the URL."""
    assert "secret" not in parse_url("jdbc:postgresql://u:secret@h/d", None, None).shown


@pytest.mark.parametrize(
    "url", ["", "jdbc:", "jdbc:oracle:thin:@h:1521:X", "jdbc:mysql:h/d?password=secret"]
)
def test_one_clear_error_is_given_when_a_url_is_of_no_use(url: str) -> None:
    """A wrong URL is a ConfigError that repeats no password."""
    with pytest.raises(ConfigError) as caught:
        parse_url(url, None, None)
    assert "Not a valid JDBC URL" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("jdbc:sqlite:rel.db", "rel.db"),
        ("jdbc:sqlite:/abs.db", "/abs.db"),
        ("jdbc:sqlite::memory:", None),
    ],
)
def test_file_is_found_when_the_url_is_sqlites(url: str, database: str | None) -> None:
    """Relative, absolute and memory databases are told apart."""
    assert parse_url(url, None, None).url.database == database
