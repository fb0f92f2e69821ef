"""Calls made up from the frozen contracts: right and wrong ones, about things that exist where they can be."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs
import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from tests.promises.project import ROOT

Case = schemathesis.Case[Any]
Known = Mapping[str, list[Any]]

RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
NOTHING_TO_GET_WRONG = {"GET /health", "GET /ready"}
# What fields and parameters name: the kind of thing. Made up, they would never be right.
NAMES = {
    "agentId": "agent",
    "parentTaskId": "task",
    "taskId": "task",
    "root": "task",
    "parent": "task",
    "project": "project",
    "cursor": "cursor",
    "after": "number",
}


@cache
def contract(name: str) -> Any:
    """One of docs/contract/."""
    return json.loads((ROOT / "docs" / "contract" / f"{name}.json").read_text(encoding="utf-8"))


@cache
def operations() -> dict[str, Any]:
    """Every operation of the OpenAPI document, by method and path."""
    document = {**contract("openapi"), "info": {"title": "frozen", "version": "0"}}
    schema = schemathesis.openapi.from_dict(document)
    return {
        f"{method.upper()} {path}": schema[path][method.upper()]
        for path, methods in document["paths"].items()
        for method in methods
    }


@cache
def frames() -> dict[str, Any]:
    """Every frame of a worker by its type, dressed up as an operation that takes the frame's body."""
    protocol = json.loads(json.dumps(contract("worker-protocol")).replace("#/$defs/", "#/components/schemas/"))
    kinds = [kind for kind in protocol["fromWorker"] if kind != "frame" and not kind.startswith("POST")]
    paths = {
        f"/{kind}": {
            "post": {
                "requestBody": {"required": True, "content": _json(protocol["fromWorker"][kind])},
                "responses": {"200": {"description": "ok"}},
            }
        }
        for kind in kinds
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "frames", "version": "1"},
        "paths": paths,
        "components": {"schemas": protocol["$defs"]},
    }
    schema = schemathesis.openapi.from_dict(document)
    return {kind: schema[f"/{kind}"]["POST"] for kind in kinds}


def _json(schema: Any) -> Any:
    return {"application/json": {"schema": schema}}


@cache
def server_frame(kind: str) -> Any:
    """What checks the body of a frame of the server."""
    protocol = contract("worker-protocol")
    return jsonschema_rs.validator_for({**protocol["fromServer"][kind], "$defs": protocol["$defs"]})


@cache
def calls(name: str) -> st.SearchStrategy[Case]:
    """Calls of one operation; one in four is wrong."""
    right: st.SearchStrategy[Case] = operations()[name].as_strategy(generation_mode=RIGHT)
    if name in NOTHING_TO_GET_WRONG:
        return right
    wrong = operations()[name].as_strategy(generation_mode=WRONG)
    return st.integers(0, 3).flatmap(lambda number: right if number else wrong)


@cache
def frame_bodies(kind: str) -> st.SearchStrategy[Any]:
    """Bodies of one frame; one in four is wrong."""
    right, wrong = (frames()[kind].as_strategy(generation_mode=mode) for mode in (RIGHT, WRONG))
    return st.integers(0, 3).flatmap(lambda number: right if number else wrong).map(lambda case: case.body)


def about_known_things(draw: Any, case: Case, known: Known) -> None:
    """Let the call be about what exists, most of the time; and let it not wait."""
    for name in case.path_parameters or {}:
        kind = "number" if name == "number" else "agent" if "/agents/" in case.path else "task"
        case.path_parameters[name] = _known(draw, "project" if name == "idOrName" else kind, known, name, case)
    for fields in (case.query, case.body):
        if isinstance(fields, dict):
            _name_known_things(draw, fields, known)
    if case.query and "waitSeconds" in case.query:
        case.query["waitSeconds"] = 0
    if isinstance(case.body, dict) and "wait_seconds" in case.body:
        case.body["wait_seconds"] = 0


def _known(draw: Any, kind: str, known: Known, name: str, case: Case) -> Any:
    is_known = known.get(kind) and draw(st.integers(0, 9)) > 0
    return draw(st.sampled_from(known[kind])) if is_known else case.path_parameters[name]


def _name_known_things(draw: Any, fields: dict[str, Any], known: Known) -> None:
    for field, kind in NAMES.items():
        if field in fields:
            if known.get(kind) and draw(st.integers(0, 9)) > 0:
                fields[field] = draw(st.sampled_from(known[kind]))
            elif field in ("project", "cursor"):
                del fields[field]
    if isinstance(fields.get("dependsOn"), list):
        ids = known.get("task", [])
        fields["dependsOn"] = draw(st.lists(st.sampled_from(ids), max_size=3, unique=True)) if ids else []
    for task in fields["tasks"] if isinstance(fields.get("tasks"), list) else ():
        if isinstance(task, dict):
            _name_known_things(draw, task, known)
