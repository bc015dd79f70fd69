"""The OpenAPI 3.1 document, made from the table of routes and the shapes of the answers."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import fetchtoken
from broker.access.tokens import LONGEST_MIN_VALID_S
from broker.api.models import Problem
from broker.api.problems import STATUS_OF, Code
from broker.api.routes import Route

__all__ = ["document"]

_DESCRIPTION = """\
Serves access tokens of OpenAI Codex accounts to clients with an API key.

Every path with GET answers HEAD like it without the body and without an audit record, every path OPTIONS
with its methods, and any other method with 405 `method_not_allowed`; a path that is not here is 404
`not_found`. Every problem is RFC 9457 `application/problem+json` with a `code`. Every answer has
`X-Request-Id`, and takes over the one it was sent where that is sane.
"""
_ETAG = {"description": "Covers everything but expires_in", "schema": {"type": "string"}}
_REQUEST_ID = {"description": "Names the request in logs and the audit trail", "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "Seconds; where waiting helps", "schema": {"type": "integer", "minimum": 1}}
_CHALLENGE = {"description": "RFC 6750 §3", "schema": {"type": "string"}}


def document(routes: Iterable[Route], *, public_url: str = "") -> dict[str, Any]:
    """Return the document.

    Args:
        routes: the table.
        public_url: where clients reach the broker, if that is known.
    """
    listed = list(routes)
    answers: list[type[BaseModel]] = [
        Problem,
        *(route.answer for route in listed if route.answer is not None),
    ]
    bodies = [route.body for route in listed if route.body is not None]
    _, definitions = models_json_schema(
        [*((shape, "serialization") for shape in answers), *((shape, "validation") for shape in bodies)],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "codex-broker",
            "version": fetchtoken.__version__,
            "description": _DESCRIPTION,
        },
        "servers": [{"url": public_url or "/"}],
        "paths": _paths(listed),
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "cbk_…"}},
        },
    }


def _paths(routes: Iterable[Route]) -> dict[str, Any]:
    paths: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route)
    return dict(paths)


def _operation(route: Route) -> dict[str, Any]:
    responses = {"200": _success(route)}
    if route.is_token:
        responses["304"] = {
            "description": "The caller's copy is still right",
            "headers": {"ETag": _ETAG, "X-Request-Id": _REQUEST_ID},
        }
    by_status: defaultdict[int, list[Code]] = defaultdict(list)
    for code in route.codes():
        by_status[STATUS_OF[code]].append(code)
    responses |= {str(status): _problem(status, codes) for status, codes in sorted(by_status.items())}
    if route.is_page:
        own = {STATUS_OF[code] for code in route.problems} - {STATUS_OF["not_found"]}
        responses |= {str(status): _page("Why nothing was done", status) for status in sorted(own)}
    operation = {
        "operationId": route.name,
        "summary": route.summary,
        "security": [{"apiKey": []}] if route.keyed else [],
        "parameters": _parameters(route),
        "responses": responses,
    }
    if route.body is not None:
        schema = {"$ref": f"#/components/schemas/{route.body.__name__}"}
        kinds = [] if route.is_page else ["application/json"]
        kinds += ["application/x-www-form-urlencoded"] if route.is_oauth or route.is_page else []
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
    return operation


def _page(description: str, status: int) -> dict[str, Any]:
    headers = {"X-Request-Id": _REQUEST_ID} | ({"Retry-After": _RETRY_AFTER} if status in (429, 503) else {})
    content = {"text/html": {"schema": {"type": "string"}}}
    return {"description": description, "headers": headers, "content": content}


def _success(route: Route) -> dict[str, Any]:
    if route.is_page:
        return _page(route.summary, 200)
    schema: dict[str, Any] = {"type": "object"}
    if route.answer is not None:
        schema = {"$ref": f"#/components/schemas/{route.answer.__name__}"}
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    headers = {"X-Request-Id": _REQUEST_ID}
    if route.is_token:
        content["text/plain"] = {"schema": {"type": "string", "description": "The bare access token"}}
        headers["ETag"] = _ETAG
    return {"description": route.summary, "headers": headers, "content": content}


def _problem(status: int, codes: list[Code]) -> dict[str, Any]:
    headers = {"X-Request-Id": _REQUEST_ID}
    if status in (429, 503):
        headers["Retry-After"] = _RETRY_AFTER
    if status in (401, 403):
        headers["WWW-Authenticate"] = _CHALLENGE
    narrowed = {"type": "object", "properties": {"code": {"enum": sorted(codes)}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]}
    return {
        "description": ", ".join(sorted(codes)),
        "headers": headers,
        "content": {"application/problem+json": {"schema": schema}},
    }


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if "{account}" in route.path:
        name = {"type": "string", "pattern": "^[a-z0-9][a-z0-9._@+-]{0,63}$"}
        parameters.append({"name": "account", "in": "path", "required": True, "schema": name})
    if route.is_token:
        seconds = {"type": "integer", "minimum": 0, "maximum": LONGEST_MIN_VALID_S, "default": 0}
        parameters += [
            {
                "name": "min_valid",
                "in": "query",
                "description": "Least seconds of life wanted; never causes an exchange",
                "schema": seconds,
            },
            {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}},
        ]
    return parameters
