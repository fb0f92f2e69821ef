"""The REST shapes: camelCase JSON, unknown fields refused in input.

Instants are RFC 3339 UTC with milliseconds and `Z`, spans are `…Seconds`. Lists answer `{…s, nextCursor}` with
`nextCursor` null at the end: tasks newest first, agents and projects by name, attempts in their order.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.priority import DEFAULT_PRIORITY, PRIORITY_NAMES
from agent_swarm.domain.triggers import PER_TASK, TriggerEvent
from agent_swarm.domain.webhooks import URL_CHARS
from agent_swarm.protocol import limits


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("contains a NUL character, which cannot be stored; remove it")
    return text


def _uuid(text: str) -> str:
    normal = normalize_id(text)
    if normal is None:
        raise ValueError("is not a UUID such as 0197a1c2-5b7e-7c3d-9e4f-0123456789ab")
    return normal


def _priority(value: Any) -> Any:
    return PRIORITY_NAMES.get(value.lower(), value) if isinstance(value, str) else value


def at_most(number: int) -> Any:
    """Say how long a list of an answer gets. Not checked: an answer that breaks it is a fault of whoever made it."""
    return Field(json_schema_extra={"maxItems": number})


Text = Annotated[str, AfterValidator(_without_nul)]
Id = Annotated[str, AfterValidator(_uuid)]
Label = Annotated[Text, Field(min_length=1, max_length=limits.LABEL_CHARS)]
Labels = Annotated[list[Label], Field(max_length=limits.LABELS)]
LabelList = Annotated[list[str], at_most(limits.LABELS)]
Priority = Annotated[int, Field(ge=0, le=100, strict=True), BeforeValidator(_priority)]


class Input(BaseModel):
    """Base of what clients send."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Output(BaseModel):
    """Base of what clients get."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class RequiresInput(Input):
    """Hard requirements: the worker has every tag, and a capability for every pattern."""

    tags: Labels = Field(default_factory=list)
    capabilities: Labels = Field(default_factory=list)
    any_tag: Labels = Field(default_factory=list)  # one of these is among the skills, tags and role of the agent


class DependencyInput(Input):
    """A task to wait for, and what its failure means: `fail` (default), `skip` or `wait`."""

    task: Label  # a task id, or the `ref` of another task of the batch
    on_failure: OnFailure = OnFailure.FAIL


class TaskBudgetInput(Input):
    """What a task may cost, and how often it may be tried; at least one of the caps."""

    usd: Annotated[float, Field(gt=0, le=1_000_000_000)] | None = None
    tokens: Annotated[int, Field(ge=1, le=10**15, strict=True)] | None = None
    attempts: Annotated[int, Field(ge=1, le=10**9, strict=True)] | None = None  # that may begin
    at_once: Annotated[int, Field(ge=1, le=10**6, strict=True)] | None = None  # that may be under way
    estimate_usd: Annotated[float, Field(gt=0, le=1_000_000_000)] | None = None  # of one attempt
    estimate_tokens: Annotated[int, Field(ge=1, le=10**15, strict=True)] | None = None


class PlainTaskInput(Input):
    """A task by itself: what it is about, and who may run it how."""

    prompt: Annotated[Text, Field(min_length=1)]
    title: Annotated[Text, Field(min_length=1, max_length=limits.TITLE_CHARS)] | None = (
        None  # default: the prompt's first line
    )
    harness: Label | None = None  # default: the one of the agent that runs it
    model: Label | None = None
    priority: Priority = DEFAULT_PRIORITY  # or urgent, high, medium, low
    tags: Labels = Field(default_factory=list)  # soft labels
    requires: RequiresInput = Field(
        default_factory=RequiresInput, json_schema_extra={"default": {"tags": [], "capabilities": []}}
    )
    agent_id: Id | None = None  # only this agent may run it
    offer_to: Id | None = None  # this agent is asked first; it may accept or reject
    offer_seconds: Annotated[float, Field(ge=1, le=limits.OFFER_SECONDS_MAX)] = limits.OFFER_SECONDS  # to answer in
    project: Label | None = None  # id or name; default: its swarm's
    swarm: Label | None = None  # id or name; only agents of that swarm may run it
    timeout_seconds: Annotated[float, Field(gt=0, le=30 * 24 * 3600)] | None = None
    start_at: Text | None = None  # RFC 3339; not before
    backlog: bool = False
    max_attempts: Annotated[int, Field(ge=1, le=100, strict=True)] = 3
    permissions: Label | None = None  # permission profile; default: its agent's, else that of the agent's role
    result_schema: dict[str, Any] | None = None  # JSON Schema of draft 2020-12 that the result's data has to match
    budget: TaskBudgetInput | None = None  # of a root task: for it and all that is filed below it
    include_results: bool = False  # end the prompt with what the tasks that it depends on came to


class PostInput(Input):
    """A message that a trigger posts: to one of `to`, `channel` and whoever filed the task (`filer`)."""

    text: Annotated[Text, Field(min_length=1)]
    to: Annotated[list[Label], Field(min_length=1, max_length=20)] | None = None  # agents, user:<name>, operator
    channel: Label | None = None
    filer: bool = False
    include_result: bool = False  # below the text: what the task came to, which mentions nobody


class WebhookInput(Input):
    """A delivery that a trigger sends, signed as Standard Webhooks has it."""

    url: Annotated[Text, Field(min_length=1, max_length=URL_CHARS)]
    secret: Annotated[Text, Field(max_length=1_100)] | None = None  # ref:…; of a standing trigger default: made here


class TriggerDoes(Input):
    """What a trigger does: one of the three."""

    create_task: PlainTaskInput | None = None  # below the task that ended
    post_message: PostInput | None = None
    webhook: WebhookInput | None = None


class TaskTriggerInput(Input):
    """What happens when a task has ended so."""

    on: TriggerEvent | Annotated[list[TriggerEvent], Field(min_length=1, max_length=len(TriggerEvent))]
    do: TriggerDoes


class TaskInput(PlainTaskInput):
    """Body of `POST /api/tasks`."""

    depends_on: Annotated[list[Label | DependencyInput], Field(max_length=limits.DEPENDENCIES)] = Field(
        default_factory=list
    )
    parent_task_id: Id | None = None
    triggers: Annotated[list[TaskTriggerInput], Field(max_length=PER_TASK)] = Field(default_factory=list)


class AgentPermissionsInput(Input):
    """Body of `PUT /api/agents/{id}/permissions`."""

    profile: Label | None  # null takes it away


class BatchTaskInput(TaskInput):
    """A task of a graph; `ref` is the name by which others of the batch depend on it."""

    ref: Label | None = None


class BatchInput(Input):
    """Body of `POST /api/tasks/batch`: all are created, or none."""

    tasks: Annotated[list[BatchTaskInput], Field(min_length=1, max_length=limits.BATCH_TASKS)]


class ProjectInput(Input):
    """Body of `POST /api/projects`: a git repository by path or URL."""

    name: Annotated[Text, Field(min_length=1, max_length=limits.LABEL_CHARS, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    repo_url: Annotated[Text, Field(min_length=1, max_length=2000)]
    default_branch: Annotated[Text, Field(max_length=255)] = ""  # default: the repository's own


class Requires(Output):
    """The hard requirements of a task."""

    tags: LabelList
    capabilities: LabelList
    agent_id: str | None
    any_tag: LabelList


class Dependency(Output):
    """An edge, seen from the task that waits (`dependsOn`) or from the one waited for (`dependants`)."""

    task: str
    title: str
    status: str
    on_failure: OnFailure


class Offer(Output):
    """A task was shown to one agent. `status`: `open`, `accepted`, `rejected`, `expired`, or `closed` with its task."""

    agent_id: str
    status: str
    offered_by: str
    offered_at: str
    expires_at: str
    settled_by: str | None
    settled_at: str | None
    reason: str


class Task(Output):
    """A task without its prompt, as lists show it. `agentId` is who has it, or had it last."""

    id: str
    title: str
    prompt_preview: str
    status: str
    priority: int
    tags: LabelList
    requires: Requires
    harness: str | None
    model: str | None
    project_id: str | None
    swarm_id: str | None
    agent_id: str | None
    attempt: int
    fence: int
    failures: int
    losses: int
    max_attempts: int
    max_losses: int
    open_dependencies: int
    progress: str
    result: dict[str, Any] | None  # {text, data, branch, commit}
    failure: dict[str, Any] | None  # {class, code, message, attempt}
    pause_reason: str | None
    timeout_seconds: float | None
    deadline_at: str | None  # when its timeout ends the run that goes on
    not_before: str | None
    created_by: str
    parent_task_id: str | None
    root_task_id: str
    permissions: str | None  # the permission profile it names
    retry_of: str | None
    schedule_id: str | None  # what started it by the clock
    planned_at: str | None  # for which instant it did
    created_at: str
    updated_at: str
    started_at: str | None
    finished_at: str | None


class TaskDetail(Task):
    """A task, whole: `GET /api/tasks/{id}`."""

    prompt: str
    result_schema: dict[str, Any] | None
    include_results: bool
    offers: Annotated[list[Offer], at_most(limits.PAGE_MAX)]  # the latest one first
    depends_on: Annotated[list[Dependency], at_most(limits.DEPENDENCIES)]
    dependants: Annotated[list[Dependency], at_most(limits.PAGE_MAX)]  # the first ones, by id


class TaskPage(Output):
    """Some tasks, newest first."""

    tasks: Annotated[list[Task], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class BatchReply(Output):
    """The created tasks in the order sent; `refs` maps each `ref` to its id."""

    tasks: Annotated[list[Task], at_most(limits.BATCH_TASKS)]
    refs: dict[str, str]


class Attempt(Output):
    """One try at a task."""

    task_id: str
    number: int
    fence: int
    agent_id: str
    outcome: str | None  # null while it goes on
    claimed_at: str
    started_at: str | None
    ended_at: str | None
    session: str
    branch: str
    commit: str
    snapshot: str
    message: str
    failure_class: str
    failure_code: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    permissions: str  # the permission profile in force
    permissions_enforced: bool | None  # whether the worker enforces it; null until the agent starts
    denials: int  # tool calls that were refused


class AttemptList(Output):
    """Some of the tries at a task, first one first."""

    attempts: Annotated[list[Attempt], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class Transcript(Output):
    """Lines of an attempt from `after` on: {at, kind, data}. `ended` when no further line will come."""

    lines: Annotated[list[dict[str, Any]], at_most(limits.PAGE_MAX)]
    next: int
    ended: bool


class Capacity(Output):
    """How many tasks an agent has, may have at once, and could take now: none while it is offline or stopped."""

    current: int
    max: int
    available: int


class AgentStop(Output):
    """That an agent gets no work, since when, by whom and why."""

    by: str
    at: str
    reason: str


class Agent(Output):
    """An agent. `status`: `idle`, `busy` or `offline`; what is `stopped` gets no work, whatever its status."""

    id: str
    name: str
    status: Literal["idle", "busy", "offline"]
    is_lead: bool
    agent_role: str
    role: str
    description: str
    template_id: str
    harness: str
    skills: LabelList
    tags: LabelList
    capabilities: LabelList
    slots: int
    permissions: str | None  # the permission profile that an operator gave it
    swarm_id: str | None
    offers: Literal["accept", "ask"]  # who answers what it is offered: it takes it, or somebody is asked
    current_tasks: Annotated[list[str], at_most(limits.PAGE_MAX)]  # the first ones, by id
    resting_until: str | None  # it takes nothing until then
    resting_reason: str | None  # such as rateLimit
    registered_at: str
    last_seen_at: str
    capacity: Capacity
    parent_agent_id: str | None  # the agent that introduced it
    stopped: AgentStop | None


class PermissionProfile(Output):
    """What an agent may do. `network`: `off`, `allow` (what is in `allow`), or `worker` (as its settings say)."""

    name: str
    files: Literal["read", "workspace", "worker"]
    network: Literal["off", "allow", "worker"]
    allow: Annotated[list[str], at_most(limits.PROFILE_ENTRIES)]
    denied_tools: Annotated[list[str], at_most(limits.PROFILE_ENTRIES)]
    may_file_tasks: bool
    needs: Annotated[list[str], at_most(limits.PROFILE_ENTRIES)]  # capabilities of a worker that can enforce it


class PermissionProfileList(Output):
    """The permission profiles, and the defaults by role: an empty one is workspace-write where that can be enforced."""

    profiles: Annotated[list[PermissionProfile], at_most(limits.PROFILES)]
    worker: str
    lead: str


class AgentList(Output):
    """Some agents, by name."""

    agents: Annotated[list[Agent], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class Project(Output):
    """A git repository that tasks work on."""

    id: str
    name: str
    repo_url: str
    default_branch: str
    created_at: str


class ProjectList(Output):
    """Some projects, by name."""

    projects: Annotated[list[Project], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class KillSwitchInput(Input):
    """`POST /api/kill-switch`; nothing at all stops everything. `resume` counts with `deactivate` only."""

    action: Literal["activate", "deactivate", "lift"] = "activate"
    reason: Annotated[Text, Field(max_length=limits.KILL_REASON_CHARS)] = ""
    scope: Literal["all", "swarm", "agent"] = "all"
    id: Annotated[Text, Field(max_length=limits.LABEL_CHARS)] = ""
    resume: bool = False


class AwaitedAgent(Output):
    """An agent that had attempts when they were ended, and has not confirmed yet that nothing of them runs."""

    agent_id: str
    name: str
    attempts: int


class Switch(Output):
    """One switch: as it stands, and its latest activation.

    `heldBy` is what holds it down: `request`, or a flag by its name. `attempts` were ended, `pausedTasks` paused by it.
    """

    scope: Literal["all", "swarm", "agent"]
    id: str | None
    status: Literal["armed", "killed"]
    activation: str | None
    reason: str
    by: str | None
    since: str | None
    held_by: Annotated[list[str], at_most(limits.PAGE_MAX)]
    attempts: int
    paused_tasks: int
    awaited: Annotated[list[AwaitedAgent], at_most(limits.PAGE_MAX)]
    lifted_by: str | None
    lifted_at: str | None


class KillSwitch(Output):
    """`GET /api/kill-switch`: the switch for everything, then every one that was used, those that are on first."""

    status: Literal["armed", "killed"]
    reason: str
    by: str | None
    since: str | None
    switches: Annotated[list[Switch], at_most(limits.PAGE_MAX)]


class KillSwitchAnswer(KillSwitch):
    """What a use of the switch led to. `repeated`: it was so already; `resumed` tasks go on."""

    repeated: bool
    resumed: int


class Overview(Output):
    """`GET /api/overview`: what runs, what waits, who works."""

    tasks: dict[str, int]  # status -> number
    agents: dict[str, int]  # status -> number
    running: Annotated[list[Task], at_most(limits.PAGE_MAX)]
    waiting: Annotated[list[Task], at_most(limits.OVERVIEW_WAITING)]  # the next to be claimed or stuck
    killed: Annotated[list[Switch], at_most(limits.PAGE_MAX)]  # the switches that are on


class Subject(Output):
    """What an event is about."""

    kind: str
    id: str


class Event(Output):
    """One event, as lists and the stream show it."""

    seq: int
    id: str
    type: str
    at: str
    actor: str
    subject: Subject
    swarm: str | None
    task_id: str | None
    attempt: int | None
    data: dict[str, Any]
    v: int


class EventPage(Output):
    """`GET /api/events?after=SEQ` with `Accept: application/json`."""

    events: Annotated[list[Event], at_most(limits.PAGE_MAX)]
    next_after: int
