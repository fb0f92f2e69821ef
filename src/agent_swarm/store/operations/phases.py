"""The order in which the operations of a batch are applied."""

from typing import Any

from agent_swarm.store.operations.agents import (
    AddAgent,
    ChangeAgentProfile,
    IntroduceAgent,
    PutToken,
    RegisterAgent,
    RevokeToken,
    SetAgentPermissions,
    SignOff,
    StartAgent,
    StopAgent,
)
from agent_swarm.store.operations.approvals import ApprovalOperation
from agent_swarm.store.operations.base import Operation, RecordOperation
from agent_swarm.store.operations.budgets import ChangeBudget, CreateBudget, KeepBudget, RemoveBudget
from agent_swarm.store.operations.merge_queues import StepQueue
from agent_swarm.store.operations.offers import AnswerOffer, OfferTask
from agent_swarm.store.operations.schedules import FireSchedule
from agent_swarm.store.operations.swarms import ChangeSwarm, CreateSwarm, DeleteSwarm, SetSwarmMember
from agent_swarm.store.operations.switches import AcknowledgeKill, ActivateKillSwitch, LiftKillSwitch
from agent_swarm.store.operations.tasks import (
    CreateProject,
    CreateTasks,
    EditTask,
    OpenConversation,
    Reprioritize,
    TaskCommand,
)
from agent_swarm.store.operations.triggers import SettleFiring
from agent_swarm.store.operations.upkeep import DropArchived, EndWait, FindUnserved, Prune, RunTimers
from agent_swarm.store.operations.work import (
    BookUsage,
    ClaimTask,
    Heartbeat,
    ReportProgress,
    StateOutcome,
    StoreAttachment,
    WaitForTasks,
)

PHASES: tuple[type[Operation[Any]], ...] = (
    ActivateKillSwitch,
    LiftKillSwitch,
    AcknowledgeKill,
    IntroduceAgent,  # before they join a swarm
    CreateProject,  # before a swarm has it
    CreateSwarm,
    ChangeSwarm,
    SetSwarmMember,
    DeleteSwarm,
    CreateBudget,
    ChangeBudget,
    RemoveBudget,
    RecordOperation,
    PutToken,
    RevokeToken,
    RegisterAgent,
    AddAgent,
    ChangeAgentProfile,
    SetAgentPermissions,
    SignOff,
    StartAgent,
    StopAgent,
    CreateTasks,
    FireSchedule,
    SettleFiring,
    StepQueue,
    OpenConversation,
    TaskCommand,
    OfferTask,
    AnswerOffer,
    EditTask,
    Reprioritize,
    ApprovalOperation,
    RunTimers,
    Heartbeat,
    ReportProgress,
    StateOutcome,
    StoreAttachment,
    WaitForTasks,
    EndWait,
    BookUsage,
    KeepBudget,
    ClaimTask,
    FindUnserved,
    Prune,
    DropArchived,
)


def phase_of(operation: Operation[Any]) -> type[Operation[Any]]:
    """The phase an operation belongs to."""
    return next((kind for kind in (RecordOperation, ApprovalOperation) if isinstance(operation, kind)), type(operation))
