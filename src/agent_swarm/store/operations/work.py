"""Operations of workers: claims, leases, and what is told of an attempt."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_swarm.domain.budgets import EXPECTED, Amount
from agent_swarm.domain.permissions import STANDARD, Profiles
from agent_swarm.store.operations.base import Operation
from agent_swarm.store.operations.switches import Held
from agent_swarm.store.operations.tasks import CommandReply
from agent_swarm.store.records import ClaimedTask, TokenRecord

if TYPE_CHECKING:
    from agent_swarm.store.families.attachments import Attachment
    from agent_swarm.store.families.stated_outcomes import StatedOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseVerdict:
    """What became of a lease a worker asked to renew.

    `wants` is `cancel`, `pause` or empty; `current_fence` None: unknown task.
    """

    task_id: str
    fence: int
    renewed: bool
    wants: str = ""
    current_fence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Operation[tuple[LeaseVerdict, ...]]):
    """Renew all leases an instance holds, in one statement; raises Superseded for an instance that is no longer the
    agent's.
    """

    agent_id: str
    instance_id: str
    lease: int
    leases: tuple[Held, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)

    @property
    def weight(self) -> int:
        return max(1, len(self.leases))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportProgress(Operation[CommandReply]):
    """Set the progress text of a running attempt; never changes a status (rule T3)."""

    task_id: str
    fence: int
    text: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOutcome(Operation[CommandReply]):
    """Keep what a running agent says came of its task, until its run ends; changes no status (rules T3 and T5)."""

    outcome: "StatedOutcome"
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.outcome.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAttachment(Operation["Attachment"]):
    """Keep a file of a running attempt, in the place of its earlier one with that name; changes no status (rule T3).

    `attachment` lacks its attempt and its time. Raises StaleLease or IllegalTransition for an attempt that is over, and
    Conflict for one that has too many. The same again changes nothing.
    """

    attachment: "Attachment"
    content: str  # base64
    fence: int
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.attachment.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForTasks(Operation[CommandReply]):
    """Pause a running attempt until all tasks directly below its own have ended."""

    task_id: str
    fence: int
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookUsage(Operation[bool]):
    """Book money and tokens spent, whatever became of the lease; deduplicated by (task, attempt, seq). Answers
    whether it was new.
    """

    task_id: str
    attempt: int
    seq: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    model: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"usage:{self.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTask(Operation[ClaimedTask | None]):
    """Answer one credit: the first ready task of the classes served, under a new attempt, fence and lease; None when
    there is none.

    The same `claim_id` again answers the same attempt while it is held, under the new token. Raises Superseded for an
    instance that is no longer the agent's.
    """

    claim_id: str
    agent_id: str
    instance_id: str
    class_ids: tuple[int, ...]
    lease: int
    token: TokenRecord  # the attempt's; task, fence and what its profile lets it do are filled in
    profiles: Profiles = STANDARD
    filing: frozenset[str] = frozenset()  # the scopes that only a profile under which agents may file leaves
    estimate: Amount = EXPECTED  # what an attempt is expected to cost, where its budgets do not say so

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"claim:{self.claim_id}",)
