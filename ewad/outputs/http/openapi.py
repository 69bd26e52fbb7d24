"""The OpenAPI document of the HTTP API, made from its table of operations and the records of its answers."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ewad.outputs.http import documents
from ewad.outputs.http.actions import ACTIONS, Action
from ewad.outputs.http.actions import ROOT as ACTIONS_ROOT
from ewad.outputs.http.operations import OPERATIONS, ROOT, Operation

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
    answers = {"200": (each.summary, done)} | {code: (text, problem) for code, text in refusals.items()}
    return {
        "summary": each.summary,
        "parameters": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "401": {"description": "A user and a password are expected."},
            "413": {"description": "The body is too large."},
            "429": {"description": "Too many passwords wait to be looked at."},
            **{
                code: {"description": text, "content": {"application/json": {"schema": schema}}}
                for code, (text, schema) in answers.items()
            },
        },
    }


def _operation(each: Operation, answers: dict[Any, Any], problem: dict[str, Any]) -> dict[str, Any]:
    named = re.findall(r"\{(\w+)\}", each.path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in named
    ] + [{"name": p.name, "in": "query", "description": p.text, "schema": p.schema} for p in each.parameters]
    kind, schema = (
        ("application/json", answers[each.document])
        if each.document
        else (
            "text/event-stream",
            {"type": "string"},
        )
    )
    refusals = {"400": "A parameter is not what was expected."}
    if named:
        refusals["404"] = "There is no such stream, or it has no samples yet."
    if each.document is None:
        refusals["503"] = "As many readers as there may be are there."
    return {
        "summary": each.summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": each.summary, "content": {kind: {"schema": schema}}},
            "304": {"description": "Nothing has changed since the answer whose ETag is in If-None-Match."},
            "401": {"description": "A user and a password are expected."},
            "429": {"description": "Too many passwords wait to be looked at."},
            **{
                code: {"description": text, "content": {"application/json": {"schema": problem}}}
                for code, text in refusals.items()
            },
        },
    }
