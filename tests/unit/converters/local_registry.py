"""A registry client whose requests are answered by the built-in registry, in memory."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from appliance.rest.registry import RegistryApp
from appliance.schemaregistry.client import ClientOptions, RegistryClient, RegistryError
from appliance.schemaregistry.server.service import RegistryService
from tests.unit.schemaregistry.server.fakes import MemoryLog, Topic


class LocalRegistry(RegistryClient):
    """Asks a registry of its own, or that of another client; `asked` are the paths of its requests."""

    def __init__(
        self, other: LocalRegistry | None = None, options: ClientOptions | None = None
    ) -> None:
        super().__init__(options or ClientOptions(("http://registry",)))
        self.asked: list[str] = []
        self.topic: Topic = other.topic if other is not None else Topic()
        log = MemoryLog(self.topic)

        def opened() -> RegistryService:
            service = RegistryService(log)
            log.read_to_end(1)
            return service

        self.http: TestClient = (
            other.http if other is not None else TestClient(RegistryApp(opened))
        )

    def request(self, method: str, path: str, body: Any = None) -> Any:
        self.asked.append(path)
        answer = self.http.request(method, path, json=body)
        content = answer.json()
        if answer.status_code >= 300:
            raise RegistryError(content["message"], answer.status_code, content["error_code"])
        return content


def configured(kind: Any, *, is_key: bool = False, other: Any = None, **options: Any) -> Any:
    """Give a converter with a registry of its own or of `other`; options with `_` for `.`."""
    converter = kind()
    config = {name.replace("_", "."): value for name, value in options.items()}
    converter.configure({"schema.registry.url": "http://registry", **config}, is_key=is_key)
    shared = None if other is None else other._client
    converter._client = LocalRegistry(shared, converter._client._options)
    return converter
