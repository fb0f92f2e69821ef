"""The REST shapes of `/swarms`, `/projects` and `/agents`, in the words of the Swarm plugin.

A sandbox is an agent with its worker: `sandboxId` is the agent's id. Lists answer `{…s, nextCursor}`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from agent_swarm.domain.messages import NAME_CHARS as CHANNEL_CHARS
from agent_swarm.domain.swarms import NAME_CHARS
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.triggers import PER_TASK
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import (
    DependencyInput,
    Id,
    Input,
    Label,
    LabelList,
    Labels,
    Output,
    Priority,
    TaskTriggerInput,
    Text,
    at_most,
)
from agent_swarm.protocol.rest_messages import ADDRESSED, Unresolved, without_sender

EXEC_SECONDS = 600.0  # a run of a task that says nothing else
RECENT = 10  # messages of a status
SANDBOXES = 200  # that are asked together

Title = Annotated[Text, Field(min_length=1, max_length=limits.TITLE_CHARS)]
Timeout = Annotated[float, Field(gt=0, le=30 * 24 * 3600)]
Role = Annotated[Text, Field(max_length=limits.LABEL_CHARS)]
PriorityWord = Literal["urgent", "high", "medium", "low"] | int
SandboxStatus = Literal["idle", "working", "offline", "stopped"]


class PluginSwarmInput(Input):
    """Body of `POST /swarms`."""

    name: Annotated[Text, Field(min_length=1, max_length=NAME_CHARS)]
    project: Label | None = None  # id or name


class PluginSettings(Output):
    """How its tasks are run: `autoClaim` is false while it is paused; the interval is that of the safety net."""

    auto_claim: bool
    claim_interval_ms: int
    exec_timeout_sec: int


class PluginSwarm(Output):
    """A swarm."""

    id: str
    name: str
    status: Literal["active", "paused", "deleted"]
    project_id: str | None
    settings: PluginSettings
    created_at: str


class PluginSwarmPage(Output):
    """Swarms, by name."""

    swarms: Annotated[list[PluginSwarm], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class PluginTaskInput(Input):
    """Body of `POST /swarms/{id}/tasks`. The agent is told the title and, below it, the description."""

    title: Title
    description: Text = ""
    tags: Labels = Field(default_factory=list)  # one of them is among the skills, tags and role of who runs it
    priority: Priority = 50  # or urgent, high, medium, low
    depends_on: Annotated[list[Label | DependencyInput], Field(max_length=limits.DEPENDENCIES)] = Field(
        default_factory=list
    )
    triggers: Annotated[list[TaskTriggerInput], Field(max_length=PER_TASK)] = Field(default_factory=list)
    project: Label | None = None  # id or name; default: the swarm's
    sandbox_id: Id | None = None  # only this one may run it
    harness: Label | None = None
    model: Label | None = None
    timeout_seconds: Timeout = EXEC_SECONDS


class PluginTaskPatch(Input):
    """Body of `PUT /swarms/{id}/tasks/{taskId}`: what is left out stays; a status is a command, where there is one."""

    title: Title | None = None
    description: Text | None = None
    tags: Labels | None = None
    priority: Priority | None = None
    status: TaskStatus | None = None


class PluginTask(Output):
    """A task. `description` is cut in lists; `sandboxId` is who has it, or had it last; `result` is its text."""

    id: str
    swarm_id: str
    title: str
    description: str
    status: str
    priority: PriorityWord
    tags: LabelList
    depends_on: Annotated[list[str], at_most(limits.PAGE_MAX)]  # the first ones
    project_id: str | None
    sandbox_id: str | None
    attempt: int
    progress: str
    result: str | None
    error: str | None
    branch: str | None
    commit: str | None
    timeout_seconds: float | None
    created_by: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    archived_at: str | None


class PluginTaskPage(Output):
    """Tasks that are not archived, newest first; a page may be short."""

    tasks: Annotated[list[PluginTask], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class PluginAgentInput(Input):
    """Body of `POST /swarms/{id}/agents`: an agent that is there joins; another one is introduced first."""

    name: Label
    sandbox_id: Id | None = None  # default: a new one
    role: Role = ""
    skills: Labels = Field(default_factory=list)
    tags: Labels = Field(default_factory=list)


class PluginAgentPatch(Input):
    """Body of `PUT /agents/{sandboxId}`: what is left out stays. `offline` has it get no work, `idle` ends that."""

    name: Label | None = None
    role: Role | None = None
    skills: Labels | None = None
    tags: Labels | None = None
    status: Literal["idle", "working", "offline", "stopped"] | None = None


class PluginAgent(Output):
    """An agent, which is a sandbox. `stopped` gets no work, `offline` has no worker that answers."""

    sandbox_id: str
    swarm_id: str | None
    name: str
    role: str
    skills: LabelList
    tags: LabelList
    status: SandboxStatus
    current_task: str | None
    last_seen_at: str


class PluginAgentPage(Output):
    """Agents, by name."""

    agents: Annotated[list[PluginAgent], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class PluginMessageInput(Input):
    """Body of `POST /swarms/{id}/chat`; `mentions` are put before the message where it does not have them."""

    message: Annotated[Text, Field(min_length=1)]
    mentions: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=CHANNEL_CHARS + 1)]], Field(max_length=ADDRESSED)
    ] = Field(default_factory=list)  # names, roles or all, with or without the @
    reply_to: Id | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_a_sender(cls, body: Any) -> Any:
        return without_sender(body)


class PluginMessage(Output):
    """A message of the chat. `mentions` are agents by id; `sender` is an actor, `fromName` its name."""

    id: str
    sender: Annotated[str, Field(alias="from")]
    from_name: str
    message: str
    mentions: Annotated[list[str], at_most(ADDRESSED)]
    mentions_all: bool
    reply_to: str | None
    created_at: str


class PluginPosted(PluginMessage):
    """A message that was sent, and mentions that reached nobody."""

    unresolved: Annotated[list[Unresolved], at_most(ADDRESSED)]


class PluginMessagePage(Output):
    """Messages, newest first."""

    messages: Annotated[list[PluginMessage], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class PluginProjectInput(Input):
    """Body of `POST /projects`: a git repository; with `swarm` it becomes that swarm's project."""

    name: Annotated[Text, Field(min_length=1, max_length=limits.LABEL_CHARS, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    git_url: Annotated[Text, Field(min_length=1, max_length=2000)]
    branch: Annotated[Text, Field(max_length=255)] = ""  # default: the repository's own
    swarm: Label | None = None


class PluginProject(Output):
    """A project."""

    id: str
    name: str
    git_url: str
    branch: str
    created_at: str


class PluginProjectPage(Output):
    """Projects, by name."""

    projects: Annotated[list[PluginProject], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class PluginWorkspace(Output):
    """A run on the project in a sandbox. Nothing was done to it; `changedFiles` are not committed."""

    task_id: str
    attempt: int
    branch: str
    head: str
    changed_files: int
    ahead: int
    behind: int
    held: bool
    problem: str


class PluginCopy(Output):
    """What became of the copy in one sandbox.

    `status`: `created`, `current`, `updated`, `diverged` (the branch was rewritten; what it was is kept), `empty`,
    `failed`, `unsupported`, `offline`, or `waiting` where no answer has come yet.
    """

    sandbox_id: str
    name: str
    ok: bool
    status: str
    branch: str
    head: str
    before: str
    error: str
    workspaces: Annotated[list[PluginWorkspace], at_most(limits.PAGE_MAX)]
    asked_at: str | None
    reported_at: str | None


class PluginSwarmProject(PluginProject):
    """A swarm's project, and what its sandboxes last reported of their copies."""

    sandboxes: Annotated[list[PluginCopy], at_most(SANDBOXES)]


class PluginSyncInput(Input):
    """Body of `POST /projects/{id}/init` and `/sync`: for the swarms that have the project, or for one."""

    swarm: Label | None = None
    wait_seconds: Annotated[float, Field(ge=0, le=120)] = 60.0


class PluginSyncReport(Output):
    """One report for each sandbox; `ok` where all of them are."""

    project_id: str
    action: Literal["init", "sync"]
    ok: bool
    sandboxes: Annotated[list[PluginCopy], at_most(SANDBOXES)]


class PluginStatus(Output):
    """`GET /swarms/{id}/status`: everything at a glance. `tasks` are numbers by status."""

    swarm: PluginSwarm
    sandboxes: int
    agents: Annotated[list[PluginAgent], at_most(limits.PAGE_MAX)]  # the first ones, by name
    tasks: dict[str, int]
    recent_chat: Annotated[list[PluginMessage], at_most(RECENT)]  # oldest first
    project: PluginProject | None
