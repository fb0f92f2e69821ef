"""Calls made up from the frozen contracts: right and wrong ones, about things that exist where they can be."""

import copy
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jsonschema_rs
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from tests.promises.project import ROOT

Case = schemathesis.Case[Any]
Known = Mapping[str, list[Any]]

RIGHT_ONES, WRONG_ONES = 12, 6  # of each operation and frame
RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
NOTHING_TO_GET_WRONG = {"GET /health", "GET /ready"}
WITHOUT_A_TOKEN = {"POST /api/auth/token"}  # what it is asked with is in the body
# What fields and parameters name: the kind of thing. Made up, they would never be right.
NAMES = {
    "agentId": "agent",
    "parentTaskId": "task",
    "taskId": "task",
    "sandboxId": "agent",
    "root": "task",
    "parent": "task",
    "project": "project",
    "swarm": "swarm",
    "cursor": "cursor",
    "after": "number",
}
# What the schema calls a text, and the server reads more closely.
SAMPLES: Mapping[str, st.SearchStrategy[str]] = {
    "gitUrl": st.sampled_from(["https://example.com/a.git", "git@example.com:b/c.git"]),
    "repoUrl": st.sampled_from(["https://example.com/a.git", "git@example.com:b/c.git"]),
    "defaultBranch": st.sampled_from(["", "main"]),
    "startAt": st.sampled_from(["2020-01-01T00:00:00Z", "2040-01-01T00:00:00.000Z"]),
    "agent_id": st.uuids().map(str),
    "instance_id": st.uuids().map(str),
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
    """Calls of one operation, right and wrong ones."""
    operation = operations()[name]
    wrong = [] if name in NOTHING_TO_GET_WRONG else _made_up(operation, WRONG, WRONG_ONES)
    made_up = [_restored(case) for case in (*_made_up(operation, RIGHT, RIGHT_ONES), *wrong)]
    return st.sampled_from(made_up).map(lambda restored: restored())


@cache
def frame_bodies(kind: str) -> st.SearchStrategy[Any]:
    """Bodies of one frame, right and wrong ones."""
    frame = frames()[kind]
    made_up = [*_made_up(frame, RIGHT, RIGHT_ONES), *_made_up(frame, WRONG, WRONG_ONES)]
    return st.sampled_from(made_up).map(lambda case: copy.deepcopy(case.body))


def _made_up(operation: Any, mode: GenerationMode, number: int) -> list[Case]:
    """So many calls, the same ones each time.

    Made up in advance: within a history they would use up what Hypothesis draws from, and the histories stay short.
    """
    found: list[Case] = []

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=number,
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


def _restored(case: Case) -> Callable[[], Case]:
    """Gives the call as it was made up, whatever became of it in the history before; a case cannot be copied."""
    pristine = copy.deepcopy((case.path_parameters or {}, case.query or {}, case.body))

    def restored() -> Case:
        case.path_parameters, case.query, case.body = copy.deepcopy(pristine)
        return case

    return restored


def about_known_things(draw: Any, case: Case, known: Known) -> None:
    """Let the call be about what exists, most of the time; and let it not wait."""
    for name in case.path_parameters or {}:
        kind = "number" if name == "number" else "agent" if "/agents/" in case.path else "task"
        if name == "idOrName":
            kind = "swarm" if "/swarms" in case.path else "project"
        case.path_parameters[name] = _known(draw, kind, known, name, case)
    for fields in (case.query, case.body):
        if isinstance(fields, dict):
            _name_known_things(draw, fields, known)
    if case.query and "waitSeconds" in case.query:
        case.query["waitSeconds"] = 0
    if isinstance(case.body, dict) and "waitSeconds" in case.body:
        case.body["waitSeconds"] = 0
    if case.path == "/v1/pool/poll" and isinstance(case.body, dict):  # left out, it means 25 s
        case.body["wait_seconds"] = 0


def _known(draw: Any, kind: str, known: Known, name: str, case: Case) -> Any:
    is_known = known.get(kind) and draw(st.integers(0, 9)) > 0
    return draw(st.sampled_from(known[kind])) if is_known else case.path_parameters[name]


def _name_known_things(draw: Any, fields: dict[str, Any], known: Known) -> None:
    for field, kind in NAMES.items():
        if field in fields:
            if known.get(kind) and draw(st.integers(0, 9)) > 0:
                fields[field] = draw(st.sampled_from(known[kind]))
            elif field in ("project", "swarm", "cursor"):
                del fields[field]
    for field, samples in SAMPLES.items():
        if fields.get(field) is not None and draw(st.integers(0, 9)) > 0:
            fields[field] = draw(samples)
    if isinstance(fields.get("dependsOn"), list):
        ids = known.get("task", [])
        fields["dependsOn"] = draw(st.lists(st.sampled_from(ids), max_size=3, unique=True)) if ids else []
    for task in fields["tasks"] if isinstance(fields.get("tasks"), list) else ():
        if isinstance(task, dict):
            _name_known_things(draw, task, known)
