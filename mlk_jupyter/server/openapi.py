"""The OpenAPI document, made from the features' routes and models: `python -m mlk_jupyter.server.openapi [--check]`.

The TypeScript types of the front end are generated from it. The same code gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core import core_schema

from ..model import api
from .features import VARIABLES, Route
from .registry import FEATURES, routes

TARGET = Path(__file__).parents[2] / "docs" / "openapi.json"
_REF = "#/components/schemas/{model}"


class _AnswersAreWhole(GenerateJsonSchema):
    """In what we answer every field is present, so its type needs no `undefined`."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of everything under `/mlk`."""
    every = routes()
    asked: set[type[BaseModel]] = {api.Topic, *(route.body for route in every if route.body)}
    seen: set[type[BaseModel]] = {api.ErrorBody, *(route.answer for route in every if route.answer)}
    seen |= {model for feature in FEATURES for model in feature.told()}
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in asked]
    modes += [(model, "serialization") for model in seen]
    modes.sort(key=lambda pair: pair[0].__name__)
    names, schemas = models_json_schema(modes, ref_template=_REF, schema_generator=_AnswersAreWhole)
    refs = {model: schema for (model, _), schema in names.items()}

    paths: dict[str, dict[str, Any]] = {}
    for route in every:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mlk-jupyter",
            "version": "1",
            "description": (
                "REST and one websocket under the Jupyter server's base URL. Every request needs the server's token or "
                "its login cookie; requests that change something need the XSRF token as well. "
                "Answers with a status of 400 or more are an ErrorBody."
            ),
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "Authorization"}},
            "schemas": schemas["$defs"],
        },
    }


def text() -> str:
    """The document as it lies in `docs/openapi.json`."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mlk_jupyter.server.openapi", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    options = parser.parse_args(arguments)
    wanted = text()
    if options.check:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == wanted:
            return 0
        print(f"{TARGET} is stale: run `python -m mlk_jupyter.server.openapi`.", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


def _operation(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "responses": _responses(route, refs),
        "x-action": route.action,
    }
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in VARIABLES.items()
        if f"{{{name}}}" in route.path
    ]
    parameters += [
        {
            "name": query.name,
            "in": "query",
            "required": query.required,
            "description": query.text,
            "schema": query.schema,
        }
        for query in route.query
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": refs[route.body]}}}
    return operation


def _responses(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.answer is not None:
        content["application/json"] = {"schema": refs[route.answer]}
    if route.file is not None:
        content[route.file] = {"schema": {"type": "object" if route.file.endswith("+json") else "string"}}
    good: dict[int, str] = {route.status: route.summary, **route.also}
    answers: dict[str, Any] = {
        str(status): {"description": text, **({"content": content} if content else {})} for status, text in good.items()
    }
    answers["default"] = {
        "description": "What happened, why, and what to do next.",
        "content": {"application/json": {"schema": refs[api.ErrorBody]}},
    }
    return answers


if __name__ == "__main__":
    sys.exit(main())
