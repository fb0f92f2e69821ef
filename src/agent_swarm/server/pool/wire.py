"""Frames as they travel: one JSON object a message."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.types import Scope

from agent_swarm.domain.errors import InvalidInput, SwarmError
from agent_swarm.protocol.errors import ProtocolVersion, error_body
from agent_swarm.protocol.pool import VERSION, VERSION_HEADER, Frame, FrameType
from agent_swarm.server.problems import from_validation

SUPPORTED = (VERSION,)
ID_CHARS = 64  # protocol.pool.Frame.id

_FRAME: TypeAdapter[Frame] = TypeAdapter(Frame)
_HEADER = VERSION_HEADER.lower().encode()


class UnreadableEnvelope(InvalidInput):
    """It cannot be told which frame this is, so it cannot be answered."""


class MalformedFrame(Exception):
    """A frame that can be answered, with `refusal`, and not understood."""

    def __init__(self, frame_id: str, refusal: SwarmError) -> None:
        super().__init__(refusal.message)
        self.frame_id = frame_id
        self.refusal = refusal


def read_frame(raw: str | bytes) -> Frame:
    """The frame in one message; raises MalformedFrame, or UnreadableEnvelope where there is not even an id."""
    try:
        frame = _FRAME.validate_json(raw)
    except ValidationError as exc:
        raise MalformedFrame(_id_of(raw), from_validation(exc)) from exc
    if frame.v not in SUPPORTED:
        raise MalformedFrame(frame.id, unsupported(frame.v))
    return frame


def read_object(sent: Mapping[str, Any]) -> Frame:
    """The frame in one object of a poll; raises as `read_frame`."""
    return read_frame(_dumped(sent))


def reply(frame_id: str, body: Mapping[str, Any]) -> bytes:
    """The answer to a frame."""
    return _encoded(frame_id, FrameType.REPLY, body)


def error(frame_id: str, refusal: SwarmError) -> bytes:
    """The refusal of a frame; or of a credit, then with its claim id in the place of the frame's."""
    return _encoded(frame_id, FrameType.ERROR, error_body(refusal))


def push(frame_type: FrameType, push_id: str, body: Mapping[str, Any]) -> bytes:
    """A frame the server sends on its own."""
    return _encoded(push_id, frame_type, body)


def require_version(scope: Scope) -> None:
    """Raises ProtocolVersion unless this server speaks the version that the request names; none named means 1."""
    for name, value in scope["headers"]:
        if name == _HEADER and value.strip() not in (b"", str(VERSION).encode()):
            raise unsupported(value.decode("latin-1").strip()[:16])


def unsupported(version: int | str) -> ProtocolVersion:
    """The worker is older or newer than what this server speaks."""
    return ProtocolVersion(
        f"the worker speaks protocol version {version}, this server speaks {', '.join(map(str, SUPPORTED))}",
        hint="upgrade the older of the two",
        details={"supported": list(SUPPORTED)},
    )


def _encoded(frame_id: str, frame_type: FrameType, body: Mapping[str, Any]) -> bytes:
    return _dumped({"v": VERSION, "id": frame_id, "type": frame_type.value, "body": body})


def _dumped(frame: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(frame)
    except TypeError:  # what a worker sent may hold a number of any size, and is told back to it
        return json.dumps(frame, default=str).encode()


def _id_of(raw: str | bytes) -> str:
    try:
        envelope = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise UnreadableEnvelope(f"this is no JSON: {exc}", hint="send one frame per message") from exc
    frame_id = envelope.get("id") if isinstance(envelope, dict) else None
    if not isinstance(frame_id, str) or len(frame_id) > ID_CHARS:
        raise UnreadableEnvelope(
            "this is no frame: it has no readable id", hint='send {"v": 1, "id": …, "type": …, "body": {…}}'
        )
    return frame_id
