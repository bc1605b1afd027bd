"""A client of Confluent's schema registry REST API, for use inside a task process.

Semantics: Confluent CachedSchemaRegistryClient and RestService. Synchronous; a connection lives for one
request, so that nothing has to survive a fork and answers come from the caches on the hot path. Several
URLs are tried in turn. Raises RegistryError (what the registry answered), RetriableError (time-outs and
errors of the server after the last try), ConfigError (for link-local addresses too). Not thread-safe: each
converter has its own.
"""

from __future__ import annotations

import base64
import dataclasses
import http.client
import json
import random
import ssl
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from appliance.config.addresses import refuse_link_local
from appliance.errors import ConfigError, ConnectError, DataError, RetriableError
from appliance.schemaregistry.bounded import Bounded

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
AVRO: Final = "AVRO"
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_DEEPEST_REFERENCES: Final = 100
_REGISTRY: Final = "the schema registry"
_NOT_FOUND: Final = 404
_REMEDIES: Final[Mapping[int, str]] = {
    401: "correct basic.auth.user.info, or bearer.auth.token",
    403: "let this user read and write the subject in the registry",
    404: "check that schema.registry.url ends where the registry's API begins",
    409: "change the schema compatibly, or lower the subject's compatibility (PUT /config/<subject>)",
    40401: "register the subject's schema, or set auto.register.schemas=true",
    40402: "register that version, or set use.latest.version=true",
    40403: "check that schema.registry.url is the registry that the schema was registered in",
    42205: "the subject is read-only: PUT /mode/<subject> with READWRITE",
}
"""What helps, by error code or else by HTTP status."""


class RegistryError(ConnectError):
    """The registry refused a request; `code` is its error_code, `status` the HTTP status."""

    java_class = "io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException"

    def __init__(self, message: str, status: int, code: int) -> None:
        """Keep the codes beside the message."""
        # a 404 with a code of its own says that something else is missing than the API
        remedy = _REMEDIES.get(code) or (_REMEDIES.get(status) if status != _NOT_FOUND else None)
        text = f"{message}; error code: {code}"
        super().__init__(f"{text}; {remedy}" if remedy else text)
        self.status = status
        self.code = code


@dataclasses.dataclass(frozen=True, slots=True)
class SchemaText:
    """A schema as the registry keeps it; `references` are name, subject and version of others.

    `extras` is the JSON text of its metadata and rules, empty without any. `guid` is the id that it has in
    every registry, None where the registry did not tell it.
    """

    text: str
    kind: str = AVRO
    references: tuple[tuple[str, str, int], ...] = ()
    extras: str = ""
    guid: str | None = dataclasses.field(default=None, compare=False)

    def body(self) -> dict[str, Any]:
        """Give the members of a request that stand for the schema."""
        body: dict[str, Any] = {"schema": self.text}
        if self.kind != AVRO:
            body["schemaType"] = self.kind
        if self.references:
            body["references"] = [
                {"name": name, "subject": subject, "version": version}
                for name, subject, version in self.references
            ]
        if self.extras:
            body |= json.loads(self.extras)
        return body

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> SchemaText:
        """Read the members of an answer that stand for a schema."""
        references = tuple(
            (str(r["name"]), str(r["subject"]), int(r["version"]))
            for r in answer.get("references") or ()
        )
        extras = {name: answer[name] for name in ("metadata", "ruleSet") if answer.get(name)}
        return cls(
            answer["schema"],
            answer.get("schemaType") or AVRO,
            references,
            json.dumps(extras, sort_keys=True) if extras else "",
            answer.get("guid"),
        )


class SchemaId(NamedTuple):
    """What a registry calls a schema: its own number, and the GUID of all registries (None: not told)."""

    number: int
    guid: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class ClientOptions:
    """How the registry is reached; times in milliseconds, `headers` complete with credentials.

    `proxy` is host and port; `most_schemas` and `most_latest` bound what is remembered.
    """

    urls: tuple[str, ...]
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    url_credentials: bool = True
    tls: ssl.SSLContext | None = None
    max_retries: int = 3
    retry_wait_ms: int = 1000
    retry_max_wait_ms: int = 20000
    connect_timeout_ms: int = 60000
    timeout_ms: int = 60000
    latest_ttl_s: int = -1
    most_schemas: int = 1000
    most_latest: int = 1000
    proxy: tuple[str, int] | None = None


class RegistryClient:
    """Registers and finds schemas, each asked for once."""

    def __init__(
        self,
        options: ClientOptions,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reach the registry as `options` say."""
        if not options.urls:
            raise ConfigError("schema.registry.url names no registry: give at least one URL")
        for url in options.urls:
            host = urllib.parse.urlsplit(url).hostname or ""
            refuse_link_local(_REGISTRY, host, host)
        self._options = options
        self._sleep = sleep
        self._monotonic = monotonic
        self._current = 0
        most = options.most_schemas
        self._ids: Bounded[tuple[str, SchemaText, bool, bool], SchemaId] = Bounded(most)
        self._schemas: Bounded[int | str, SchemaText] = Bounded(most)
        self._versions: Bounded[tuple[str, SchemaText], int] = Bounded(most)
        self._latest: Bounded[str, tuple[float, int, SchemaText]] = Bounded(options.most_latest)

    def register(self, subject: str, schema: SchemaText, *, normalize: bool = False) -> SchemaId:
        """Give the id of `schema` under `subject`, registering it if it is new."""
        return self._id_of("/versions", subject, schema, normalize)

    def lookup(self, subject: str, schema: SchemaText, *, normalize: bool = False) -> SchemaId:
        """Give the id of a schema that must be registered under `subject`."""
        return self._id_of("", subject, schema, normalize)

    def _id_of(self, tail: str, subject: str, schema: SchemaText, normalize: bool) -> SchemaId:
        key = (subject, schema, normalize, bool(tail))
        known = self._ids.get(key)
        if known is None:
            path = f"/subjects/{_quoted(subject)}{tail}" + ("?normalize=true" if normalize else "")
            answer = self.request("POST", path, schema.body())
            known = self._ids[key] = SchemaId(int(answer["id"]), answer.get("guid"))
        return known

    def version(self, subject: str, schema: SchemaText) -> int:
        """Give the version of `schema` under `subject`, soft-deleted ones included."""
        key = (subject, schema)
        known = self._versions.get(key)
        if known is None:
            path = f"/subjects/{_quoted(subject)}?deleted=true"
            known = int(self.request("POST", path, schema.body())["version"])
            self._versions[key] = known
        return known

    def by_id(self, schema_id: int, subject: str | None = None) -> SchemaText:
        """Give the schema with an id; `subject` says where it is expected."""
        known = self._schemas.get(schema_id)
        if known is None:
            tail = f"&subject={_quoted(subject)}" if subject else ""
            path = f"/schemas/ids/{schema_id}?fetchMaxId=false{tail}"
            known = self._schemas[schema_id] = SchemaText.of(self.request("GET", path))
        return known

    def by_guid(self, guid: str) -> SchemaText:
        """Give the schema with a GUID."""
        known = self._schemas.get(guid)
        if known is None:
            answer = self.request("GET", f"/schemas/guids/{_quoted(guid)}")
            known = self._schemas[guid] = SchemaText.of(answer)
        return known

    def known(self, reference: int | str) -> SchemaText:
        """Give the schema that an id, or a GUID, stands for."""
        return self.by_id(reference) if isinstance(reference, int) else self.by_guid(reference)

    def by_version(self, subject: str, version: int) -> SchemaText:
        """Give one version of a subject, soft-deleted ones included."""
        path = f"/subjects/{_quoted(subject)}/versions/{version}?deleted=true"
        return SchemaText.of(self.request("GET", path))

    def latest(self, subject: str) -> tuple[int, SchemaText]:
        """Give id and schema of the newest version of a subject."""
        return self._newest(f"/subjects/{_quoted(subject)}/versions/latest")

    def latest_with(self, subject: str, metadata: Mapping[str, str]) -> tuple[int, SchemaText]:
        """Give id and schema of a subject's newest version, deleted or not, that has these properties."""
        pairs = [
            pair for item in metadata.items() for pair in zip(("key", "value"), item, strict=True)
        ]
        query = urllib.parse.urlencode([*pairs, ("deleted", "true")])
        return self._newest(f"/subjects/{_quoted(subject)}/metadata?{query}")

    def _newest(self, path: str) -> tuple[int, SchemaText]:
        now, ttl = self._monotonic(), self._options.latest_ttl_s
        known = self._latest.get(path)
        if known is None or (ttl >= 0 and now - known[0] > ttl):
            answer = self.request("GET", path)
            known = self._latest[path] = (now, int(answer["id"]), SchemaText.of(answer))
        return known[1:]

    def resolved(self, schema: SchemaText) -> list[tuple[str, SchemaText]]:
        """Give the schemas that `schema` refers to, by name, each after those it needs itself.

        Raises DataError when they refer to each other in a circle or too deeply.
        """
        found: dict[str, SchemaText] = {}
        self._resolve(schema, found, ())
        return list(found.items())

    def _resolve(
        self, schema: SchemaText, found: dict[str, SchemaText], above: tuple[tuple[str, int], ...]
    ) -> None:
        for name, subject, version in schema.references:
            within = (*above, (subject, version))
            if (subject, version) in above or len(within) > _DEEPEST_REFERENCES:
                way = " -> ".join(f"{one} version {number}" for one, number in within[-5:])
                why = "in a circle" if (subject, version) in above else "too deeply"
                raise DataError(f"Schemas of the registry refer to each other {why}: {way}")
            if name not in found:
                referred = self.by_version(subject, version)
                self._resolve(referred, found, within)
                found[name] = referred

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Give the parsed answer to one request, trying again as the options say."""
        options = self._options
        for attempt in range(options.max_retries + 1):
            if attempt:
                ceiling = min(
                    options.retry_max_wait_ms, options.retry_wait_ms * 2 ** (attempt - 1)
                )
                self._sleep(random.uniform(0, ceiling) / 1000)
            try:
                return self._ask_all(method, path, body)
            except RegistryError as error:
                if error.status not in _RETRIED:
                    raise
                last: Exception = error
            except (OSError, http.client.HTTPException) as error:
                last = error
        urls = ", ".join(_without_credentials(url) for url in options.urls)
        remedy = "check that it runs there and that schema.registry.url is right"
        if isinstance(last, ssl.SSLError):
            remedy = "check its certificate against schema.registry.ssl.truststore.location"
        raise RetriableError(
            f"Asking the schema registry at {urls} ({method} {path}): {last}; {remedy}"
        )

    def _ask_all(self, method: str, path: str, body: Any) -> Any:
        urls = self._options.urls
        for turn in range(len(urls)):
            number = (self._current + turn) % len(urls)
            try:
                answer = self._ask(urls[number], method, path, body)
            except (OSError, http.client.HTTPException):
                if turn == len(urls) - 1:
                    raise
                continue
            self._current = number
            return answer
        return None

    def _ask(self, url: str, method: str, path: str, body: Any) -> Any:
        parts = urllib.parse.urlsplit(url)
        headers = {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE, **self._options.headers}
        if self._options.url_credentials and parts.username is not None:
            pair = f"{parts.username}:{parts.password or ''}"
            headers["Authorization"] = basic(urllib.parse.unquote(pair))
        connection, target = self._connection(parts), parts.path.rstrip("/") + path
        if self._options.proxy is not None and parts.scheme != "https":
            target = f"http://{parts.netloc.rpartition('@')[2]}{target}"
        try:
            connection.connect()
            refuse_link_local(_REGISTRY, connection.host, connection.sock.getpeername()[0])
            connection.sock.settimeout(self._options.timeout_ms / 1000)
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, target, data, headers)
            answer = connection.getresponse()
            return _content(answer.status, answer.read())
        finally:
            connection.close()

    def _connection(self, parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
        """Give the way to one registry, or to the proxy before it; nothing is connected yet."""
        seconds, proxy = self._options.connect_timeout_ms / 1000, self._options.proxy
        host, port = proxy or (parts.hostname or "", parts.port)
        if parts.scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=seconds)
        context = self._options.tls or ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
        if proxy is not None:
            connection.set_tunnel(parts.hostname or "", parts.port)
        return connection


def _content(status: int, data: bytes) -> Any:
    try:
        content = json.loads(data) if data else None
    except ValueError:
        content = None
        if status < 300:
            raise RegistryError("The answer is not JSON", status, 50005) from None
    if status < 300:
        return content
    if isinstance(content, dict) and "error_code" in content:
        raise RegistryError(str(content.get("message")), status, int(content["error_code"]))
    raise RegistryError(f"HTTP status {status}", status, status)


def basic(pair: str) -> str:
    """Give the Authorization header of `user:password`."""
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _quoted(subject: str) -> str:
    return urllib.parse.quote(subject, safe="")


def _without_credentials(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
