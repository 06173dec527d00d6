"""A pod's `affinity` in Kubernetes' own words, held to Kubernetes' own rules. No I/O."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .names import LabelValue, ObjectName, SelectorKey

_INTEGER = re.compile(r"-?\d{1,18}")


class _Words(BaseModel):
    """Kubernetes' spelling. Unknown fields are refused here because the API server refuses them later."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Requirement(_Words):
    """What the label of a node or pod must be."""

    key: SelectorKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: list[LabelValue] | None = None

    @model_validator(mode="after")
    def _has_its_values(self) -> _Requirement:
        values = self.values or []
        if self.operator in ("In", "NotIn") and not values:
            raise ValueError(f"{self.operator} needs values")
        if self.operator in ("Exists", "DoesNotExist") and values:
            raise ValueError(f"{self.operator} has no values")
        if self.operator in ("Gt", "Lt") and not (len(values) == 1 and _INTEGER.fullmatch(values[0])):
            raise ValueError(f"{self.operator} needs one whole number, as text")
        return self


class _LabelRequirement(_Requirement):
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]


class _FieldRequirement(_Words):
    key: Literal["metadata.name"]
    operator: Literal["In", "NotIn"]
    values: Annotated[list[ObjectName], Field(min_length=1, max_length=1)]


class _NodeTerm(_Words):
    matchExpressions: list[_Requirement] | None = None
    matchFields: list[_FieldRequirement] | None = None


class _NodeSelector(_Words):
    nodeSelectorTerms: Annotated[list[_NodeTerm], Field(min_length=1)]


class _Weighed(_Words):
    weight: Annotated[int, Field(ge=1, le=100)]


class _PreferredNode(_Weighed):
    preference: _NodeTerm


class _NodeAffinity(_Words):
    requiredDuringSchedulingIgnoredDuringExecution: _NodeSelector | None = None
    preferredDuringSchedulingIgnoredDuringExecution: list[_PreferredNode] | None = None


class _LabelSelector(_Words):
    matchLabels: dict[SelectorKey, LabelValue] | None = None
    matchExpressions: list[_LabelRequirement] | None = None


class _PodTerm(_Words):
    topologyKey: SelectorKey
    labelSelector: _LabelSelector | None = None
    namespaceSelector: _LabelSelector | None = None
    namespaces: list[ObjectName] | None = None


class _PreferredPod(_Weighed):
    podAffinityTerm: _PodTerm


class _PodAffinity(_Words):
    requiredDuringSchedulingIgnoredDuringExecution: list[_PodTerm] | None = None
    preferredDuringSchedulingIgnoredDuringExecution: list[_PreferredPod] | None = None


class _Affinity(_Words):
    nodeAffinity: _NodeAffinity | None = None
    podAffinity: _PodAffinity | None = None
    podAntiAffinity: _PodAffinity | None = None


def checked(affinity: dict[str, Any] | None) -> dict[str, Any] | None:
    """The same affinity without its nulls; None for one that says nothing.

    Raises: ValueError that names the first field which Kubernetes would refuse.
    """
    if affinity is None:
        return None
    try:
        return _Affinity.model_validate(affinity).model_dump(exclude_none=True) or None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ValueError(f"{place or 'affinity'}: {first['msg'].removeprefix('Value error, ')}") from error
