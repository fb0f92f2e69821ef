"""`docs/reference/worker-protocol.md`: how workers and the server talk."""

import inspect
from collections.abc import Iterable, Mapping
from enum import StrEnum

from pydantic import BaseModel
from scripts.docs import schemas
from scripts.docs.markdown import block, codes, page, sentence, table

from agent_swarm.domain.errors import Superseded, Unauthenticated
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.protocol import limits, pool, pool_radar
from agent_swarm.protocol.pool import FrameType

FROM_SERVER = (
    FrameType.REPLY,
    FrameType.ERROR,
    FrameType.CLAIMED,
    FrameType.COMMAND,
    FrameType.MESSAGE,
    FrameType.SYNC,
    FrameType.KILL,
)
BODIES: dict[FrameType, type[BaseModel]] = {
    FrameType.HELLO: pool.Hello,
    FrameType.CREDIT: pool.Credit,
    FrameType.WITHDRAW: pool.Withdraw,
    FrameType.HEARTBEAT: pool.Heartbeat,
    FrameType.START: pool.Start,
    FrameType.PROGRESS: pool.Progress,
    FrameType.EVENTS: pool.Events,
    FrameType.USAGE: pool.Usage,
    FrameType.COMPLETE: pool.Complete,
    FrameType.FAIL: pool.Fail,
    FrameType.PAUSE: pool.Pause,
    FrameType.RELEASE: pool.Release,
    FrameType.KILLED: pool.Killed,
    FrameType.RECEIVED: pool.Received,
    FrameType.SYNCED: pool.Synced,
    FrameType.LIVE: pool_radar.Live,
    FrameType.OVERLAPS: pool_radar.Overlaps,
    FrameType.CLAIMED: pool.Claimed,
    FrameType.MESSAGE: pool.Message,
    FrameType.SYNC: pool.Sync,
    FrameType.COMMAND: pool.Command,
    FrameType.KILL: pool.Kill,
}
# What the `reply` to a frame holds: server.pool.exchange and server.pool.reports.
REPLIES = {
    FrameType.HELLO: "a HeartbeatReply for the leases in `held`",
    FrameType.CREDIT: "`{}`; the answer to a credit is a `claimed` frame",
    FrameType.WITHDRAW: '`{"claimed": [claim_id…]}`: credits that have a claim all the same',
    FrameType.HEARTBEAT: "a HeartbeatReply",
    FrameType.EVENTS: '`{"next": n}`: the number of the line to send next',
    FrameType.USAGE: '`{"booked": true}`, false where it was booked before',
    FrameType.KILLED: "`{}`",
    FrameType.RECEIVED: '`{"noted": n}`: how many deliveries that moved',
    FrameType.SYNCED: '`{"noted": true}`, false where nobody waits for it any more',
    FrameType.LIVE: "a LiveReply",
    FrameType.OVERLAPS: '`{"noted": n}`: how many pairs changed by that',
    FrameType.BYE: "`{}`, then the connection is closed",
}
REPLY_TO_COMMANDS = '`{"status": "…", "repeated": false}`: the task\'s status, and whether the same was done before'
WITHOUT_BODY = {
    FrameType.BYE: "The worker leaves in good order.",
    FrameType.REPLY: "The answer to a frame, with its `id`; what it holds depends on that frame.",
    FrameType.ERROR: "The refusal of a frame, with its `id`; the body is an [error](errors.md). A credit that can "
    "never be answered is refused under its claim id.",
}
OTHERS = (
    *(pool.RegisterRequest, pool.FirstProfile, pool.RegisterReply, pool.Timing),
    *(pool.HeartbeatReply, pool.LeaseStatus, pool.LeaseRef),
    *(
        pool.Project,
        pool.Landing,
        pool.Dependency,
        pool.PreviousAttempt,
        pool.Permissions,
        pool.Variable,
        pool.MessageText,
        pool.WorkspaceOfAttempt,
        pool_radar.LiveAttempt,
        pool_radar.LiveReply,
        pool_radar.OtherAttempt,
        pool_radar.Overlap,
        pool.PollRequest,
        pool.PollReply,
        pool.Frame,
    ),
)

ROUTES = f"""
## Routes

`POST /v1/pool/register` first, with the API key or the agent's own token: a worker says who it is and what it can
do, and gets its token. Then one WebSocket at `/v1/pool/socket` with that token; the first frame is `hello`, within
10 s. Where no WebSocket gets through, `POST /v1/pool/poll` carries the same frames in both directions.

The header `{pool.VERSION_HEADER}: {pool.VERSION}` names the version; another one is refused with 426 and the list of
versions that the server speaks. No header means {pool.VERSION}.
"""

ORDER = f"""
## How a conversation goes

1. `hello` names the leases held and the credits not answered yet; what was lost on the way is sent again. 2.
`credit` offers free slots: one claim id each, made by the worker, unique for ever. 3. The server answers a credit
with `claimed` as soon as there is a task for it. It may take a while; no poll is needed. 4. `heartbeat` every
{limits.HEARTBEAT_SECONDS:g} s renews all leases; each lasts {limits.LEASE_SECONDS:g} s. Its answer
   says which are stale, and whether a person wants a pause.
5. `start`, then `progress`, `events` and `usage`, and at the end one of `complete`, `fail`, `pause`, `release`.
6. `withdraw` takes credits back before leaving, `bye` ends it.

Every frame of a worker may be sent again after a broken connection: the same again is answered as the first time. A
write that carries an old fencing token is refused with `staleLease`: stop the run and discard its result. Only
`usage` is booked all the same.
"""

CLOSES = (
    (
        pool.CLOSE_PROTOCOL,
        "the first frame was no `hello`, or a message was no frame",
        "a fault of the client: correct it",
    ),
    (pool.CLOSE_UNAUTHENTICATED, sentence(Unauthenticated.__doc__ or ""), "register again"),
    (pool.CLOSE_SUPERSEDED, sentence(Superseded.__doc__ or ""), "stop"),
    (1000, "after `bye`, or because the same process has connected again", "nothing"),
    (1008, "the worker does not read what it is sent", "connect again"),
    (1009, f"a frame had more than {limits.FRAME_BYTES:,} bytes", "send less at once"),
    (1012, "the server restarts", "connect again"),
    (1013, "the server starts, or cannot read its store now", "connect again in a moment"),
)


_ENUMERATIONS: Mapping[str, type[StrEnum]] = {cls.__name__: cls for cls in (FailureClass, PauseReason)}


def render() -> str:
    """The page."""
    by_worker = [kind for kind in FrameType if kind not in FROM_SERVER]
    return page(
        "Worker protocol",
        *(inspect.getdoc(pool) or "").split("\n\n"),
        block(
            '{"v": 1, "id": "17", "type": "heartbeat", "body": {"leases": [{"task_id": "0197…", "fence": 3}]}}', "json"
        ),
        ROUTES,
        ORDER,
        "## Close codes of the WebSocket\n\n" + table(("Code", "Why", "What to do"), _closes()),
        "## Frames of the worker",
        *map(_frame, by_worker),
        "## Frames of the server",
        *map(_frame, FROM_SERVER),
        "## Other shapes",
        *(_model(model.__name__, model) for model in OTHERS),
        source="`protocol/pool.py`",
    )


def _closes() -> Iterable[tuple[str, ...]]:
    return [(str(number), why, remedy) for number, why, remedy in CLOSES]


def _frame(kind: FrameType) -> str:
    model = BODIES.get(kind)
    about = WITHOUT_BODY[kind] if model is None else inspect.getdoc(model) or ""
    parts = [f"### `{kind.value}`", about, _fields(model) if model is not None else ""]
    if kind not in FROM_SERVER:
        parts.append(f"Reply: {REPLIES.get(kind, REPLY_TO_COMMANDS)}.")
    return "\n\n".join(filter(None, parts))


def _model(name: str, model: type[BaseModel]) -> str:
    return "\n\n".join(filter(None, [f"### {name}", inspect.getdoc(model) or "", _fields(model)]))


def _fields(model: type[BaseModel]) -> str:
    return schemas.fields(model.model_json_schema(), _link)


def _link(name: str) -> str:
    """Enumerations are shown by their values; models have a section, under their frame's name where they have one."""
    if name == FrameType.__name__:
        return "a type of frame"
    if name in _ENUMERATIONS:
        return codes(_ENUMERATIONS[name], between=" or ")
    return schemas.link_here(name)
