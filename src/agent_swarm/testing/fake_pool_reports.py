"""What the frames about an attempt mean to the fake pool."""

import hashlib
import json
from collections.abc import Mapping

from agent_swarm.domain import commands
from agent_swarm.domain.errors import Conflict
from agent_swarm.domain.provider_limits import is_limit
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol import pool
from agent_swarm.protocol.pool import Frame, FrameType


def parsed(frame: Frame) -> tuple[pool.LeaseRef, commands.Fenced, Mapping[str, str]]:
    """A frame's body, the command it stands for, and what it tells about the attempt."""
    body: pool.LeaseRef
    about = {"task_id": str(frame.body.get("task_id")), "fence": int(frame.body.get("fence", 0))}
    digest = hashlib.sha256(json.dumps(frame.body, sort_keys=True).encode()).hexdigest()
    command: commands.Fenced
    match frame.type:
        case FrameType.START:
            body, command = pool.Start.model_validate(frame.body), commands.Start(**about)  # type: ignore[arg-type]
        case FrameType.COMPLETE:
            body = pool.Complete.model_validate(frame.body)
            command = commands.Complete(**about, digest=digest)  # type: ignore[arg-type]
        case FrameType.FAIL:
            body = pool.Fail.model_validate(frame.body)
            failure = FailureClass(body.failure)
            after = round(body.retry_after_seconds * SECOND)
            limit = is_limit(failure, body.code)
            told = {**about, "failure": failure, "digest": digest, "retry_after": after, "is_limit": limit}
            command = commands.Fail(**told)  # type: ignore[arg-type]
        case FrameType.PAUSE:
            body = pool.Pause.model_validate(frame.body)
            command = commands.Pause(**about, reason=PauseReason(body.reason))  # type: ignore[arg-type]
        case FrameType.RELEASE:
            body, command = pool.Release.model_validate(frame.body), commands.Release(**about)  # type: ignore[arg-type]
        case _:
            raise Conflict(f"the fake pool does not know {frame.type.value!r}")
    names = ("session", "branch", "commit", "snapshot")
    return body, command, {name: str(getattr(body, name, "")) for name in names}
