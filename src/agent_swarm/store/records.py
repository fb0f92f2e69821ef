"""What the store holds, as values. Instants and spans are microseconds; JSON columns are plain Python values here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.matching import AgentProfile, AgentRole, Requirements
from agent_swarm.domain.offers import OfferPolicy
from agent_swarm.domain.permissions import STANDARD, Granted
from agent_swarm.domain.tasks import AttemptOutcome, TaskState, TaskStatus

PREVIEW_CHARS = 400  # of a prompt, in lists
NO_DATA: Final[Mapping[str, Any]] = {}  # a plain one, because JSON is made of it


class Edge(NamedTuple):
    """A dependency: the task that has it waits for `upstream_id`."""

    upstream_id: str
    on_failure: OnFailure = OnFailure.FAIL


@dataclass(frozen=True, kw_only=True)  # without slots: `values.changed`
class TaskSpec:
    """What was asked for; never changes after creation, the priority excepted."""

    id: str
    title: str
    prompt: str
    requires: Requirements = Requirements()
    labels: tuple[str, ...] = ()  # `tags` on every face
    harness: str | None = None
    model: str | None = None
    project_id: str | None = None
    priority: int = 50
    timeout: int | None = None
    created_by: str = "operator"
    parent_id: str | None = None
    root_id: str = ""
    depth: int = 0
    retry_of: str | None = None
    permissions: str | None = None  # the permission profile that its agent works under
    has_terms: bool = False  # there is a record of `families.task_terms`
    schedule_id: str | None = None  # what started it by the clock, and for which instant
    planned_at: int | None = None
    created_at: int = 0

    @property
    def swarm_id(self) -> str | None:
        """The swarm it belongs to: who may run it has to be in there."""
        return self.requires.swarm_id


@dataclass(frozen=True, kw_only=True)  # without slots: `values.changed`
class TaskRecord:
    """A task as it stands.

    `result` is {"text", "data", "branch", "commit"}, `failure` {"class", "code", "message", "attempt"}.
    """

    spec: TaskSpec
    state: TaskState
    progress: str = ""
    result: Mapping[str, Any] | None = None
    failure: Mapping[str, Any] | None = None
    last_agent_id: str | None = None  # who has it, or had it last
    has_upstreams: bool = False  # it was filed with dependencies
    updated_at: int = 0
    started_at: int | None = None
    finished_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyRecord:
    """One edge seen from either end; `other_*` is the task at the far end."""

    other_id: str
    other_title: str
    other_status: TaskStatus
    on_failure: OnFailure
    other_result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReport:
    """What a worker tells about an attempt when it starts or ends it; empty values leave what was told before.

    `session` is the harness's handle for going on with the conversation, `branch` and `commit` where the work is,
    `snapshot` the ref that keeps unfinished work.
    """

    session: str = ""
    branch: str = ""
    commit: str = ""
    snapshot: str = ""
    text: str = ""  # result, or message of the failure
    data: Mapping[str, Any] | None = None
    failure_class: str = ""
    failure_code: str = ""
    enforced: str = ""  # `yes` or `no`: whether the permission profile is
    denials: int = 0  # tool calls that were refused


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One try at a task."""

    task_id: str
    number: int
    fence: int
    claim_id: str
    agent_id: str
    instance_id: str
    claimed_at: int
    permissions: str = ""  # the permission profile in force
    started_at: int | None = None
    ended_at: int | None = None
    outcome: AttemptOutcome | None = None
    report: AttemptReport = AttemptReport()
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0  # millionths of a US dollar


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """A stable identity and the process that runs it now."""

    profile: AgentProfile
    name: str
    description: str = ""
    template_id: str = ""
    harness: str = ""
    slots: int = 1
    instance_id: str = ""
    permissions: str = ""  # the permission profile that an operator gave it
    offers: OfferPolicy = OfferPolicy.ACCEPT
    registered_at: int = 0
    last_seen_at: int = 0
    offline_at: int | None = None  # it said goodbye
    parent_id: str | None = None  # the agent that introduced it; never changes
    depth: int = 0  # how many agents are above it
    stopped_at: int | None = None  # it claims nothing since then, until it is started
    stopped_by: str = ""
    stop_reason: str = ""
    profile_version: int = 0  # of what people said of it; 0: it is all as its worker reported

    @property
    def is_lead(self) -> bool:
        """It coordinates the others."""
        return self.profile.agent_role is AgentRole.LEAD

    @property
    def is_stopped(self) -> bool:
        """It gets no work."""
        return self.stopped_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRecord:
    """A git repository that tasks work on."""

    id: str
    name: str
    repo_url: str
    default_branch: str = ""
    created_at: int = 0


class TokenKind(StrEnum):
    """Whose token it is."""

    OPERATOR = "operator"
    AGENT = "agent"
    ATTEMPT = "attempt"
    USER = "user"  # of a session; never in the table of tokens


@dataclass(frozen=True, kw_only=True)  # without slots: `values.changed`
class TokenRecord:
    """An identity. Only the SHA-256 of the secret is kept. An attempt's token counts while (task, fence) is current."""

    id: str
    kind: TokenKind
    hash: str
    scopes: tuple[str, ...]
    label: str = ""
    agent_id: str | None = None
    instance_id: str | None = None
    task_id: str | None = None
    fence: int | None = None
    epoch: int = 0
    created_at: int = 0
    expires_at: int | None = None
    revoked_at: int | None = None


class Event(NamedTuple):
    """Something that happened. `seq` is gapless and in commit order; `hash` chains it to the one before.

    A named tuple in the order of the table's columns: a cascade makes thousands of them at once.
    """

    seq: int
    id: str
    type: str
    at: int
    actor: str
    subject_kind: str
    subject_id: str
    task_id: str | None = None
    attempt: int | None = None
    data: Mapping[str, Any] = NO_DATA
    v: int = 1
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTask:
    """What a claim hands to a worker."""

    claim_id: str
    task: TaskRecord
    granted: Granted = STANDARD.granted(None, "", AgentRole.WORKER)
    profile_version: int = 0  # of the agent's profile


@dataclass(frozen=True, slots=True)
class UnservedClass:
    """A requirement class that no agent online could serve: since when, when that was told, how many tasks wait."""

    requires: Requirements
    since: int
    told_at: int | None
    tasks: int


class CostBy(StrEnum):
    """What costs are added up by."""

    TASK = "task"
    ROOT = "root"
    AGENT = "agent"
    PROJECT = "project"
    SWARM = "swarm"
    MODEL = "model"
    DAY = "day"  # of UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """What one of them has cost. `key` is empty for what belongs to none; a day is the number of days since 1970.

    `attempts` are those that have used something; `reserved_*` is what attempts reserved as they began, `refused` how
    often one found no room. Of a model, the last three are those of tasks that ask for it by name.
    """

    key: str
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    reserved_micros: int = 0
    reserved_tokens: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks a list shows; empty fields do not filter."""

    statuses: tuple[TaskStatus, ...] = ()
    agent_id: str | None = None
    project_id: str | None = None
    swarm_id: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page; the next page starts after it. Lists run from the newest to the oldest."""

    created_at: int
    id: str


@dataclass(frozen=True, slots=True, order=True)
class NameCursor:
    """The last row of a page of a list that runs by name."""

    name: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages a list shows: those that `recipient` got, else those of a channel, a task or a sender, else all.

    `unread` and `mentions` are about the recipient. `since` is an instant.
    """

    recipient: str | None = None
    unread: bool = False
    mentions: bool = False
    channel: str | None = None
    task_id: str | None = None
    sender: str | None = None
    since: int | None = None
