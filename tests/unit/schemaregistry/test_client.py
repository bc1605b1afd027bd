"""The registry client: retries, several URLs, caches, errors."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from appliance.errors import ConfigError, DataError, RetriableError
from appliance.schemaregistry.client import (
    ClientOptions,
    RegistryClient,
    RegistryError,
    SchemaText,
)


class Scripted(RegistryClient):
    """A client whose single requests are answered from a script of answers and errors."""

    def __init__(
        self, script: list[Any], urls: tuple[str, ...] = ("http://a",), **options: Any
    ) -> None:
        """Answer in the order of `script`."""
        self.slept: list[float] = []
        super().__init__(ClientOptions(urls, **options), sleep=self.slept.append)
        self._script = script
        self.asked: list[tuple[str, str]] = []

    def _ask(self, url: str, method: str, path: str, body: Any) -> Any:
        self.asked.append((url, path))
        answer = self._script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_second_url_answers_when_first_is_down() -> None:
    """The next URL is tried at once and kept."""
    client = Scripted([OSError("refused"), {"id": 4}, {"id": 5}], ("http://a", "http://b"))
    assert client.register("s", SchemaText('"int"')).number == 4
    assert client.register("s", SchemaText('"long"')).number == 5
    assert [url for url, _ in client.asked] == ["http://a", "http://b", "http://b"]
    assert client.slept == []


def test_request_is_retried_when_the_server_fails() -> None:
    """Status 503 is tried again after a wait within bounds."""
    client = Scripted([RegistryError("busy", 503, 50003), {"id": 1}])
    assert client.register("s", SchemaText('"int"')).number == 1
    assert len(client.slept) == 1
    assert 0 <= client.slept[0] <= 1


def test_error_is_retriable_without_credentials_when_tries_are_used_up() -> None:
    """After the last try the task may try later; a password in the URL is not printed."""
    client = Scripted([OSError("refused")] * 4, ("http://u:secret@a",))
    with pytest.raises(RetriableError, match="http://a ") as raised:
        client.latest("s")
    assert "secret" not in str(raised.value)


def test_refusal_is_not_retried_when_the_schema_is_bad() -> None:
    """A 409 comes back at once."""
    client = Scripted([RegistryError("incompatible", 409, 409)])
    with pytest.raises(RegistryError, match="incompatible"):
        client.register("s", SchemaText('"int"'))
    assert client.slept == []


@pytest.mark.parametrize(
    ("status", "code", "part"),
    [
        (401, 40101, "basic.auth.user.info"),
        (404, 404, "schema.registry.url"),
        (404, 40401, "auto.register.schemas=true"),
        (404, 40403, "schema.registry.url"),
        (409, 409, "PUT /config/<subject>"),
        (409, 40901, "PUT /config/<subject>"),
    ],
)
def test_refusal_says_what_to_do_when_there_is_a_remedy(status: int, code: int, part: str) -> None:
    """Code or status tell which option or request helps."""
    assert part in str(RegistryError("no", status, code)).partition(f"error code: {code}; ")[2]


@pytest.mark.parametrize(("status", "code"), [(404, 40408), (422, 42201)])
def test_refusal_says_no_more_than_the_registry_when_nothing_general_helps(
    status: int, code: int
) -> None:
    """A wrong remedy is worse than none."""
    assert str(RegistryError("no", status, code)) == f"no; error code: {code}"


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError("refused"), "schema.registry.url is right"),
        (ssl.SSLError("unknown CA"), "schema.registry.ssl.truststore.location"),
    ],
)
def test_option_is_named_when_the_registry_cannot_be_reached(error: OSError, part: str) -> None:
    """An address and a certificate have their own."""
    with pytest.raises(RetriableError) as raised:
        Scripted([error] * 4).latest("s")
    assert part in str(raised.value)


def test_answers_are_kept_when_asked_again() -> None:
    """One request per schema and id; subjects are quoted."""
    client = Scripted([{"id": 1}, {"schema": '"int"'}])
    for _ in range(2):
        assert client.register("a/b", SchemaText('"int"')).number == 1
        assert client.by_id(1) == SchemaText('"int"')
    assert [path for _, path in client.asked] == [
        "/subjects/a%2Fb/versions",
        "/schemas/ids/1?fetchMaxId=false",
    ]


def test_newest_schema_is_asked_for_again_when_others_came_after_it() -> None:
    """`latest.cache.size` bounds what is remembered."""
    script = [{"id": number, "schema": '"int"'} for number in range(3)]
    client = Scripted(script, most_latest=1)
    found = [client.latest("s"), client.latest("s"), client.latest_with("s", {"a": "1,=&"})]
    assert [number for number, _ in [*found, client.latest("s")]] == [0, 0, 1, 2]
    assert client.asked[1][1] == "/subjects/s/metadata?key=a&value=1%2C%3D%26&deleted=true"


def test_metadata_goes_with_a_schema_when_it_is_looked_up() -> None:
    """Two schemas with one text are told apart."""
    members = {"metadata": {"properties": {"a": "1"}}, "schema": '"int"', "guid": "g"}
    client = Scripted([members, {"id": 4, "guid": "g"}])
    schema = client.by_guid("g")
    assert schema.body() == {"metadata": members["metadata"], "schema": '"int"'}
    assert schema != SchemaText('"int"')
    assert client.lookup("s", schema) == (4, "g")


def test_references_come_in_order_of_need_when_resolved() -> None:
    """A referred schema stands after those it needs itself."""
    inner = {"schema": "{}", "references": [{"name": "C", "subject": "c", "version": 2}]}
    client = Scripted([inner, {"schema": "[]"}])
    found = client.resolved(SchemaText("x", references=(("B", "b", 1),)))
    assert [name for name, _ in found] == ["C", "B"]


def test_no_url_is_a_config_error_when_empty() -> None:
    """A registry must be named."""
    with pytest.raises(ConfigError, match=r"schema\.registry\.url"):
        RegistryClient(ClientOptions(()))


def _referring(*names: str) -> dict[str, Any]:
    """Give an answer whose schema refers to subjects of these names."""
    references = [{"name": name, "subject": name, "version": 1} for name in names]
    return {"schema": "x", "references": references}


@pytest.mark.parametrize(
    "script", [[_referring("a")], [_referring("b"), _referring("a")]], ids=["itself", "two"]
)
def test_references_in_a_circle_are_a_data_error(script: list[Any]) -> None:
    """The error names the way round; nothing is asked for ever."""
    client = Scripted(script)
    with pytest.raises(DataError, match=r"in a circle: a version 1 -> .*a version 1"):
        client.resolved(SchemaText("x", references=(("a", "a", 1),)))
    assert client._script == []


def test_references_without_an_end_are_a_data_error() -> None:
    """A chain that never closes is left after a hundred schemas."""
    client = Scripted([_referring(f"s{number}") for number in range(1, 200)])
    with pytest.raises(DataError, match="too deeply"):
        client.resolved(SchemaText("x", references=(("s0", "s0", 1),)))


def test_a_schema_that_two_others_need_is_no_circle() -> None:
    """It is asked for once."""
    client = Scripted([_referring("shared"), {"schema": "x"}, _referring("shared")])
    found = client.resolved(SchemaText("x", references=(("a", "a", 1), ("b", "b", 1))))
    assert [name for name, _ in found] == ["shared", "a", "b"]


@pytest.mark.parametrize("url", ["http://169.254.169.254", "http://u:s3cret@[fe80::1]:8081"])
def test_registry_is_refused_when_its_address_is_link_local(url: str) -> None:
    """Nothing is asked, and a password is not told."""
    with pytest.raises(ConfigError, match=r"schema registry at .* link-local") as raised:
        RegistryClient(ClientOptions(("http://a", url)))
    assert "s3cret" not in str(raised.value)
