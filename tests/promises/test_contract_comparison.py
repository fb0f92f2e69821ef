"""Every kind of break is found, and every addition that harms nobody passes."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from scripts.contract import registries, rest
from scripts.contract.change import Change
from scripts.contract.frozen import CONTRACTS
from scripts.contract.shapes import Comparison, Direction

Schema = dict[str, Any]
Edit = Callable[[Any], object]

IN, OUT = Direction.INPUT, Direction.OUTPUT
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
MAYBE: Schema = {"anyOf": [TEXT, {"type": "null"}]}


def fields(required: Iterable[str] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def values(*names: str) -> Schema:
    return {"type": "string", "enum": list(names)}


def compared(old: Schema, new: Schema, direction: Direction) -> list[Change]:
    return [*Comparison(old, new, direction).of(old, new, "x")]


BREAKS = [
    (IN, fields(a=TEXT), fields(["b"], a=TEXT, b=TEXT), "x: added the required field b"),
    (IN, fields(a=TEXT), fields(["a"], a=TEXT), "x.a: has to be there now"),
    (IN, fields(a=TEXT), fields(), "x: removed the field a"),
    (IN, TEXT, WHOLE, "x: is no longer string"),
    (IN, NUMBER, WHOLE, "x: is no longer number"),
    (IN, MAYBE, TEXT, "x: is no longer null"),
    (IN, {}, TEXT, "x: is no longer any"),
    (IN, values("a", "b"), values("a"), "x: removed the value 'b'"),
    (IN, TEXT, values("a"), "x: takes listed values only"),
    (IN, TEXT, TEXT | {"maxLength": 9}, "x: got the bound maxLength 9"),
    (IN, WHOLE | {"maximum": 9}, WHOLE | {"maximum": 8}, "x: moved maximum from 9 to 8"),
    (IN, WHOLE | {"minimum": 0}, WHOLE | {"minimum": 1}, "x: moved minimum from 0 to 1"),
    (IN, TEXT, TEXT | {"pattern": "a"}, "x: got the bound pattern 'a'"),
    (IN, TEXT | {"default": "a"}, TEXT | {"default": "b"}, "x: changed the default from 'a' to 'b'"),
    (IN, fields(), fields() | {"additionalProperties": False}, "x: takes no other fields any more"),
    (IN, {"type": "array", "items": MAYBE}, {"type": "array", "items": TEXT}, "x[]: is no longer null"),
    (OUT, fields(["a"], a=TEXT), fields(), "x: removed the field a"),
    (OUT, fields(["a"], a=TEXT), fields(a=TEXT), "x.a: may be missing now"),
    (OUT, TEXT, WHOLE, "x: may be integer"),
    (OUT, WHOLE, NUMBER, "x: may be number"),
    (OUT, TEXT, MAYBE, "x: may be null"),
    (OUT, TEXT, {}, "x: may be any"),
    (OUT, values("a", "b"), values("a"), "x: removed the value 'b'"),
    (OUT, values("a"), TEXT, "x: may have any value"),
    (OUT, TEXT | {"format": "uuid"}, TEXT, "x: lost the bound format 'uuid'"),
    (OUT, {"type": "object"} | {"additionalProperties": TEXT}, {"type": "object"}, "x.*: may be any"),
    (OUT, {"type": "array", "items": TEXT}, {"type": "array", "items": WHOLE}, "x[]: may be integer"),
]
ALLOWED = [
    (IN, fields(), fields(a=TEXT)),
    (IN, fields(["a"], a=TEXT), fields(a=TEXT | {"default": ""})),
    (IN, WHOLE, NUMBER),
    (IN, TEXT, MAYBE),
    (IN, TEXT, {}),
    (IN, values("a"), values("a", "b")),
    (IN, values("a"), TEXT),
    (IN, TEXT | {"maxLength": 9}, TEXT | {"maxLength": 10}),
    (IN, TEXT | {"maxLength": 9}, TEXT),
    (IN, TEXT | {"pattern": "a"}, TEXT),
    (IN, fields() | {"additionalProperties": False}, fields()),
    (OUT, fields(["a"], a=TEXT), fields(["a", "b"], a=TEXT, b=TEXT)),
    (OUT, fields(a=TEXT), fields(["a"], a=TEXT)),
    (OUT, NUMBER, WHOLE),
    (OUT, MAYBE, TEXT),
    (OUT, {}, TEXT),
    (OUT, values("a"), values("a", "b")),
    (OUT, TEXT, values("a")),
    (OUT, TEXT, TEXT | {"format": "uuid"}),
    (OUT, {"type": "array", "maxItems": 20}, {"type": "array", "maxItems": 10}),
]


@pytest.mark.parametrize(("direction", "old", "new", "told"), BREAKS, ids=[f"{d.name}-{t}" for d, _, _, t in BREAKS])
def test_given_a_narrower_schema_when_it_is_compared_then_the_break_is_told(
    direction: Direction, old: Schema, new: Schema, told: str
) -> None:
    assert told in [str(change) for change in compared(old, new, direction) if change.breaks]


@pytest.mark.parametrize(("direction", "old", "new"), ALLOWED)
def test_given_an_addition_when_it_is_compared_then_it_is_told_and_breaks_nothing(
    direction: Direction, old: Schema, new: Schema
) -> None:
    changes = compared(old, new, direction)
    assert not [str(change) for change in changes if change.breaks]
    assert changes or (direction, old) == (IN, fields(["a"], a=TEXT))


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("schema", [old for _, old, *_ in BREAKS])
def test_given_the_same_schema_when_it_is_compared_then_nothing_is_told(direction: Direction, schema: Schema) -> None:
    assert compared(schema, copy.deepcopy(schema), direction) == []


def test_given_a_model_that_holds_itself_when_it_is_compared_then_it_is_looked_at_once_by_its_name() -> None:
    def tree(**more: Schema) -> Schema:
        node = fields(children={"type": "array", "items": {"$ref": "#/$defs/Tree"}}, **more)
        return {"$ref": "#/$defs/Tree", "$defs": {"Tree": node}}

    changes = compared(tree(name=TEXT), tree(), OUT)

    assert [str(change) for change in changes] == ["Tree: removed the field name"]


def test_given_one_of_several_objects_when_it_loses_a_field_then_that_is_a_break() -> None:
    either = {"anyOf": [fields(["a"], a=TEXT), fields(["b"], b=TEXT)]}
    neither = {"anyOf": [fields(["a"], a=TEXT), fields(["c"], c=TEXT)]}

    assert [change.breaks for change in compared(either, neither, OUT)] == [True]
    assert compared(either, {"anyOf": either["anyOf"][::-1]}, OUT) == []


OPERATION = {
    "operationId": "list_tasks",
    "security": [{"bearer": []}],
    "x-token-kinds": ["operator"],
    "x-scopes": ["tasks:read"],
    "parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 200}}],
    "requestBody": {"content": {"application/json": {"schema": fields(a=TEXT)}}},
    "responses": {
        "200": {"content": {"application/json": {"schema": fields(["id"], id=TEXT)}}},
        "404": {"description": "no"},
    },
}
DOCUMENT = {
    "paths": {"/t": {"get": OPERATION}},
    "x-error-codes": {"busy": {"status": 503, "retryable": True}},
}


def edited(document: Any, edit: Edit) -> Any:
    """A copy, changed."""
    changed = copy.deepcopy(document)
    edit(changed)
    return changed


def operation(edit: Edit) -> Any:
    return edited(DOCUMENT, lambda document: edit(document["paths"]["/t"]["get"]))


REST_BREAKS = {
    "paths: removed the operation GET /t": edited(DOCUMENT, lambda d: d["paths"].clear()),
    "GET /t: changed operationId from 'list_tasks' to 'tasks'": operation(lambda o: o.update(operationId="tasks")),
    "GET /t: removed the kind of token operator": operation(lambda o: o["x-token-kinds"].clear()),
    "GET /t: removed the sufficient scope tasks:read": operation(lambda o: o["x-scopes"].clear()),
    "GET /t: removed the parameter query.limit": operation(lambda o: o["parameters"].clear()),
    "GET /t: added the required parameter query.q": operation(
        lambda o: o["parameters"].append({"in": "query", "name": "q", "required": True, "schema": TEXT})
    ),
    "GET /t query.limit: has to be there now": operation(lambda o: o["parameters"][0].update(required=True)),
    "GET /t query.limit: moved maximum from 200 to 100": operation(
        lambda o: o["parameters"][0]["schema"].update(maximum=100)
    ),
    "GET /t body: has to be there now": operation(lambda o: o["requestBody"].update(required=True)),
    "GET /t body: removed the media type application/json": operation(lambda o: o["requestBody"]["content"].clear()),
    "GET /t body: removed the field a": operation(
        lambda o: o["requestBody"]["content"]["application/json"].update(schema=fields())
    ),
    "GET /t: removed the success 200": operation(lambda o: o["responses"].pop("200")),
    "GET /t: added the success 202": operation(lambda o: o["responses"].update({"202": {}})),
    "GET /t 200: removed the field id": operation(
        lambda o: o["responses"]["200"]["content"]["application/json"].update(schema=fields())
    ),
    "x-error-codes: removed the code busy": edited(DOCUMENT, lambda d: d["x-error-codes"].clear()),
    "x-error-codes busy: changed status from 503 to 500": edited(
        DOCUMENT, lambda d: d["x-error-codes"]["busy"].update(status=500)
    ),
}
REST_ADDITIONS = [
    edited(DOCUMENT, lambda d: d["paths"].update({"/u": {"get": OPERATION}})),
    operation(lambda o: o["x-token-kinds"].append("attempt")),
    operation(lambda o: o["x-scopes"].append("tasks:write")),
    operation(lambda o: o["parameters"].append({"in": "query", "name": "q", "schema": TEXT})),
    operation(lambda o: o["responses"].pop("404")),
    edited(DOCUMENT, lambda d: d["x-error-codes"].update(slow={"status": 503})),
]


@pytest.mark.parametrize("told", REST_BREAKS)
def test_given_a_document_that_offers_less_when_it_is_compared_then_the_break_is_told(told: str) -> None:
    assert [str(change) for change in rest.changes(DOCUMENT, REST_BREAKS[told]) if change.breaks] == [told]


@pytest.mark.parametrize("document", REST_ADDITIONS)
def test_given_a_document_that_offers_more_when_it_is_compared_then_nothing_breaks(document: Any) -> None:
    assert not [change for change in rest.changes(DOCUMENT, document) if change.breaks]


EVENTS = {
    "envelope": fields(["seq"], seq=WHOLE),
    "types": {"task.created": {"subject": "task", "data": {"title": "always", "reason": "sometimes"}, "version": 1}},
}
EVENT_BREAKS: dict[str, Edit] = {
    "types: removed the event task.created": lambda e: e["types"].clear(),
    "task.created: changed subject from 'task' to 'project'": lambda e: e["types"]["task.created"].update(
        subject="project"
    ),
    "task.created: changed version from 1 to 2": lambda e: e["types"]["task.created"].update(version=2),
    "task.created: removed the field reason": lambda e: e["types"]["task.created"]["data"].pop("reason"),
    "task.created.title: may be missing now": lambda e: e["types"]["task.created"]["data"].update(title="sometimes"),
    "envelope: removed the field seq": lambda e: e.update(envelope=fields()),
}


@pytest.mark.parametrize("told", EVENT_BREAKS)
def test_given_events_that_tell_less_when_they_are_compared_then_the_break_is_told(told: str) -> None:
    changes = registries.event_changes(EVENTS, edited(EVENTS, EVENT_BREAKS[told]))
    assert [str(change) for change in changes if change.breaks] == [told]


def test_given_events_that_tell_more_when_they_are_compared_then_nothing_breaks() -> None:
    def more(events: Any) -> None:
        events["types"]["task.lost"] = {"subject": "task", "data": {}, "version": 1}
        events["types"]["task.created"]["data"] |= {"reason": "always", "by": "always"}

    changes = registries.event_changes(EVENTS, edited(EVENTS, more))
    assert [(str(change), change.breaks) for change in changes] == [
        ("types: added the event task.lost", False),
        ("task.created: added the field by", False),
    ]


PROTOCOL = {
    "version": 1,
    "versionHeader": "ASP-Version",
    "closeCodes": {"4400": "no frame"},
    "fromWorker": {"start": fields(["task_id"], task_id=TEXT)},
    "fromServer": {"claimed": fields(["task_id"], task_id=TEXT)},
}
PROTOCOL_BREAKS: dict[str, Edit] = {
    "protocol: changed version from 1 to 2": lambda p: p.update(version=2),
    "closeCodes: removed the code 4400": lambda p: p["closeCodes"].clear(),
    "fromWorker: removed the message start": lambda p: p["fromWorker"].clear(),
    "fromServer: removed the message claimed": lambda p: p["fromServer"].clear(),
    "fromWorker start: added the required field fence": lambda p: p["fromWorker"].update(
        start=fields(["task_id", "fence"], task_id=TEXT, fence=WHOLE)
    ),
    "fromServer claimed.task_id: may be missing now": lambda p: p["fromServer"].update(claimed=fields(task_id=TEXT)),
}


@pytest.mark.parametrize("told", PROTOCOL_BREAKS)
def test_given_frames_that_older_workers_do_not_know_when_they_are_compared_then_the_break_is_told(told: str) -> None:
    changes = registries.protocol_changes(PROTOCOL, edited(PROTOCOL, PROTOCOL_BREAKS[told]))
    assert [str(change) for change in changes if change.breaks] == [told]


def test_given_frames_with_more_in_them_when_they_are_compared_then_nothing_breaks() -> None:
    def more(protocol: Any) -> None:
        protocol["fromServer"] = {"claimed": fields(["task_id", "n"], task_id=TEXT, n=WHOLE), "offer": TEXT}
        protocol["fromWorker"] = {"start": fields(["task_id"], task_id=TEXT, pid=WHOLE), "accept": TEXT}
        protocol["closeCodes"]["4500"] = "later"

    assert not [c for c in registries.protocol_changes(PROTOCOL, edited(PROTOCOL, more)) if c.breaks]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_given_a_whole_contract_when_it_is_compared_with_itself_then_nothing_is_told(contract: Any) -> None:
    assert contract.changes(contract.now(), contract.now()) == []
