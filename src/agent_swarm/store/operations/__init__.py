"""Operations: values that say what to write.

A service function builds one, with ids, tokens and jitter already drawn, and hands it to `Store.apply`. The store
collects the operations of a moment, applies them together in the order of `PHASES`, each kind set-based, and
commits once. Each operation gets its own answer, or its own refusal, and sees nothing of the others.

Within one batch no two operations share a key, so that the result does not depend on their order. Dependency cascades
run after all commands of the batch.
"""

from agent_swarm.store.operations.agents import (
    AddAgent,
    AgentAdded,
    AgentsStopped,
    ChangeAgentProfile,
    FirstProfile,
    IntroduceAgent,
    ProfileChanged,
    PutToken,
    RegisterAgent,
    Registration,
    RevokeToken,
    SetAgentPermissions,
    SignOff,
    StartAgent,
    StopAgent,
)
from agent_swarm.store.operations.approvals import ApprovalOperation
from agent_swarm.store.operations.base import Desk, Idempotency, Operation, RecordOperation
from agent_swarm.store.operations.budgets import (
    BudgetOperation,
    ChangeBudget,
    CreateBudget,
    KeepBudget,
    Kept,
    RemoveBudget,
)
from agent_swarm.store.operations.merge_queues import Return, Stepped, StepQueue
from agent_swarm.store.operations.offers import AnswerOffer, OfferTask
from agent_swarm.store.operations.phases import PHASES, phase_of
from agent_swarm.store.operations.schedules import Asked, Fired, FireSchedule, Problem
from agent_swarm.store.operations.swarms import (
    ChangeSwarm,
    CreateSwarm,
    DeleteSwarm,
    SetSwarmMember,
    SwarmOperation,
)
from agent_swarm.store.operations.switches import (
    AcknowledgeKill,
    ActivateKillSwitch,
    Held,
    LiftKillSwitch,
    SwitchOperation,
    SwitchReply,
)
from agent_swarm.store.operations.tasks import (
    Capped,
    CommandReply,
    Created,
    CreateProject,
    CreateTasks,
    EditTask,
    NewTask,
    OfferedTo,
    OpenConversation,
    Reprioritize,
    TaskCommand,
)
from agent_swarm.store.operations.triggers import Settled, SettleFiring
from agent_swarm.store.operations.upkeep import DropArchived, EndWait, FindUnserved, Prune, RunTimers
from agent_swarm.store.operations.work import (
    BookUsage,
    ClaimTask,
    Heartbeat,
    LeaseVerdict,
    ReportProgress,
    StateOutcome,
    StoreAttachment,
    WaitForTasks,
)

__all__ = [
    "PHASES",
    "AcknowledgeKill",
    "ActivateKillSwitch",
    "AddAgent",
    "AgentAdded",
    "AgentsStopped",
    "AnswerOffer",
    "ApprovalOperation",
    "Asked",
    "BookUsage",
    "BudgetOperation",
    "Capped",
    "ChangeAgentProfile",
    "ChangeBudget",
    "ChangeSwarm",
    "ClaimTask",
    "CommandReply",
    "CreateBudget",
    "CreateProject",
    "CreateSwarm",
    "CreateTasks",
    "Created",
    "DeleteSwarm",
    "Desk",
    "DropArchived",
    "EditTask",
    "EndWait",
    "FindUnserved",
    "FireSchedule",
    "Fired",
    "FirstProfile",
    "Heartbeat",
    "Held",
    "Idempotency",
    "IntroduceAgent",
    "KeepBudget",
    "Kept",
    "LeaseVerdict",
    "LiftKillSwitch",
    "NewTask",
    "OfferTask",
    "OfferedTo",
    "OpenConversation",
    "Operation",
    "Problem",
    "ProfileChanged",
    "Prune",
    "PutToken",
    "RecordOperation",
    "RegisterAgent",
    "Registration",
    "RemoveBudget",
    "ReportProgress",
    "Reprioritize",
    "Return",
    "RevokeToken",
    "RunTimers",
    "SetAgentPermissions",
    "SetSwarmMember",
    "SettleFiring",
    "Settled",
    "SignOff",
    "StartAgent",
    "StateOutcome",
    "StepQueue",
    "Stepped",
    "StopAgent",
    "StoreAttachment",
    "SwarmOperation",
    "SwitchOperation",
    "SwitchReply",
    "TaskCommand",
    "WaitForTasks",
    "phase_of",
]
