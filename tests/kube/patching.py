"""The four kinds of patch, and who owns which fields."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from .kinds import METADATA, Kind
from .problems import Problem, bad_request, conflict
from .schema import resolved
from .store import Object, clone, timestamp

if TYPE_CHECKING:
    from .registry import Asked

JSON, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
APPLY_CBOR = "application/apply-patch+cbor"
KINDS = (JSON, MERGE, STRATEGIC, APPLY)
REFUSED = "the server rejected our request due to an error in our request"


def patched(kind: Kind, old: Object, how: str, patch: Any, asked: Asked) -> Object:
    """The object after a patch. Raises `Problem` 400, 409, 415 and 422."""
    new = clone(old)
    if how == JSON:
        return json_patch(new, patch)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal array into Go value of type map")
    if how == MERGE:
        merge(new, patch)
        return new
    if how == STRATEGIC:
        if kind.custom:
            raise Problem(415, "the body of the request was in an unknown format - accepted media types include: "
                          f"{JSON}, {MERGE}, {APPLY}, {APPLY_CBOR}")  # fmt: skip
        return strategic(new, patch, kind.schema, kind)  # type: ignore[no-any-return]
    if how == APPLY:
        given = patch.get("metadata", {}).get("resourceVersion")
        if given and given != old["metadata"]["resourceVersion"]:
            raise conflict(kind.resource, old["metadata"]["name"])
        return _applied(new, patch, kind, asked)
    accepted = ", ".join((*KINDS, APPLY_CBOR))
    raise Problem(415, f"the body of the request was in an unknown format - accepted media types include: {accepted}")


def merge(target: Object, patch: Object) -> None:
    """RFC 7386."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            inner = target.get(name)
            if not isinstance(inner, dict):
                inner = target[name] = {}
            merge(inner, value)
        else:
            target[name] = clone(value)


def json_patch(document: Any, operations: Any) -> Any:
    """RFC 6902. Raises `Problem` 422 where a test fails or a path is not there."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    for operation in operations:
        op, path = operation.get("op"), _steps(operation.get("path", ""))
        try:
            if op in ("add", "replace"):
                document = _set(document, path, clone(operation.get("value")), op)
            elif op == "remove":
                _remove(document, path)
            elif op == "test":
                if _at(document, path) != operation.get("value"):
                    raise KeyError(path)
            elif op in ("move", "copy"):
                source = _steps(operation["from"])
                value = clone(_at(document, source))
                if op == "move":
                    _remove(document, source)
                document = _set(document, path, value, "add")
            else:
                raise KeyError(op)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Problem(422, REFUSED, reason="Invalid") from error
    return document


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for step in path:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _set(document: Any, path: list[str], value: Any, op: str) -> Any:
    if not path:
        return value
    holder, last = _at(document, path[:-1]), path[-1]
    if isinstance(holder, list):
        if op == "replace":
            holder[int(last)] = value
        elif last == "-":
            holder.append(value)
        elif int(last) <= len(holder):
            holder.insert(int(last), value)
        else:
            raise IndexError(last)
    elif op == "replace" and last not in holder:
        raise KeyError(last)
    else:
        holder[last] = value
    return document


def _remove(document: Any, path: list[str]) -> None:
    holder = _at(document, path[:-1])
    if isinstance(holder, list):
        holder.pop(int(path[-1]))
    else:
        del holder[path[-1]]


def strategic(old: Any, patch: Object, schema: dict[str, Any], kind: Kind) -> Any:
    """A merge that knows by which key the items of a list are told apart."""
    schema, _ = resolved(schema, kind)
    directive = patch.get("$patch")
    if directive == "replace":
        return {name: clone(value) for name, value in patch.items() if name != "$patch"}
    made = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if name == "$patch" or name.startswith(("$setElementOrder/", "$retainKeys")):
            continue
        if name.startswith("$deleteFromPrimitiveList/"):
            target = name.split("/", 1)[1]
            made[target] = [item for item in made.get(target) or [] if item not in value]
            continue
        field = schema.get("properties", {}).get(name) or schema.get("additionalProperties") or {}
        if not isinstance(field, dict):
            field = {}
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict):
            made[name] = strategic(made.get(name), value, field, kind)
        elif isinstance(value, list) and "merge" in field.get("x-kubernetes-patch-strategy", "").split(","):
            made[name] = _merged_list(made.get(name) or [], value, field, kind)
        else:
            made[name] = clone(value)
        kept = patch.get("$retainKeys")
        if kept is not None:
            made = {each: inner for each, inner in made.items() if each in kept}
    return made


def _merged_list(old: list[Any], patch: list[Any], field: dict[str, Any], kind: Kind) -> list[Any]:
    key = field.get("x-kubernetes-patch-merge-key")
    made = list(old)
    if key is None:  # a list of plain values: a union
        return made + [item for item in patch if item not in made]
    for item in patch:
        if item.get("$patch") == "replace":
            return [each for each in patch if "$patch" not in each]
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((number for number, each in enumerate(made) if each.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                made.pop(at)
        elif at is None:
            made.insert(0 if not old else len(made), strategic({}, item, field["items"], kind))
        else:
            made[at] = strategic(made[at], item, field["items"], kind)
    if not old:
        made.reverse()
    return made


def _applied(new: Object, patch: Object, kind: Kind, asked: Asked) -> Object:
    """Server-side apply, in short: set what the manager names; remove what it named before and no longer does."""
    entries = new["metadata"].get("managedFields") or []
    before = next((each for each in entries if each["manager"] == asked.manager and each["operation"] == "Apply"), None)
    wanted = {name: value for name, value in patch.items() if name not in ("apiVersion", "kind", "metadata", "status")}
    meta = {name: patch.get("metadata", {}).get(name) for name in ("labels", "annotations", "finalizers")}
    meta = {name: value for name, value in meta.items() if value}
    if before:
        _forget(new, before.get("fieldsV1") or {}, {**wanted, "metadata": meta})
    made: Object = strategic(new, {**wanted, "metadata": meta}, kind.schema, kind)
    made["metadata"] = {**new["metadata"], **strategic(
        {name: new["metadata"].get(name) for name in meta if new["metadata"].get(name)}, meta,
        kind.definitions[METADATA], kind)}  # fmt: skip
    return made


def _forget(found: Any, owned: dict[str, Any], wanted: Any) -> None:
    for key, inner in owned.items():
        name = key.removeprefix("f:")
        if not key.startswith("f:") or not isinstance(found, dict) or name not in found:
            continue
        if not isinstance(wanted, dict) or name not in wanted:
            if name not in ("metadata",):
                found.pop(name, None)
        elif isinstance(inner, dict) and inner:
            _forget(found[name], inner, wanted[name])


def fields_of(found: Any) -> dict[str, Any]:
    """The names of all fields, as `managedFields` writes them."""
    if not isinstance(found, dict):
        return {}
    return {f"f:{name}": fields_of(value) for name, value in found.items()}


def own(new: Object, old: Object | None, manager: str, now: datetime, applied: Object | None = None) -> None:
    """Note in `managedFields` who wrote last; of an apply also which fields, so that it can take them back."""
    meta = new["metadata"]
    entries = [dict(each) for each in (old or {}).get("metadata", {}).get("managedFields") or []]
    operation = "Update" if applied is None else "Apply"
    entry: Object = {"manager": manager, "operation": operation, "apiVersion": new.get("apiVersion", "v1")}
    entry |= {"time": timestamp(now), "fieldsType": "FieldsV1", "fieldsV1": {}}
    if applied is not None:
        kept = {
            name: applied["metadata"][name]
            for name in ("labels", "annotations")
            if applied.get("metadata", {}).get(name)
        }
        body = {name: value for name, value in applied.items() if name not in ("apiVersion", "kind", "metadata")}
        entry["fieldsV1"] = fields_of({**body, "metadata": kept})
    for number, each in enumerate(entries):
        if (each["manager"], each["operation"]) == (manager, operation):
            if each["fieldsV1"] == entry["fieldsV1"]:
                break
            entries[number] = entry
            break
    else:
        entries.append(entry)
    meta["managedFields"] = entries
