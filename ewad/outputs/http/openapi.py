"""The OpenAPI document of the HTTP API, made from its table of operations and the records of its answers."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ewad.outputs.http import documents
from ewad.outputs.http.actions import ACTIONS, Action
from ewad.outputs.http.actions import ROOT as ACTIONS_ROOT
from ewad.outputs.http.operations import OPERATIONS, ROOT, Operation, Parameter

REFERENCE = "#/components/schemas/{name}"


def document(version: str) -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    records = [each.document for each in OPERATIONS if each.document is not None]
    bodies = [each.body for each in ACTIONS]
    schemas, components = msgspec.json.schema_components(
        [*records, *bodies, documents.Done, documents.Problem], ref_template=REFERENCE
    )
    asked = dict(zip(bodies, schemas[len(records) :], strict=False))
    answers = dict(zip(records, schemas, strict=False))
    read = {ROOT + each.path: {"get": _operation(each, answers, schemas[-1])} for each in OPERATIONS}
    acted = {
        ACTIONS_ROOT + each.path: {"post": _action(each, asked[each.body], *schemas[-2:])} for each in ACTIONS
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ewad",
            "version": version,
            "description": "Smoothed values, forecasts and histories of streams. Access is that of /metrics.",
        },
        "paths": read | acted,
        "components": {"schemas": components},
    }


def _action(
    each: Action, body: dict[str, Any], done: dict[str, Any], problem: dict[str, Any]
) -> dict[str, Any]:
    refusals = {
        "400": "The body is not what was expected.",
        "403": "Not from there: see [http] actions.",
        "404": "There is no such stream or model.",
        "409": "That can't be done now.",
    }
    return {
        "summary": each.summary,
        "parameters": [],
        "requestBody": {"required": True, "content": _content("application/json", body)},
        "responses": {
            "200": {"description": each.summary, "content": _content("application/json", done)},
            "413": {"description": "The body is too large."},
            **_refusals(refusals, problem),
        },
    }


def _operation(each: Operation, answers: dict[Any, Any], problem: dict[str, Any]) -> dict[str, Any]:
    named = re.findall(r"\{(\w+)\}", each.path)
    refusals = {"400": "A parameter is not what was expected."}
    if named:
        refusals["404"] = "There is no such stream, or it has no samples yet."
    if each.document is None:
        refusals["503"] = "As many readers as there may be are there."
        content = _content("text/event-stream", {"type": "string"})
    else:
        content = _content("application/json", answers[each.document])
    return {
        "summary": each.summary,
        "parameters": [*map(_of_path, named), *map(_of_query, each.parameters)],
        "responses": {
            "200": {"description": each.summary, "content": content},
            "304": {"description": "Nothing has changed since the answer whose ETag is in If-None-Match."},
            **_refusals(refusals, problem),
        },
    }


def _of_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _of_query(parameter: Parameter) -> dict[str, Any]:
    name, text, schema = parameter
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _content(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {kind: {"schema": schema}}


def _refusals(reasons: dict[str, str], problem: dict[str, Any]) -> dict[str, Any]:
    """Return the answers of these statuses, each with a problem, and of those who are not let in."""
    said = _content("application/json", problem)
    return {
        "401": {"description": "A user and a password are expected."},
        "429": {"description": "Too many passwords wait to be looked at."},
        **{status: {"description": reason, "content": said} for status, reason in reasons.items()},
    }
