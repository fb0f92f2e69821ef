"""The contracts as the code has them now, in a form that stays the same while they do."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from scripts.docs.routes import app
from scripts.docs.worker_protocol import BODIES, CLOSES, FROM_SERVER

from agent_swarm.protocol import pool, pool_radar, rest
from agent_swarm.protocol.events import EVENT_TYPES
from agent_swarm.protocol.pool import FrameType
from agent_swarm.server.problems import ErrorReply
from agent_swarm.store.records import Event

_VERSION = Event._field_defaults["v"]  # of every type, so far
_STRING = {"type": "string"}
_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


def _object(**fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": fields, "required": sorted(fields)}


# What the body of a `reply` holds where no model says it: server.pool.exchange and server.pool.reports.
_TOLD = _object(status=_STRING, repeated={"type": "boolean"})
_REPLIES: Mapping[FrameType, Mapping[str, Any]] = {
    FrameType.CREDIT: _NOTHING,
    FrameType.WITHDRAW: _object(claimed={"type": "array", "items": _STRING}),
    FrameType.START: _TOLD,
    FrameType.PROGRESS: _TOLD,
    FrameType.EVENTS: _object(next={"type": "integer"}),
    FrameType.USAGE: _object(booked={"type": "boolean"}),
    FrameType.COMPLETE: _TOLD,
    FrameType.FAIL: _TOLD,
    FrameType.PAUSE: _TOLD,
    FrameType.RELEASE: _TOLD,
    FrameType.KILLED: _NOTHING,
    FrameType.RECEIVED: _object(noted={"type": "integer"}),
    FrameType.SYNCED: _object(noted={"type": "boolean"}),
    FrameType.OVERLAPS: _object(noted={"type": "integer"}),
    FrameType.BYE: _NOTHING,
}
_HEARTBEAT_REPLIES = (FrameType.HELLO, FrameType.HEARTBEAT)


def openapi() -> dict[str, Any]:
    """The document that the server serves, without the version of the program: that changes by itself."""
    served = dict(app().openapi())
    served["info"] = {key: value for key, value in served["info"].items() if key != "version"}
    return served


def events() -> dict[str, Any]:
    """Every type of event: what it is about, what its `data` holds, and the version of its shape."""
    envelope = rest.Event.model_json_schema(mode="serialization")
    definitions = envelope.pop("$defs")
    types = {name: _event(name, text) for name, text in EVENT_TYPES.items()}
    return {"envelope": envelope, "$defs": definitions, "types": types}


def _event(name: str, text: str) -> dict[str, Any]:
    meaning, _, fields = text.partition(": {")
    names = [field.strip() for field in fields.rstrip("}").split(",") if field.strip()]
    data = {field.rstrip("?"): "sometimes" if field.endswith("?") else "always" for field in names}
    return {"meaning": meaning, "subject": name.partition(".")[0], "data": data, "version": _VERSION}


def worker_protocol() -> dict[str, Any]:
    """The frames of both sides with the schemas of their bodies, and the bodies of the two routes."""
    sent: dict[str, type[BaseModel]] = {
        "frame": pool.Frame,
        "POST /v1/pool/register": pool.RegisterRequest,
        "POST /v1/pool/poll": pool.PollRequest,
    }
    answered: dict[str, type[BaseModel]] = {
        "frame": pool.Frame,
        "POST /v1/pool/register": pool.RegisterReply,
        "POST /v1/pool/poll": pool.PollReply,
        "error": ErrorReply,
    }
    for kind, model in BODIES.items():
        (answered if kind in FROM_SERVER else sent)[kind.value] = model
    answered.update({f"reply to {kind.value}": pool.HeartbeatReply for kind in _HEARTBEAT_REPLIES})
    answered[f"reply to {FrameType.LIVE.value}"] = pool_radar.LiveReply
    references, definitions = models_json_schema(
        [*((one, "validation") for one in sent.values()), *((one, "serialization") for one in answered.values())]
    )
    replies = {f"reply to {kind.value}": schema for kind, schema in _REPLIES.items()}
    return {
        "version": pool.VERSION,
        "versionHeader": pool.VERSION_HEADER,
        "closeCodes": {str(code): why for code, why, _ in CLOSES},
        "fromWorker": {FrameType.BYE.value: _NOTHING, **{k: references[m, "validation"] for k, m in sent.items()}},
        "fromServer": {**replies, **{k: references[m, "serialization"] for k, m in answered.items()}},
        **definitions,
    }
