"""The built-in schema registry's REST API: Confluent's paths, codes and texts.

An application of its own beside Connect's. The registry's topic is opened with the first request, so that
a registry nobody uses costs nothing. Event loop: reads from memory are answered on it, changes and schemas
on other threads.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from appliance.errors import ConnectError
from appliance.journal.journal import Journal
from appliance.rest.access import Access, forbidden, is_loopback
from appliance.rest.errors import FrameworkError, RestError
from appliance.rest.limits import limited, read_limited
from appliance.rest.routing import Route, Table
from appliance.rest.trust import WHO
from appliance.rest.users import Principal, Role
from appliance.schemaregistry.client import MEDIA_TYPE
from appliance.schemaregistry.server.faults import (
    RegistryFault,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from appliance.schemaregistry.server.registry import (
    Registry,
    Version,
    normal_subject,
    version_number,
)
from appliance.schemaregistry.server.schematypes import TYPES
from appliance.schemaregistry.server.service import RegistryService

_LOG = logging.getLogger(__name__)
# As Confluent's, where a body without a type is one of the last: clients send the first.
_ACCEPTED: Final = (
    MEDIA_TYPE,
    "application/vnd.schemaregistry+json",
    "application/json",
    "application/octet-stream",
)
Members = Mapping[str, str]


def _answer(value: Any, status: int = 200) -> Response:
    response = Response(msgspec.json.encode(value), status)
    response.headers["content-type"] = MEDIA_TYPE
    return response


def _fault(code: int, message: str, status: int) -> Response:
    return _answer({"error_code": code, "message": message}, status)


def _place(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _flag(request: Request, name: str, *, default: bool = False) -> bool:
    return request.query_params.get(name, str(default)).lower() == "true"


def _page(request: Request, found: list[Any]) -> list[Any]:
    """Give the part of a list that `offset` and `limit` ask for."""
    try:
        offset = max(0, int(request.query_params.get("offset", "0")))
        limit = int(request.query_params.get("limit", "-1"))
    except ValueError as error:
        raise RegistryFault(42202, "offset and limit are whole numbers") from error
    return found[offset:] if limit < 0 else found[offset : offset + limit]


class RegistryApp:
    """Answers every request (ASGI)."""

    def __init__(
        self,
        open_service: Callable[[], RegistryService],
        access: Access | None = None,
        journal: Journal | None = None,
    ) -> None:
        """Take the function that opens the registry; it may block and raise ConnectError.

        `access` knows who may call, and None lets everybody in; `journal` keeps what was changed.
        """
        self._open = open_service
        self._access = access
        self._journal = journal
        self._opened: RegistryService | None = None
        self._opening = threading.Lock()
        self._table = Table(self._routes())

    def _routes(self) -> list[Route]:
        subject, version = "/subjects/{subject}", "/subjects/{subject}/versions/{version}"
        compatibility = "/compatibility/subjects/{subject}/versions"
        found = [
            Route("GET", "/", self._root),
            Route("GET", "/contexts", self._contexts),
            Route("GET", "/v1/metadata/id", self._metadata_id),
            Route("GET", "/v1/metadata/version", self._metadata_version),
            Route("GET", "/schemas", self._schemas),
            Route("GET", "/schemas/types", self._types),
            Route("GET", "/schemas/ids/{id}", self._by_id),
            Route("GET", "/schemas/ids/{id}/schema", self._by_id_text),
            Route("GET", "/schemas/ids/{id}/subjects", self._by_id_subjects),
            Route("GET", "/schemas/ids/{id}/versions", self._by_id_versions),
            Route("GET", "/schemas/guids/{guid}", self._by_guid),
            Route("GET", "/schemas/guids/{guid}/ids", self._by_guid_ids),
            Route("GET", "/subjects", self._subjects),
            Route("POST", subject, self._lookup, role=Role.VIEW),
            Route("DELETE", subject, self._delete_subject),
            Route("GET", f"{subject}/metadata", self._latest_with),
            Route("GET", f"{subject}/versions", self._versions),
            Route("POST", f"{subject}/versions", self._register, role=Role.OPERATE),
            Route("GET", version, self._version),
            Route("DELETE", version, self._delete_version),
            Route("GET", f"{version}/schema", self._version_text),
            Route("GET", f"{version}/referencedby", self._referenced_by),
            Route("POST", compatibility, self._compatibility, role=Role.VIEW),
            Route("POST", f"{compatibility}/{{version}}", self._compatibility, role=Role.VIEW),
        ]
        for path in ("/config", "/config/{subject}"):
            found += [
                Route("GET", path, self._level),
                Route("PUT", path, self._set_level),
                Route("DELETE", path, self._clear_level),
            ]
        for path in ("/mode", "/mode/{subject}"):
            found += [
                Route("GET", path, self._mode),
                Route("PUT", path, self._set_mode),
                Route("DELETE", path, self._clear_mode),
            ]
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request (ASGI)."""
        if scope["type"] != "http":
            return
        request = Request(scope, limited(receive))
        response = await self._answered(request)
        if request.method == "HEAD":
            response = Response(b"", response.status_code, dict(response.headers))
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        try:
            raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
            routes, members = self._table.find(raw_path.decode("latin-1"))
            route = routes.get("GET" if request.method == "HEAD" else request.method)
            if route is None:
                raise FrameworkError(405)
            refusal = await self._refusal(request, route)
            if refusal is None and route.needs > Role.VIEW:
                return await self._audited(request, route, members)
            return refusal or await route.handler(request, members)
        except RegistryFault as fault:
            return _fault(fault.code, str(fault), fault.status)
        except (FrameworkError, RestError) as error:
            return _fault(error.status, str(error), error.status)
        except ConnectError as error:
            return _fault(50001, f"Error in the backend data store - {error}", 500)
        except Exception:  # noqa: BLE001 - every request gets an answer
            _LOG.exception("A request to the schema registry failed unexpectedly.")
            return _fault(50001, "Error in the backend data store", 500)

    # Access to the registry.

    async def _refusal(self, request: Request, route: Route) -> Response | None:
        """Give the answer to somebody who may not do this.

        Converters on this machine are not asked: they have no names. A page in a browser here is refused.
        """
        if self._access is None:
            return None
        if is_loopback(_place(request)):
            return self._access.page_refusal(request)
        caller = await self._access.caller(request)
        if isinstance(caller, Response):
            return caller
        request.scope[WHO] = caller
        return forbidden(caller, route.needs) if caller.role < route.needs else None

    async def _audited(self, request: Request, route: Route, members: Members) -> Response:
        """Make a change, and tell the log of it; the journal too unless a schema is registered.

        Converters register theirs at every start, mostly what is there already.
        """
        status, place = 500, _place(request)
        try:
            response = await route.handler(request, members)
            status = response.status_code
        except (RegistryFault, FrameworkError, RestError) as error:
            status = error.status
            raise
        finally:
            who: Principal | None = request.scope.get(WHO)
            by = place if who is None or who.name is None else who.name
            _LOG.info(
                "A change of the schema registry was asked for. by=%s from=%s method=%s path=%s status=%s",
                by,
                place,
                request.method,
                request.scope.get("raw_path", b"").decode("latin-1"),
                status,
            )
            if self._journal is not None and status < 400 and request.method != "POST":
                self._journal.audit(request.method, request.url.path, status, by, place)
        return response

    async def _service(self) -> RegistryService:
        opened = self._opened
        return opened if opened is not None else await asyncio.to_thread(self._open_once)

    def _open_once(self) -> RegistryService:
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    async def _ask(self, question: Callable[[Registry], Any]) -> Any:
        return (await self._service()).ask(question)

    async def _do(self, call: Callable[[RegistryService], Any]) -> Any:
        service = await self._service()
        return await asyncio.to_thread(call, service)

    @staticmethod
    async def _body(request: Request) -> dict[str, Any]:
        media = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if media and media not in _ACCEPTED:
            raise FrameworkError(415)
        data = await read_limited(request)
        try:
            body = msgspec.json.decode(data or b"{}")
        except msgspec.DecodeError as error:
            raise RestError(400, f"The body is no JSON: {error}") from error
        if not isinstance(body, dict):
            raise RestError(400, "The body is no JSON object")
        return body

    # Subjects and versions.

    async def _root(self, _request: Request, _members: Members) -> Response:
        return _answer({})

    async def _subjects(self, request: Request, _members: Members) -> Response:
        prefix = request.query_params.get("subjectPrefix", "")
        only, also = _flag(request, "deletedOnly"), _flag(request, "deleted")

        def find(registry: Registry) -> list[str]:
            return [
                name
                for name in sorted(registry.subjects)
                if name.startswith(prefix)
                and (
                    (not only and registry.live(name))
                    or ((only or also) and not registry.live(name))
                )
            ]

        return _answer(_page(request, await self._ask(find)))

    async def _versions(self, request: Request, members: Members) -> Response:
        subject = normal_subject(members["subject"])
        only, also = _flag(request, "deletedOnly"), _flag(request, "deleted")

        def find(registry: Registry) -> list[int]:
            found = registry.all_of(subject) if only or also else registry.live(subject)
            if not found:
                raise subject_not_found(subject)
            return [version.number for version in found if version.deleted or not only]

        return _answer(_page(request, await self._ask(find)))

    async def _found(self, request: Request, members: Members) -> Version:
        subject = normal_subject(members["subject"])
        number, deleted = version_number(members["version"]), _flag(request, "deleted")
        found: Version = await self._ask(lambda r: r.version(subject, number, deleted=deleted))
        return found

    async def _version(self, request: Request, members: Members) -> Response:
        return _answer((await self._found(request, members)).answer())

    async def _version_text(self, request: Request, members: Members) -> Response:
        text = (await self._found(request, members)).definition.text
        return Response(text.encode(), headers={"content-type": MEDIA_TYPE})

    async def _referenced_by(self, request: Request, members: Members) -> Response:
        found = await self._found(request, members)
        ids = await self._ask(
            lambda r: sorted({v.schema_id for v in r.referring(found.subject, found.number)})
        )
        return _answer(ids)

    async def _latest_with(self, request: Request, members: Members) -> Response:
        subject, query = normal_subject(members["subject"]), request.query_params
        properties = dict(zip(query.getlist("key"), query.getlist("value"), strict=False))
        deleted = _flag(request, "deleted")
        found: Version = await self._ask(
            lambda r: r.latest_with(subject, properties, deleted=deleted)
        )
        return _answer(found.answer())

    async def _register(self, request: Request, members: Members) -> Response:
        subject, body = normal_subject(members["subject"]), await self._body(request)
        normalize = _flag(request, "normalize")
        version: Version = await self._do(lambda s: s.register(subject, body, normalize=normalize))
        return _answer(
            {
                "id": version.schema_id,
                "version": version.number,
                "guid": version.definition.guid,
                **version.definition.members(),
            }
        )

    async def _lookup(self, request: Request, members: Members) -> Response:
        subject, body = normal_subject(members["subject"]), await self._body(request)
        deleted, normalize = _flag(request, "deleted"), _flag(request, "normalize")
        version: Version = await self._do(
            lambda s: s.lookup(subject, body, deleted=deleted, normalize=normalize)
        )
        return _answer(version.answer())

    async def _delete_subject(self, request: Request, members: Members) -> Response:
        subject, permanent = normal_subject(members["subject"]), _flag(request, "permanent")
        return _answer(await self._do(lambda s: s.delete_subject(subject, permanent=permanent)))

    async def _delete_version(self, request: Request, members: Members) -> Response:
        subject, number = normal_subject(members["subject"]), version_number(members["version"])
        permanent = _flag(request, "permanent")
        return _answer(
            await self._do(lambda s: s.delete_version(subject, number, permanent=permanent))
        )

    # Schemas.

    @staticmethod
    def _id(members: Members) -> int:
        try:
            return int(members["id"])
        except ValueError as error:
            raise RestError(404, "HTTP 404 Not Found") from error

    async def _types(self, _request: Request, _members: Members) -> Response:
        return _answer(list(TYPES))

    async def _contexts(self, _request: Request, _members: Members) -> Response:
        return _answer(await self._ask(lambda r: r.contexts()))

    async def _schemas(self, request: Request, _members: Members) -> Response:
        prefix = request.query_params.get("subjectPrefix", "")
        latest, deleted = _flag(request, "latestOnly"), _flag(request, "deleted")

        def find(registry: Registry) -> list[dict[str, Any]]:
            found: list[Version] = []
            for name in sorted(registry.subjects):
                if name.startswith(prefix):
                    versions = registry.all_of(name) if deleted else registry.live(name)
                    found += versions[-1:] if latest else versions
            return [version.answer() for version in found]

        return _answer(_page(request, await self._ask(find)))

    async def _by_id(self, request: Request, members: Members) -> Response:
        schema_id, subject = self._id(members), request.query_params.get("subject")
        definition = await self._ask(lambda r: r.by_id(schema_id, subject))
        answer = {"guid": definition.guid, **definition.members()}
        if _flag(request, "fetchMaxId"):
            answer["maxId"] = await self._ask(lambda r: r.highest_id())
        return _answer(answer)

    async def _by_id_text(self, request: Request, members: Members) -> Response:
        schema_id, subject = self._id(members), request.query_params.get("subject")
        definition = await self._ask(lambda r: r.by_id(schema_id, subject))
        return Response(definition.text.encode(), headers={"content-type": MEDIA_TYPE})

    async def _by_guid(self, _request: Request, members: Members) -> Response:
        definition, _ = await self._ask(lambda r: r.by_guid(members["guid"]))
        return _answer({"guid": definition.guid, **definition.members()})

    async def _by_guid_ids(self, _request: Request, members: Members) -> Response:
        try:
            _, found = await self._ask(lambda r: r.by_guid(members["guid"]))
        except RegistryFault:
            found = []
        return _answer([{"context": context, "id": schema_id} for context, schema_id in found])

    async def _with_id(self, request: Request, members: Members) -> list[Version]:
        schema_id, deleted = self._id(members), _flag(request, "deleted")

        def find(registry: Registry) -> list[Version]:
            found = [
                version
                for name in sorted(registry.subjects)
                for version in registry.all_of(name)
                if version.schema_id == schema_id and (deleted or not version.deleted)
            ]
            if not found:
                raise schema_not_found(schema_id)
            return found

        versions: list[Version] = await self._ask(find)
        return versions

    async def _by_id_subjects(self, request: Request, members: Members) -> Response:
        found = await self._with_id(request, members)
        return _answer(sorted({version.subject for version in found}))

    async def _by_id_versions(self, request: Request, members: Members) -> Response:
        found = await self._with_id(request, members)
        return _answer([{"subject": v.subject, "version": v.number} for v in found])

    # Compatibility, levels, modes.

    async def _compatibility(self, request: Request, members: Members) -> Response:
        subject, body = normal_subject(members["subject"]), await self._body(request)
        number = version_number(members["version"]) if "version" in members else None
        verbose, normalize = _flag(request, "verbose"), _flag(request, "normalize")
        try:
            found = await self._do(
                lambda s: s.compatibility(subject, number, body, normalize=normalize)
            )
        except RegistryFault as fault:
            if fault.code == subject_not_found(subject).code:
                raise version_not_found(members.get("version", "latest")) from fault
            if not verbose or fault.code != 42201:
                raise
            found = [str(fault)]
        answer: dict[str, Any] = {"is_compatible": not found}
        return _answer({**answer, "messages": found} if verbose else answer)

    async def _level(self, request: Request, members: Members) -> Response:
        return _answer(
            {"compatibilityLevel": await self._setting(request, members, "compatibility")}
        )

    async def _mode(self, request: Request, members: Members) -> Response:
        return _answer({"mode": await self._setting(request, members, "mode")})

    async def _setting(self, request: Request, members: Members, what: str) -> str:
        subject = self._subject(members)
        inherited = subject is None or _flag(request, "defaultToGlobal")

        def find(registry: Registry) -> str:
            table = registry.levels if what == "compatibility" else registry.modes
            if subject in table:
                return table[subject]
            if not inherited:
                code = 40408 if what == "compatibility" else 40409
                raise RegistryFault(
                    code, f"Subject '{subject}' does not have subject-level {what} configured"
                )
            found = registry.level if what == "compatibility" else registry.mode
            return found(subject or "")

        setting: str = await self._ask(find)
        return setting

    @staticmethod
    def _subject(members: Members) -> str | None:
        return normal_subject(members["subject"]) if "subject" in members else None

    async def _set_level(self, request: Request, members: Members) -> Response:
        subject, body = self._subject(members), await self._body(request)
        level = body.get("compatibility")
        await self._do(lambda s: s.set_level(subject, str(level)))
        return _answer({"compatibility": str(level).upper()})

    async def _set_mode(self, request: Request, members: Members) -> Response:
        subject, body, force = (
            self._subject(members),
            await self._body(request),
            _flag(request, "force"),
        )
        mode = str(body.get("mode"))
        await self._do(lambda s: s.set_mode(subject, mode, force=force))
        return _answer({"mode": mode.upper()})

    async def _clear_level(self, _request: Request, members: Members) -> Response:
        subject = self._subject(members)
        was = await self._do(lambda s: s.clear_setting("CONFIG", subject, "BACKWARD"))
        return _answer({"compatibilityLevel": was})

    async def _clear_mode(self, _request: Request, members: Members) -> Response:
        subject = self._subject(members)
        was = await self._do(lambda s: s.clear_setting("MODE", subject, "READWRITE"))
        return _answer({"mode": was})

    # About the registry.

    async def _metadata_id(self, _request: Request, _members: Members) -> Response:
        return _answer({"scope": {"path": [], "clusters": {}}})

    async def _metadata_version(self, _request: Request, _members: Members) -> Response:
        return _answer({"version": "8.0.0", "commitId": "unknown"})
