"""What the user may do in a namespace, asked once and remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....model.api import Right
from ..api.api_errors import Forbidden, InvalidObject, NotFoundInCluster, ServerTrouble, Throttled
from ..resources import ACCESS_REVIEWS, PODS, RULES_REVIEWS, Manifest, Resource, Rule
from .discovery import Served
from .rbac import FEATURES, rule_line, rules

if TYPE_CHECKING:
    from ..api.connection import Connection

_FRESH_S = 300.0
_AT_MOST_EVERY_S = 20.0  # a flood of refusals asks for our rights once
_AT_A_TIME = 8

# The cluster answered, and cannot tell: the right stays unknown.
_CANNOT_TELL = (Forbidden, InvalidObject, NotFoundInCluster, ServerTrouble, Throttled)


@dataclass(frozen=True)
class Question:
    """One thing that one may or may not do."""

    verb: str
    group: str
    plural: str
    subresource: str | None = None
    namespace: str | None = None
    """None: in the whole cluster."""
    name: str | None = None

    def review(self) -> Manifest:
        """The SelfSubjectAccessReview that asks it."""
        asked = {
            "verb": self.verb,
            "group": self.group,
            "resource": self.plural,
            "subresource": self.subresource,
            "namespace": self.namespace,
            "name": self.name,
        }
        attributes = {key: value for key, value in asked.items() if value}
        return {
            "apiVersion": ACCESS_REVIEWS.api_version,
            "kind": ACCESS_REVIEWS.kind,
            "spec": {"resourceAttributes": attributes},
        }


@dataclass(frozen=True)
class Access:
    """What the user may do in one namespace, as the cluster said it."""

    namespace: str
    granted: Sequence[Manifest] = ()
    """The `resourceRules` of a SelfSubjectRulesReview."""
    complete: bool = False
    """Whether what is not in `granted` is refused for sure."""
    answers: dict[Question, bool] = field(default_factory=dict)
    """Single questions that were asked beside."""

    def may(
        self, verb: str, resource: Resource, subresource: str | None = None, name: str | None = None
    ) -> bool | None:
        """Whether a call is allowed, in the namespace for what lives in one; None when not known."""
        namespace = None if self._beyond(resource) else self.namespace
        question = Question(verb, resource.group, resource.plural, subresource, namespace)
        if question in self.answers:
            return self.answers[question]
        if namespace is None:  # the rules of a namespace do not tell those that a role in it cannot give
            return None
        if any(_covers(rule, question, name) for rule in self.granted):
            return True
        return False if self.complete else None

    def may_everywhere(self, verb: str, resource: Resource, subresource: str | None = None) -> bool | None:
        """Whether a call is allowed in all namespaces at once; None when not known."""
        return self.answers.get(Question(verb, resource.group, resource.plural, subresource))

    def refuses(self, table: Iterable[Rule]) -> bool:
        """Whether one of these calls is surely not allowed."""
        return any(self.may(verb, rule.resource, rule.subresource) is False for rule in table for verb in rule.verbs)

    def rights(self, served: Served) -> list[Right]:
        """Feature by feature, in the order of the table, what is allowed and what is missing."""
        table = rules(served.kinds, queues=served.kueue is not None)
        return [self._right(code, [rule for rule in table if rule.feature == code]) for code in _codes(table)]

    def right(self, code: str, served: Served) -> Right | None:
        """One feature; None where the cluster does not serve what it is about."""
        return next((right for right in self.rights(served) if right.code == code), None)

    def _right(self, code: str, table: list[Rule]) -> Right:
        missing: list[str] = []
        lines: list[str] = []
        known = True
        for rule in table:
            may = self.may_everywhere if rule.everywhere else self.may
            allowed = {verb: may(verb, rule.resource, rule.subresource) for verb in rule.verbs}
            refused = [verb for verb, yes in allowed.items() if yes is False]
            known = known and None not in allowed.values()
            if refused:
                missing += [f"{verb} {rule.full_name}" for verb in refused]
                lines.append(rule_line(rule, refused))
        role = "ClusterRole" if any(rule.cluster_wide for rule in table) else f"Role in namespace {self.namespace}"
        return Right(
            feature=FEATURES[code],
            code=code,
            allowed=False if missing else True if known else None,
            missing=missing,
            hint=f"An administrator adds to a {role}:\n" + "\n".join(lines) if lines else None,
        )

    def _beyond(self, resource: Resource) -> bool:
        return not resource.namespaced and resource.plural != "namespaces"


class Reviewer:
    """Asks a cluster for the user's rights, at most every few minutes however many ask."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, tuple[float, Access]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def access(self, namespace: str, served: Served, *, doubted: bool = False) -> Access:
        """The user's rights in a namespace, some minutes old at most.

        Args: doubted: a call was refused that these rights allow; asks anew, yet not more often than every 20 s.

        Raises: what `Connection.create` raises when the cluster does not answer or wants a login.
        """
        async with self._one_at_a_time:
            limit_s = _AT_MOST_EVERY_S if doubted else _FRESH_S
            known = self._known.get(namespace)
            if known is not None and time.monotonic() - known[0] < limit_s:
                return known[1]
            table = rules(served.kinds, queues=served.kueue is not None)
            access = await review(self._connection, namespace, table)
            self._known[namespace] = (time.monotonic(), access)
            return access


async def review(connection: Connection, namespace: str, table: Iterable[Rule]) -> Access:
    """Asks once: all rules of the namespace in one call, and singly only what that cannot tell."""
    table = list(table)
    beyond = [rule for rule in table if rule.cluster_wide]
    status, wide = await asyncio.gather(
        _rules(connection, namespace),
        _ask(connection, [*_questions(beyond, None), Question("list", PODS.group, PODS.plural)]),
    )
    granted = [rule for rule in status.get("resourceRules") or [] if isinstance(rule, dict)]
    complete = bool(status) and not status.get("incomplete")
    access = Access(namespace, granted, complete, wide)
    if complete:
        return access
    single = [
        question
        for rule in table
        if not rule.cluster_wide
        for question in _questions([rule], namespace)
        if access.may(question.verb, rule.resource, rule.subresource) is None
    ]
    if access.may("create", PODS) is None:  # not needed: it decides whether a pod can be tried before submission
        single.append(Question("create", PODS.group, PODS.plural, namespace=namespace))
    return Access(namespace, granted, False, {**wide, **await _ask(connection, single)})


async def _rules(connection: Connection, namespace: str) -> dict[str, Any]:
    """The status of the review; nothing where the cluster does not answer that question."""
    body = {
        "apiVersion": RULES_REVIEWS.api_version,
        "kind": RULES_REVIEWS.kind,
        "spec": {"namespace": namespace},
    }
    try:
        answer = await connection.create(RULES_REVIEWS.path(), body)
    except _CANNOT_TELL:
        return {}
    status = answer.body.get("status")
    return status if isinstance(status, dict) else {}


async def _ask(connection: Connection, questions: Iterable[Question]) -> dict[Question, bool]:
    """The questions that got an answer, each asked once."""
    gate = asyncio.Semaphore(_AT_A_TIME)

    async def ask(question: Question) -> bool | None:
        async with gate:
            try:
                answer = await connection.create(ACCESS_REVIEWS.path(), question.review())
            except _CANNOT_TELL:
                return None
        allowed = (answer.body.get("status") or {}).get("allowed")
        return allowed if isinstance(allowed, bool) else None

    different = list(dict.fromkeys(questions))
    answers = await asyncio.gather(*(ask(question) for question in different))
    return {question: yes for question, yes in zip(different, answers, strict=True) if yes is not None}


def _questions(table: Iterable[Rule], namespace: str | None) -> list[Question]:
    return [
        Question(verb, rule.resource.group, rule.resource.plural, rule.subresource, namespace)
        for rule in table
        for verb in rule.verbs
    ]


def _codes(table: Iterable[Rule]) -> list[str]:
    present = {rule.feature for rule in table}
    return [code for code in FEATURES if code in present]


def _covers(rule: Manifest, question: Question, name: str | None) -> bool:
    """Whether one rule allows a call, by RBAC's own reading of it."""
    names = rule.get("resourceNames") or []
    if names and name not in names:
        return False
    wanted = f"{question.plural}/{question.subresource}" if question.subresource else question.plural
    fits = {"*", wanted, *([f"*/{question.subresource}"] if question.subresource else [])}
    return (
        bool({"*", question.verb} & set(rule.get("verbs") or []))
        and bool({"*", question.group} & set(rule.get("apiGroups") or []))
        and bool(fits & set(rule.get("resources") or []))
    )
