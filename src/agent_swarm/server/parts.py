"""The parts of a server, made here and handed down. Nothing works before the app's lifespan begins."""

from dataclasses import dataclass

from agent_swarm.audit.key_file import KeyFile
from agent_swarm.audit.ledger import FILE_NAME as LEDGER_NAME
from agent_swarm.audit.ledger import Ledger
from agent_swarm.audit.publishing import Place, Publisher
from agent_swarm.bus.base import NoticeKind
from agent_swarm.bus.logs import LogStream
from agent_swarm.server.access import Door
from agent_swarm.server.accounts import AccountKeeping
from agent_swarm.server.approvals import ApprovalTimer
from agent_swarm.server.auth import Authenticator
from agent_swarm.server.budgets import BudgetKeeper
from agent_swarm.server.checkpoints import Checkpointer, Publishing
from agent_swarm.server.context import Context
from agent_swarm.server.denials import Denials
from agent_swarm.server.embedding import NoteEmbedding
from agent_swarm.server.hashing import Hashing
from agent_swarm.server.housekeeping import Housekeeping, SessionKeeping, ValueKeeping
from agent_swarm.server.keeping_keys import KeepingKeys
from agent_swarm.server.killing.board import SwitchBoard
from agent_swarm.server.killing.watch import flag_watches
from agent_swarm.server.logins import LogIns
from agent_swarm.server.mcp.endpoint import Endpoint
from agent_swarm.server.mcp.protocol_tasks import ProtocolTasks
from agent_swarm.server.mcp.tools import all_tools
from agent_swarm.server.merge_queues import MergeQueueRunner
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.node import Ears, Following, Node
from agent_swarm.server.offers import OfferTaking
from agent_swarm.server.peers import Peers
from agent_swarm.server.pool import PoolContext
from agent_swarm.server.profiles import profiles_of
from agent_swarm.server.rates import RateLimits
from agent_swarm.server.ring import EventRing
from agent_swarm.server.runner.service import WorkflowRunner
from agent_swarm.server.schedules import ScheduleClock
from agent_swarm.server.service import Service
from agent_swarm.server.settings import ServerSettings, stored_settings
from agent_swarm.server.stopping import Stopping
from agent_swarm.server.timers import TimerService
from agent_swarm.server.triggers import TriggerRunner
from agent_swarm.server.unserved import UnservedWatch
from agent_swarm.server.waits import TaskWaits
from agent_swarm.server.waking import Waking
from agent_swarm.services.account_providers import Providers
from agent_swarm.services.accounts import Accounts
from agent_swarm.services.approvals import Approvals
from agent_swarm.services.channels import Channels
from agent_swarm.services.configuration import Configuration
from agent_swarm.services.embedding.endpoint import EmbeddingModel
from agent_swarm.services.embedding.meaning import Meaning
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
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.signing_keys import SigningKeys
from agent_swarm.services.tasks import Rules
from agent_swarm.services.transcripts import Transcripts
from agent_swarm.services.trigger_firing import Carrier
from agent_swarm.services.triggers import Triggers
from agent_swarm.services.webhooks.delivering import Courier
from agent_swarm.services.webhooks.sending import Sender
from agent_swarm.services.workflows import Workflows
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.vault.backends.reading import SecretReader
from agent_swarm.vault.backends.resolver import SecretResolver
from agent_swarm.vault.backends.settings import BackendSettings
from agent_swarm.workflows.shell_use import ShellUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the parts stand on: made before them, by whoever starts the server."""

    store: BatchingStore
    settings: ServerSettings
    vault: Vault
    redactor: Redactor
    stopping: Stopping
    node: Node
    logs: LogStream | None
    backends: BackendSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A server's parts: what routes work with, who talks to workers and agents, and what goes on in the background."""

    context: Context
    pool: PoolContext
    mcp: Endpoint
    following: Following
    services: tuple[Service, ...]
    checkpointer: Checkpointer


def make_parts(ground: Ground) -> Parts:
    """The parts of a server."""
    store, settings = ground.store, ground.settings
    metrics = Metrics(ground.node.figures)
    context = _context(ground, metrics)
    pool = _pool(context, store, ground.node, settings)
    timers = TimerService(store, store.clock, metrics)
    return Parts(
        context=context,
        pool=pool,
        mcp=Endpoint(all_tools(context), ProtocolTasks(context), settings.origins),
        following=Following(ground.node, Ears(store=store, pool=pool, transcripts=context.transcripts, timers=timers)),
        services=(
            timers,
            ApprovalTimer(store),
            TaskWaits(store),
            OfferTaking(store),
            BudgetKeeper(store, metrics),
            ScheduleClock(store, context.rules, metrics),
            TriggerRunner(store, _carrier(context, settings), context.courier, metrics),
            MergeQueueRunner(store, context.rules),
            Housekeeping(store),
            SessionKeeping(store),
            Waking(store, context.rules.root_caps),
            ValueKeeping(store),
            AccountKeeping(store, context.accounts),
            UnservedWatch(store, minutes=settings.no_agent_minutes),
            WorkflowRunner(context, pool.dispatcher, settings),
            context.door.denials,
            context.keeping_keys,
            *flag_watches(settings, store, metrics, context.redactor),
            *_publishing(context, settings),
            *([NoteEmbedding(store, context.memory.meaning)] if context.memory.meaning else []),
        ),
        checkpointer=Checkpointer(
            store,
            context.notary,
            events=settings.audit_checkpoint_events,
            seconds=60 * settings.audit_checkpoint_minutes,
        ),
    )


def _context(ground: Ground, metrics: Metrics) -> Context:
    store, settings, vault, redactor = ground.store, ground.settings, ground.vault, ground.redactor
    keys = SigningKeys(vault)
    door = _door(store, settings, metrics, keys)
    rules = Rules(
        caps=settings.caps,
        root_caps=settings.root_caps,
        profiles=profiles_of(settings),
        shell=ShellUse(settings.workflow_shell),
    )
    backends = SecretReader(ground.backends)
    secrets = SecretResolver(
        backends, timeout_seconds=ground.backends.timeout_seconds, cache_seconds=ground.backends.cache_seconds
    )
    return Context(
        store=store,
        tasks=GatheredTasks(store),
        redactor=redactor,
        transcripts=_transcripts(ground),
        authenticator=door.authenticator,
        board=door.board,
        door=door,
        logins=LogIns(store, Hashing(), door, keys),
        metrics=metrics,
        ring=EventRing(),
        stopping=ground.stopping,
        rules=rules,
        schedules=Schedules(store, rules),
        triggers=Triggers(store, rules, vault, check_reference=backends.require_usable),
        merge_queues=MergeQueues(store),
        courier=Courier(
            store, Sender(settings.webhook_hosts, seconds=settings.webhook_seconds), vault, secrets, redactor
        ),
        workflows=Workflows(store, rules),
        notary=_notary(store, settings),
        messages=Messages(store, redactor, door.rates.message, most_hops=settings.message_hops),
        channels=Channels(store, redactor),
        configuration=Configuration(store, vault, redactor, stored_settings(), check_reference=backends.require_usable),
        environments=Environments(store, vault, redactor, secrets),
        accounts=Accounts(store, vault, redactor, Providers(settings.token_urls), is_shared=settings.is_shared),
        approvals=Approvals(store, redactor, expiry=settings.approval_seconds),
        memory=Memory(store, redactor, _meaning(settings, metrics)),
        key_values=KeyValues(store, redactor),
        key_changes=KeyChanges(store, vault, settings.key_sources.own_file, is_shared=settings.is_shared),
        keeping_keys=KeepingKeys(store, vault, redactor, ground.stopping),
    )


def _carrier(context: Context, settings: ServerSettings) -> Carrier:
    return Carrier(context.rules, context.redactor, most_hops=settings.message_hops)


def _transcripts(ground: Ground) -> Transcripts:
    settings = ground.settings
    return Transcripts(
        settings.transcripts,
        ground.redactor,
        is_shared=settings.is_shared and settings.nats is None,
        logs=ground.logs,
        on_growth=ground.node.grew,
    )


def _door(store: BatchingStore, settings: ServerSettings, metrics: Metrics, keys: SigningKeys) -> Door:
    return Door(
        authenticator=Authenticator(store, keys),
        rates=RateLimits(settings.rates),
        denials=Denials(store),
        peers=Peers(settings.proxies),
        metrics=metrics,
        board=SwitchBoard(store, metrics),
    )


def _notary(store: BatchingStore, settings: ServerSettings) -> Notary:
    return Notary(
        store,
        keys=KeyFile(settings.audit_key, is_given=settings.audit_key_file is not None),
        ledger=Ledger(settings.audit / LEDGER_NAME),
        folder=settings.audit,
    )


def _publishing(context: Context, settings: ServerSettings) -> tuple[Service, ...]:
    """What takes checkpoints to another place, where there is one."""
    if not settings.audit_url:
        return ()
    notary = context.notary
    publishing = Publishing(Publisher(notary.ledger, Place(settings.audit_url, settings.audit_url_token).send))
    notary.on_growth = publishing.hurry
    return (publishing,)


def _meaning(settings: ServerSettings, metrics: Metrics) -> Meaning | None:
    """What notes mean, where there is a model that says so."""
    if settings.embedding is None:
        return None
    return Meaning(
        EmbeddingModel(settings.embedding), floor=settings.embeddings_likeness, on_asked=metrics.count_embedding
    )


def _pool(context: Context, store: BatchingStore, node: Node, settings: ServerSettings) -> PoolContext:
    return PoolContext.build(
        store,
        redactor=context.redactor,
        transcripts=context.transcripts,
        environments=context.environments,
        stopping=context.stopping,
        board=context.board,
        profiles=context.rules.profiles,
        estimate=settings.estimate,
        radar_seconds=settings.radar_seconds,
        on_enter=lambda presence: node.tell(
            NoticeKind.CONNECTED, agent=presence.agent.id, instance=presence.instance_id, at=presence.met_at
        ),
    )
