"""What the routes work with, made once by `parts`."""

from dataclasses import dataclass

from agent_swarm.server.access import Door
from agent_swarm.server.auth import Authenticator
from agent_swarm.server.keeping_keys import KeepingKeys
from agent_swarm.server.killing.board import SwitchBoard
from agent_swarm.server.logins import LogIns
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.ring import EventRing
from agent_swarm.server.stopping import Stopping
from agent_swarm.services.accounts import Accounts
from agent_swarm.services.approvals import Approvals
from agent_swarm.services.channels import Channels
from agent_swarm.services.configuration import Configuration
from agent_swarm.services.environments import Environments
from agent_swarm.services.gathered import GatheredTasks
from agent_swarm.services.kv import KeyValues
from agent_swarm.services.memory import Memory
from agent_swarm.services.merge_queue.asking import MergeQueues
from agent_swarm.services.messages import Messages
from agent_swarm.services.notary import Notary
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.schedules import Schedules
from agent_swarm.services.secrets.rotation import KeyChanges
from agent_swarm.services.tasks import Rules
from agent_swarm.services.transcripts import Transcripts
from agent_swarm.services.triggers import Triggers
from agent_swarm.services.webhooks.delivering import Courier
from agent_swarm.services.workflows import Workflows
from agent_swarm.store.base import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of a running server."""

    store: Store
    tasks: GatheredTasks
    redactor: Redactor
    transcripts: Transcripts
    authenticator: Authenticator
    board: SwitchBoard
    door: Door
    logins: LogIns
    metrics: Metrics
    ring: EventRing
    stopping: Stopping
    configuration: Configuration
    environments: Environments
    accounts: Accounts
    key_changes: KeyChanges
    keeping_keys: KeepingKeys
    approvals: Approvals
    memory: Memory
    key_values: KeyValues
    rules: Rules
    schedules: Schedules
    triggers: Triggers
    merge_queues: MergeQueues
    courier: Courier
    workflows: Workflows
    notary: Notary
    messages: Messages
    channels: Channels
