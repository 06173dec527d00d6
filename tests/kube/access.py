"""Who may do what: bearer tokens, and RBAC from the roles in the store."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import names
from .problems import Problem, details_of
from .store import Object, Store

MASTERS, AUTHENTICATED = "system:masters", "system:authenticated"
PUBLIC = ("/version", "/healthz", "/livez", "/readyz")
FOR_ALL_USERS = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/", *PUBLIC)
"""What `system:discovery` lets every authenticated user read."""


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = (AUTHENTICATED,)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
SYSTEM = User("system:apiserver", (MASTERS, AUTHENTICATED))


@dataclass(frozen=True)
class Attributes:
    """What is asked for, as authorizers see it."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    """Of requests that are not about a resource."""


class Access:
    """Tokens of this cluster, and its rules."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tokens: dict[str, User] = {}

    def allow_token(self, token: str, user: User) -> None:
        """Accept a token from now on."""
        self._tokens[token] = user

    def revoke_token(self, token: str) -> None:
        """Accept it no longer: requests that bear it are answered 401."""
        self._tokens.pop(token, None)

    def user_of(self, authorization: str | None) -> User:
        """Who bears this `Authorization` header; nobody known without one. Raises `Problem` 401."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        user = self._tokens.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise Problem(401, "Unauthorized")
        return user

    def allowed(self, asked: Attributes) -> bool:
        """Whether a rule allows it."""
        if MASTERS in asked.user.groups:
            return True
        if asked.path:
            known = AUTHENTICATED in asked.user.groups
            patterns = FOR_ALL_USERS if known else PUBLIC
            return asked.verb == "get" and any(fnmatch.fnmatchcase(asked.path.rstrip("/"), each) for each in patterns)
        if asked.group == "authorization.k8s.io" and asked.resource.startswith("selfsubject"):
            return AUTHENTICATED in asked.user.groups
        return any(_covers(rule, asked) for rule in self.rules(asked.user, asked.namespace))

    def check(self, asked: Attributes) -> None:
        """Raises `Problem` 403 when no rule allows it."""
        if not self.allowed(asked):
            raise denied(asked)

    def rules(self, user: User, namespace: str) -> Iterator[Object]:
        """The rules that apply to a user in a namespace ("" for the cluster)."""
        with self._store.lock:
            bindings = [
                *self._store.peek_all(names.CLUSTER_ROLE_BINDINGS),
                *(self._store.peek_all(names.ROLE_BINDINGS, namespace) if namespace else []),
            ]
            for binding in bindings:
                if any(_is(subject, user) for subject in binding.get("subjects") or []):
                    reference = binding["roleRef"]
                    if reference["kind"] == "ClusterRole":
                        role = self._store.peek(names.CLUSTER_ROLES, None, reference["name"])
                    else:
                        role = self._store.peek(names.ROLES, binding["metadata"]["namespace"], reference["name"])
                    yield from (role or {}).get("rules") or []

    def review(self, user: User, spec: dict[str, Any]) -> dict[str, Any]:
        """The status of a SelfSubjectAccessReview."""
        about, other = spec.get("resourceAttributes") or {}, spec.get("nonResourceAttributes") or {}
        asked = Attributes(
            user,
            verb=about.get("verb") or other.get("verb", ""),
            group=about.get("group", ""),
            resource=about.get("resource", ""),
            subresource=about.get("subresource", ""),
            namespace=about.get("namespace", ""),
            name=about.get("name", ""),
            path=other.get("path", ""),
        )
        allowed = self.allowed(asked)
        return {"allowed": allowed, **({"reason": "RBAC: allowed"} if allowed else {})}

    def rules_review(self, user: User, namespace: str) -> dict[str, Any]:
        """The status of a SelfSubjectRulesReview."""
        if MASTERS in user.groups:
            rules: list[Object] = [
                {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                {"verbs": ["*"], "nonResourceURLs": ["*"]},
            ]
        else:
            rules = [
                {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
                 "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
                {"verbs": ["get"], "nonResourceURLs": list(FOR_ALL_USERS)},
                *self.rules(user, namespace),
            ]  # fmt: skip
        return {
            "resourceRules": [rule for rule in rules if "resources" in rule],
            "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
            "incomplete": False,
        }


def denied(asked: Attributes) -> Problem:
    """The refusal of a request that no rule allows."""
    user = f'User "{asked.user.name}" cannot {asked.verb}'
    if asked.path:
        return Problem(403, f'forbidden: {user} path "{asked.path}"')
    full = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    part = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    about = f'{full} "{asked.name}"' if asked.name else full
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    message = f'{about} is forbidden: {user} resource "{part}" in API group "{asked.group}" {where}'
    return Problem(403, message, details=details_of(full, asked.name))


def _is(subject: Object, user: User) -> bool:
    if subject["kind"] == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace')}:{subject['name']}"
    return subject["name"] in (user.groups if subject["kind"] == "Group" else (user.name,))


def _covers(rule: Object, asked: Attributes) -> bool:
    def has(field: str, value: str) -> bool:
        return "*" in rule.get(field, ()) or value in rule.get(field, ())

    part = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    named = not rule.get("resourceNames") or asked.name in rule["resourceNames"]
    return has("verbs", asked.verb) and has("apiGroups", asked.group) and has("resources", part) and named
