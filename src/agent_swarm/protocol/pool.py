"""The worker protocol, `/v1/pool/*`: snake_case JSON, version 1.

A worker registers once over HTTP and then holds one WebSocket on which both sides send frames `{v, id, type, body}`.
Every frame of the worker is answered by a `reply` or `error` frame with the same `id`; frames the server sends on its
own (`claimed`, `command`, `message`, `kill`) are not answered. `POST /v1/pool/poll` carries the same frames where no
WebSocket gets through. Unknown fields are ignored, so that newer workers and servers understand each other; the
envelope keeps room for `session`, `counter` and `sig`.

Spans are seconds; a lease travels as a duration, because two machines do not share a clock.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent_swarm.domain.agent_profiles import INSTRUCTIONS_BYTES
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.protocol import limits

VERSION = 1
VERSION_HEADER = "ASP-Version"
CLOSE_SUPERSEDED = 4409  # another process runs under this AGENT_ID
CLOSE_UNAUTHENTICATED = 4401  # register again
CLOSE_PROTOCOL = 4400


class Wire(BaseModel):
    """Base of everything on the worker wire."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class FrameType(StrEnum):
    """What a frame is about. The first block is sent by workers, the second by the server."""

    HELLO = "hello"
    CREDIT = "credit"
    WITHDRAW = "withdraw"
    HEARTBEAT = "heartbeat"
    START = "start"
    PROGRESS = "progress"
    EVENTS = "events"
    USAGE = "usage"
    COMPLETE = "complete"
    FAIL = "fail"
    PAUSE = "pause"
    RELEASE = "release"
    KILLED = "killed"
    RECEIVED = "received"
    SYNCED = "synced"
    LIVE = "live"
    OVERLAPS = "overlaps"
    BYE = "bye"

    REPLY = "reply"
    ERROR = "error"
    CLAIMED = "claimed"
    COMMAND = "command"
    MESSAGE = "message"
    SYNC = "sync"
    KILL = "kill"


class Frame(Wire):
    """The envelope."""

    v: int = VERSION
    id: str = Field(max_length=64)
    type: FrameType
    body: dict[str, Any] = Field(default_factory=dict)


Id = Annotated[str, Field(min_length=36, max_length=36)]
Label = Annotated[str, Field(min_length=1, max_length=limits.LABEL_CHARS)]
Labels = Annotated[tuple[Label, ...], Field(max_length=limits.LABELS)]


class LeaseRef(Wire):
    """Names an attempt the way every write about it has to: by task and fencing token."""

    task_id: Id
    fence: int = Field(ge=1)


# --- registration ------------------------------------------------------------------------------------------------


class FirstProfile(Wire):
    """What a template says of an agent.

    It counts where no process of the agent has registered before, for what neither people nor its worker have said.
    """

    role: str = Field(default="", max_length=limits.LABEL_CHARS)
    description: str = Field(default="", max_length=2000)
    skills: Labels = ()
    tags: Labels = ()
    instructions: str = Field(default="", max_length=INSTRUCTIONS_BYTES)
    permissions: str = Field(default="", max_length=limits.LABEL_CHARS)  # a permission profile


class RegisterRequest(Wire):
    """`POST /v1/pool/register`, with the API key or an agent token as bearer."""

    agent_id: Id
    instance_id: Id  # a new one per process
    name: str = Field(min_length=1, max_length=limits.TITLE_CHARS)
    agent_role: Literal["lead", "worker"] = "worker"
    role: str = Field(default="", max_length=limits.LABEL_CHARS)
    description: str = Field(default="", max_length=2000)
    template_id: str = Field(default="", max_length=limits.LABEL_CHARS)
    harness: str = Field(default="", max_length=limits.LABEL_CHARS)  # used for tasks that name none
    skills: Labels = ()
    tags: Labels = ()
    capabilities: Labels = ()
    slots: int = Field(default=1, ge=1, le=1000)
    offers: Literal["accept", "ask"] = "accept"  # who answers what it is offered: it takes it, or somebody is asked
    held: tuple[LeaseRef, ...] = ()
    swarm: str = Field(default="", max_length=limits.LABEL_CHARS)  # to join, where it is in none: its id or name
    first: FirstProfile | None = None  # of the template `template_id`


class Timing(Wire):
    """How often the worker has to speak, in seconds.

    `radar_seconds` is the time between two looks at which of its running attempts would not merge; 0: it does not look.
    """

    lease_seconds: float = limits.LEASE_SECONDS
    heartbeat_seconds: float = limits.HEARTBEAT_SECONDS
    long_poll_seconds: float = limits.LONG_POLL_SECONDS
    radar_seconds: float = 0


class RegisterReply(Wire):
    """The agent's own token, shown once.

    `fenced` are leases of this agent that are over, `resumed` paused tasks now queued for it. `mcp` is the path of the
    MCP endpoint for its agents; servers that have none do not send it. `swarm_id` is the swarm that the agent is in.
    """

    agent_id: str
    instance_id: str
    token: str
    timing: Timing = Timing()
    fenced: tuple[LeaseRef, ...] = ()
    resumed: tuple[str, ...] = ()
    mcp: str = Field(default="", max_length=512)
    swarm_id: str = ""


# --- worker to server --------------------------------------------------------------------------------------------


class Hello(Wire):
    """First frame on a connection: what the worker holds and the claims it still waits for; lost answers are sent
    again.
    """

    instance_id: Id
    held: tuple[LeaseRef, ...] = ()
    claim_ids: tuple[Id, ...] = Field(default=(), max_length=1000)
    syncs: bool = False  # it answers `sync` frames


class Credit(Wire):
    """Free slots: one claim id each, made by the worker, answered by one `claimed` frame when there is work."""

    claim_ids: tuple[Id, ...] = Field(max_length=1000)


class Withdraw(Credit):
    """Take credits back, when draining, or to rest: `rest_seconds` is for how long, `reason` the code of the failure.

    The reply names those that were already answered: `{"claimed": [claim_id…]}`.
    """

    rest_seconds: float = Field(default=0, ge=0, le=limits.RETRY_AFTER_SECONDS)
    reason: str = Field(default="", max_length=limits.LABEL_CHARS)


class Heartbeat(Wire):
    """Renew every lease held, by timer, whether or not the agents do anything."""

    leases: tuple[LeaseRef, ...] = Field(default=(), max_length=1000)


class LeaseStatus(LeaseRef):
    """Answer per lease: `ok`, or `stale` (stop, discard). `wants` asks for `pause`."""

    status: Literal["ok", "stale"]
    wants: Literal["", "pause", "cancel"] = ""


class HeartbeatReply(Wire):
    """Body of the reply to `heartbeat`."""

    lease_seconds: float
    leases: tuple[LeaseStatus, ...] = ()


class Start(LeaseRef):
    """The agent is about to run. `enforced`: whether its permission profile is; empty where the worker knows none."""

    enforced: Literal["", "yes", "no"] = ""
    session: str = Field(default="", max_length=512)
    branch: str = Field(default="", max_length=512)


class Progress(LeaseRef):
    """A line for people."""

    text: str = Field(max_length=limits.PROGRESS_CHARS)


class Events(LeaseRef):
    """Transcript lines of an attempt, numbered from 0.

    Lines already stored are skipped, a gap is refused with `transcriptGap`.

    A line is {"at": RFC 3339, "kind": harness.base.EventKind, "data": {…}}.
    """

    attempt: int = Field(ge=1)
    first: int = Field(ge=0)
    lines: tuple[dict[str, Any], ...] = Field(max_length=limits.TRANSCRIPT_LINES_PER_FRAME)


class Usage(LeaseRef):
    """Money and tokens spent since the last one; booked also from a lease that is over. `seq` grows by one per
    attempt, from 0.
    """

    attempt: int = Field(ge=1)
    seq: int = Field(ge=0)
    input_tokens: int = Field(default=0, ge=0, le=2**53)
    output_tokens: int = Field(default=0, ge=0, le=2**53)
    cost_usd: float = Field(default=0, ge=0, le=1_000_000)
    model: str = Field(default="", max_length=limits.LABEL_CHARS)


class Where(LeaseRef):
    """What every ending tells: the conversation, and where the work is."""

    session: str = Field(default="", max_length=512)
    branch: str = Field(default="", max_length=512)
    commit: str = Field(default="", max_length=64)
    snapshot: str = Field(default="", max_length=512)
    denials: int = Field(default=0, ge=0, le=2**31 - 1)  # tool calls that were refused


class Complete(Where):
    """The run ended well."""

    text: str = Field(default="", max_length=limits.RESULT_CHARS)
    data: dict[str, Any] | None = None


class Fail(Where):
    """The run ended badly. Trying again is useless before `retry_after_seconds` are over."""

    failure: FailureClass
    code: str = Field(default="", max_length=limits.LABEL_CHARS)
    message: str = Field(default="", max_length=limits.RESULT_CHARS)
    retry_after_seconds: float = Field(default=0, ge=0, le=limits.RETRY_AFTER_SECONDS)


class Pause(Where):
    """The run was interrupted in good order and can go on."""

    reason: Literal[PauseReason.SHUTDOWN, PauseReason.PERSON]  # the kill switch's own is not the worker's to give


class Release(LeaseRef):
    """The task goes back untouched."""


class Received(LeaseRef):
    """Messages of a `message` frame, or of a claim, by id: the worker has them (`delivered`), the agent has them
    (`acknowledged`). Counts whether or not the lease is over. `refused`: this run takes none while it goes on.
    """

    delivered: tuple[Id, ...] = Field(default=(), max_length=limits.PAGE_MAX)
    acknowledged: tuple[Id, ...] = Field(default=(), max_length=limits.PAGE_MAX)
    refused: bool = False


class Killed(Wire):
    """Nothing of this worker's runs is left, after a `kill`; `runs` were there when it came. Sent until it is answered,
    and again for every `kill` that comes again.
    """

    activation: Id
    runs: int = Field(ge=0, le=1_000_000)


class WorkspaceOfAttempt(Wire):
    """A run on a project that is on the worker's disk, which nothing was done to: uncommitted files, and commits that
    its HEAD has and the project's branch has not (`ahead`), or the other way round (`behind`).
    """

    task_id: Id
    attempt: int = Field(ge=1, le=2**31 - 1)
    branch: str = Field(default="", max_length=512)
    head: str = Field(default="", max_length=64)
    changed_files: int = Field(default=0, ge=0, le=2**53)
    ahead: int = Field(default=0, ge=0, le=2**53)
    behind: int = Field(default=0, ge=0, le=2**53)
    held: bool = False  # paused: a later attempt goes on in it
    problem: str = Field(default="", max_length=limits.PROGRESS_CHARS)  # why it could not be looked at


class Synced(Wire):
    """What became of a `sync`. `status`: `created`, `current`, `updated`, `diverged` (the branch was rewritten: what it
    was before stays in the copy), `empty`, or `failed` with `code` and `error`.
    """

    request_id: Id
    project_id: Id
    status: Literal["created", "current", "updated", "diverged", "empty", "failed"]
    branch: str = Field(default="", max_length=512)
    head: str = Field(default="", max_length=64)
    before: str = Field(default="", max_length=64)
    code: str = Field(default="", max_length=limits.LABEL_CHARS)
    error: str = Field(default="", max_length=limits.RESULT_CHARS)
    workspaces: tuple[WorkspaceOfAttempt, ...] = Field(default=(), max_length=limits.PAGE_MAX)


# --- server to worker --------------------------------------------------------------------------------------------


class Project(Wire):
    """The repository to work on."""

    id: str
    name: str
    repo_url: str
    default_branch: str = ""


class Landing(Wire):
    """The task is a check of a merge queue: what its dependencies came to is merged, in their order, and the prompt is
    the project's own check. Where it passes, the worker puts the very commit that it checked on `branch` of the project
    (empty: the project's own), as long as the branch is where it began from. The result's `data` is a verdict
    (`domain.merge_queue.Verdict`).
    """

    branch: str = ""


class Dependency(Wire):
    """Another task and its accepted result."""

    task_id: str
    title: str
    text: str = ""
    branch: str = ""
    commit: str = ""


class PreviousAttempt(Wire):
    """The latest earlier attempt: how it ended and what it left.

    `context` tells what its agent did, for one that cannot go on with its conversation.
    """

    number: int
    outcome: str
    agent_id: str
    session: str = ""
    branch: str = ""
    commit: str = ""
    snapshot: str = ""
    message: str = ""
    context: str = ""


class Variable(Wire):
    """A variable of the agent's environment, from the stored configuration."""

    name: str = Field(min_length=1, max_length=limits.LABEL_CHARS)
    value: str = Field(repr=False)
    is_secret: bool = True


class Permissions(Wire):
    """What the agent may do: a permission profile that the server chose. A worker that cannot enforce a required one
    ends the attempt with failure class `policy` and code `cannotEnforce`.

    `files`: the agent changes nothing (`read`), its workspace and own folders, or what the worker's settings allow.
    `network`: none, what `allow` lists, or what the worker's settings allow. Settings are never widened.
    """

    profile: str
    required: bool = False
    files: Literal["read", "workspace", "worker"] = "workspace"
    network: Literal["off", "allow", "worker"] = "worker"
    allow: tuple[str, ...] = ()
    denied_tools: tuple[str, ...] = ()


class MessageText(Wire):
    """Something said to the agent. The server knows `sender`, an actor, by the token; the text is anybody's."""

    id: str
    number: int
    kind: str
    sender: str
    sender_name: str
    channel: str | None = None
    task_id: str | None = None
    reply_to: str | None = None
    interrupt: bool = False
    posted_at: str = ""
    text: str = Field(repr=False)


class Claimed(Wire):
    """A task for one of the worker's credits. `token` lets the agent act for this attempt only.

    `environment` is for the agent alone: it is written nowhere, and its secrets are taken out of what the agent says.
    """

    claim_id: str
    task_id: str
    attempt: int
    fence: int
    lease_seconds: float
    token: str
    title: str
    prompt: str
    harness: str | None = None
    harness_fallback: Labels = ()  # that may go on with it where its own is refused
    model: str | None = None
    labels: tuple[str, ...] = ()
    timeout_seconds: float | None = None
    parent_id: str | None = None
    project: Project | None = None
    dependencies: tuple[Dependency, ...] = ()
    previous: PreviousAttempt | None = None
    below: tuple[Dependency, ...] = ()  # what the tasks below it delivered, for an attempt that is not the first
    answers: str = ""  # what became of everything that the task asked people, and of the tasks below it
    instructions: str = ""  # what the agent is to know in every attempt, beside what its worker tells it
    environment: tuple[Variable, ...] = Field(default=(), repr=False)
    permissions: Permissions | None = None
    messages: tuple[MessageText, ...] = ()  # what waited for the agent, or for this task, oldest first
    landing: Landing | None = None
    checks_result: bool = False  # the server says before the end of a run what is wrong with its result


class Message(LeaseRef):
    """Messages for the agent of a running attempt, oldest first. Those that come again are the same, by their ids.

    One with `interrupt` ends what the agent does, so that it is read at once.
    """

    messages: tuple[MessageText, ...] = Field(max_length=1000)


class Sync(Wire):
    """Bring the copy of a project up to date and answer with `synced`. Runs on it are looked at, never touched."""

    request_id: str
    project: Project


class Command(LeaseRef):
    """What a person wants of a running attempt: `cancel` or `pause`. `cancel` comes with the fence of the attempt
    that is over.
    """

    kind: Literal["cancel", "pause"]


class Kill(Wire):
    """The kill switch is on: end every process of every run at once, without a grace, and answer with `killed`.

    It comes on every connection while the switch is on, before anything else that concerns the attempts. The attempts
    are over: nothing about them counts any more but usage. Credits wait; when the switch is lifted the connection is
    closed, so that the worker registers again. `reason` is for the worker's log.
    """

    activation: Id
    scope: Literal["all", "swarm", "agent"] = "all"
    reason: str = ""


class PollRequest(Wire):
    """`POST /v1/pool/poll`: frames of the worker, in order; waits up to `wait_seconds` for frames of the server."""

    frames: tuple[Frame, ...] = Field(default=(), max_length=1000)
    wait_seconds: float = Field(default=limits.LONG_POLL_SECONDS, ge=0, le=60)


class PollReply(Wire):
    """Answers, claims and commands."""

    frames: tuple[Frame, ...] = ()
