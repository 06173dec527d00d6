"""The HTTP face: paths to verbs, answers with the server's statuses and headers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any

import yaml
from aiohttp import web

from . import names, patching, protobuf, schema, validation
from .access import Access, Attributes, User
from .discovery import Discovery
from .faults import Faults, drop
from .kinds import Catalog, Kind
from .log_requests import LogSource, serve_log
from .problems import Problem, bad_request
from .registry import Asked, Registry
from .store import Object, Store
from .watching import Lists, Watches

REQUEST_LIMIT = 3 * 1024 * 1024
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
DELETE_OPTIONS = ("gracePeriodSeconds", "propagationPolicy", "orphanDependents")


@dataclass
class Seen:
    """One request that reached the server."""

    method: str
    path: str
    user: str = ""
    """Empty where the server did not look who it was: faults, bad tokens."""
    verb: str = ""
    resource: str = ""
    """Full name with its part: `pods/log`, `jobs.batch`; "" for paths that are not resources."""
    namespace: str = ""
    name: str = ""
    status: int = 0
    """0 until it is answered; of a stream: until it ends."""
    query: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """What a path leads to."""

    kind: Kind
    namespace: str | None
    name: str
    subresource: str


class Rest:
    """All handlers of one server."""

    def __init__(self, store: Store, catalog: Catalog, access: Access, faults: Faults) -> None:
        self.store, self.catalog, self.access, self.faults = store, catalog, access, faults
        self.registry = Registry(store, catalog)
        self.lists, self.watches = Lists(store), Watches(store, faults)
        self.discovery = Discovery(catalog)
        self.logs: LogSource | None = None
        self.failures: list[Exception] = []
        """Bugs: what handlers raised and nobody expected."""
        self.seen: list[Seen] = []
        """Every request, in order of arrival."""

    def application(self) -> web.Application:
        """What an aiohttp server runs."""
        application = web.Application(client_max_size=REQUEST_LIMIT + 1)
        application.on_response_prepare.append(self._sign)
        application.router.add_route("*", "/{tail:.*}", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        met = list(self.faults.of(request))
        seen = Seen(request.method, request.path, verb=request.method.lower(), query=dict(request.query))
        self.seen.append(seen)
        answer = await self.faults.before(request, met)
        asked = Asked()
        if answer is None:
            try:
                answer = await self._answer(request, asked, seen)
            except Problem as problem:
                answer = _json(problem.status(), status=problem.code)
                if problem.retry_after_s is not None:
                    answer.headers["Retry-After"] = str(problem.retry_after_s)
            except web.HTTPRequestEntityTooLarge:
                limit = Problem(413, f"Request entity too large: limit is {REQUEST_LIMIT}")
                answer = _json(limit.status(), status=413)
            except ConnectionError:  # the client left
                raise
            except Exception as error:  # a bug here must fail the test that met it, not only its request
                self.failures.append(error)
                answer = _json(Problem(500, f"Internal error occurred: {error!r}").status(), status=500)
        seen.status = answer.status
        if not answer.prepared:
            for warning in dict.fromkeys(asked.warnings):
                text = warning.replace("\\", "\\\\").replace('"', '\\"')
                answer.headers.add("Warning", f'299 - "{text}"')
        if any(fault.kind == "lost_answer" for fault in met):
            drop(request)
        return answer

    async def _sign(self, request: web.Request, answer: web.StreamResponse) -> None:
        answer.headers["Date"] = format_datetime(self.store.now(), usegmt=True)
        answer.headers["Cache-Control"] = "no-cache, private"
        answer.headers["Audit-Id"] = str(uuid.uuid4())

    async def _answer(self, request: web.Request, asked: Asked, seen: Seen) -> web.StreamResponse:
        user = asked.user = self.access.user_of(request.headers.get("Authorization"))
        seen.user = user.name
        target = self._target(request.path)
        if target is None:
            self.access.check(Attributes(user, verb=request.method.lower(), path=request.path))
            return self._document(request.path)
        query = dict(request.query)
        kind = target.kind
        verb = self._verb(request, target, query)
        part = f"/{target.subresource}" if target.subresource else ""
        seen.verb, seen.resource = verb, kind.resource + part
        seen.namespace, seen.name = target.namespace or "", target.name
        # A namespace lies in itself: a Role in it can let somebody read it.
        where = target.name if kind.resource == names.NAMESPACES else target.namespace or ""
        self.access.check(Attributes(user, verb, kind.group, kind.plural, target.subresource, where, target.name))
        if kind.warning and verb in ("get", "list", "watch"):
            asked.warnings.append(kind.warning)
        return await self._served(request, target, verb, query, asked)

    async def _served(
        self, request: web.Request, target: Target, verb: str, query: dict[str, str], asked: Asked
    ) -> web.StreamResponse:
        kind, namespace = target.kind, target.namespace
        asked.namespace, asked.subresource = namespace or "", target.subresource
        asked.dry_run = _dry_run(query)
        asked.field_validation = query.get("fieldValidation") or "Warn"
        asked.manager = query.get("fieldManager") or request.headers.get("User-Agent", "unknown").split("/")[0]
        shown = self._shown(kind)
        if verb == "list":
            listed = self.lists.answer(kind, namespace, query)
            return web.Response(
                body=_encoded({**listed, "items": [shown(item) for item in listed["items"]]}),
                content_type="application/json",
            )
        if verb == "watch":
            if target.name:
                query["fieldSelector"] = f"metadata.name={target.name}"
            return await self.watches.serve(request, kind, namespace, query, shown)
        if target.subresource == "log":
            pod = self.store.get(kind.resource, namespace, target.name)
            return await serve_log(request, pod, query, self.logs, self.faults)
        if verb == "get":
            return _json(shown(self.store.get(kind.resource, namespace, target.name)))
        body = await self._body(request, verb)
        if verb == "create":
            return self._created(kind, target, body, asked, shown)
        if verb == "update":
            return _json(shown(self.registry.update(kind, body, target.name, asked)))
        if verb == "patch":
            how = request.content_type
            if how == patching.APPLY and not query.get("fieldManager"):
                raise bad_request("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: "
                                  "is required for apply patch")  # fmt: skip
            before = self.store.find(kind.resource, namespace, target.name)
            made = self.registry.patch(kind, target.name, how, body, asked)
            return _json(shown(made), status=200 if before else 201)
        options = {**{name: query[name] for name in DELETE_OPTIONS if name in query}, **(body or {})}
        if "gracePeriodSeconds" in options:
            options["gracePeriodSeconds"] = int(options["gracePeriodSeconds"])
        asked.dry_run |= "All" in (options.get("dryRun") or [])
        if verb == "deletecollection":
            return self._delete_all(target, query, options, asked)
        return self._deleted(kind, target, options, asked, shown)

    def _created(
        self, kind: Kind, target: Target, body: Any, asked: Asked, shown: Callable[[Object], Object]
    ) -> web.Response:
        if kind.group == "authorization.k8s.io":
            return _json(self._review(kind, body, asked.user), status=201)
        if target.subresource == "eviction":
            grace = (body.get("deleteOptions") or {}).get("gracePeriodSeconds")
            self.store.delete(names.PODS, target.namespace, target.name, grace_s=grace)
            return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)
        if target.name:
            raise Problem(405, "the server does not allow this method on the requested resource")
        return _json(shown(self.registry.create(kind, body, asked)), status=201)

    def _deleted(
        self, kind: Kind, target: Target, options: Object, asked: Asked, shown: Callable[[Object], Object]
    ) -> web.Response:
        gone = self.registry.delete(kind, target.name, options, asked)
        held = gone["metadata"].get("deletionTimestamp") is not None
        if held or kind.resource == names.PODS:
            return _json(shown(gone))
        details = {"name": target.name, "group": kind.group, "kind": kind.plural, "uid": gone["metadata"]["uid"]}
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return _json({**success, "details": {key: value for key, value in details.items() if value}})

    def _delete_all(self, target: Target, query: dict[str, str], options: Object, asked: Asked) -> web.Response:
        listed = self.lists.answer(target.kind, target.namespace, {**query, "limit": "", "resourceVersion": ""})
        for found in listed["items"]:
            asked.namespace = found["metadata"].get("namespace") or ""
            self.registry.delete(target.kind, found["metadata"]["name"], options, asked)
        return _json(listed)

    def _review(self, kind: Kind, body: Any, user: User) -> Object:
        found, _ = schema.check(body, kind)
        spec = found.get("spec") or {}
        if kind.plural == "selfsubjectaccessreviews":
            if bool(spec.get("resourceAttributes")) == bool(spec.get("nonResourceAttributes")):
                raise validation.refusal(
                    kind,
                    "",
                    [
                        "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or "
                        "resourceAttributes must be specified"
                    ],
                )
            return {**found, "status": self.access.review(user, spec)}
        if kind.plural == "selfsubjectrulesreviews":
            return {**found, "status": self.access.rules_review(user, spec.get("namespace", ""))}
        raise Problem(404, "the server could not find the requested resource")

    def _document(self, path: str) -> web.Response:
        if path.rstrip("/") in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        found = self.discovery.answer(path)
        if found is None:
            return web.Response(status=404, text="404 page not found\n")
        return web.Response(body=_encoded(found), content_type="application/json")

    def _target(self, path: str) -> Target | None:
        steps = path.strip("/").split("/")
        if steps[0] == "api" and len(steps) > 2:
            group, version, rest = "", steps[1], steps[2:]
        elif steps[0] == "apis" and len(steps) > 3:
            group, version, rest = steps[1], steps[2], steps[3:]
        else:
            return None
        namespace: str | None = None
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
            namespace, rest = rest[1], rest[2:]
        kind = self.catalog.find(group, version, rest[0])
        if kind is None or (namespace is not None and not kind.namespaced):
            raise Problem(404, "the server could not find the requested resource", reason="NotFound")
        name, part = (rest[1] if len(rest) > 1 else ""), (rest[2] if len(rest) > 2 else "")
        if part and part not in kind.subresources:
            raise Problem(404, "the server could not find the requested resource", reason="NotFound")
        return Target(kind, namespace, name, part)

    @staticmethod
    def _verb(request: web.Request, target: Target, query: dict[str, str]) -> str:
        watched = query.get("watch", "").lower() in ("true", "1", "t")
        if request.method in ("GET", "HEAD") and not target.subresource:
            if watched:
                return "watch"
            if not target.name:
                return "list"
        if request.method == "DELETE" and not target.name:
            return "deletecollection"
        verb = VERBS.get(request.method)
        single = request.method in ("PUT", "PATCH")
        if verb is None or (single and not target.name):
            raise Problem(405, "the server does not allow this method on the requested resource")
        return verb

    @staticmethod
    async def _body(request: web.Request, verb: str) -> Any:
        raw = await request.read()
        if len(raw) > REQUEST_LIMIT:
            raise Problem(413, f"Request entity too large: limit is {REQUEST_LIMIT}")
        if not raw:
            return {} if verb in ("delete", "deletecollection") else None
        if "yaml" in request.content_type:
            return yaml.safe_load(raw)
        if "protobuf" in request.content_type:
            return protobuf.decode(raw)
        if "cbor" in request.content_type:
            raise Problem(415, "the body of the request was in an unknown format - accepted media types include: "
                          "application/json, application/yaml")  # fmt: skip
        return schema.decode(raw)

    @staticmethod
    def _shown(kind: Kind) -> Callable[[Object], Object]:
        said = {"kind": kind.kind, "apiVersion": kind.api_version}

        def shown(found: Object) -> Object:
            return {**said, **found, **said}

        return shown


def _dry_run(query: dict[str, str]) -> bool:
    asked = query.get("dryRun")
    if asked in (None, ""):
        return False
    if asked != "All":
        raise bad_request(f'dryRun: Unsupported value: "{asked}": supported values: "All"')
    return True


def _json(found: Object, status: int = 200) -> web.Response:
    return web.Response(body=_encoded(found), status=status, content_type="application/json")


def _encoded(found: Any) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode() + b"\n"


__all__ = ["REQUEST_LIMIT", "Rest", "Seen"]
