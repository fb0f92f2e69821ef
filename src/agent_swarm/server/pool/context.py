"""What the connections of workers work with, built once."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import Scope

from agent_swarm.domain.budgets import EXPECTED, Amount
from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.domain.permissions import STANDARD, Profiles
from agent_swarm.server.auth import bearer_token
from agent_swarm.server.killing.board import SwitchBoard
from agent_swarm.server.pool.briefing import Briefings
from agent_swarm.server.pool.mail import Postman
from agent_swarm.server.pool.owners import Owners
from agent_swarm.server.pool.presence import Presence, Way
from agent_swarm.server.pool.reports import Reports
from agent_swarm.server.pool.roster import Roster
from agent_swarm.server.pool.sweep import DispatchSweep
from agent_swarm.server.stopping import Stopping
from agent_swarm.services.dispatch import Dispatcher
from agent_swarm.services.environments import Environments
from agent_swarm.services.radar import Radar
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity, authenticate, hash_token
from agent_swarm.services.transcripts import Transcripts
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.records import AgentRecord
from agent_swarm.store.refusals import superseded


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolContext:
    """The parts of the worker face."""

    store: Store
    dispatcher: Dispatcher
    transcripts: Transcripts
    reports: Reports
    owners: Owners
    briefings: Briefings
    roster: Roster
    postman: Postman
    stopping: Stopping
    profiles: Profiles
    radar: Radar
    radar_seconds: float  # between two looks of a worker; 0: it does not look

    @classmethod
    def build(
        cls,
        store: Store,
        *,
        redactor: Redactor,
        transcripts: Transcripts,
        environments: Environments,
        stopping: Stopping,
        board: SwitchBoard,
        profiles: Profiles = STANDARD,
        estimate: Amount = EXPECTED,
        radar_seconds: float = 0,
        on_enter: Callable[[Presence], None] = lambda _: None,
    ) -> "PoolContext":
        """Made before the app serves; run `running` while it does. `on_enter` is called with whoever connects."""
        reports = Reports(redactor, random.random)

        def entered(presence: Presence) -> None:
            on_enter(presence)
            postman.came_in(presence.agent.id)

        roster = Roster(store, board, entered)
        postman = Postman(store, roster)

        return cls(
            store=store,
            dispatcher=Dispatcher(store, profiles=profiles, estimate=estimate),
            transcripts=transcripts,
            reports=reports,
            owners=Owners(store),
            briefings=Briefings(store, transcripts, environments, reports, postman.trays),
            roster=roster,
            postman=postman,
            stopping=stopping,
            profiles=profiles,
            radar=Radar(store, redactor),
            radar_seconds=radar_seconds,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Dispatch, sweep and follow what is committed; connections are dismissed as soon as the server stops."""
        sweep = DispatchSweep(self.dispatcher)
        await self.dispatcher.open()
        self.roster.open()
        await self.postman.open()
        unsubscribe = self.stopping.subscribe(self.roster.dismiss_all)
        await sweep.start()
        try:
            yield
        finally:
            self.roster.dismiss_all()
            await sweep.stop()
            unsubscribe()
            self.postman.close()
            self.roster.close()
            self.dispatcher.close()

    async def meet(self, scope: Scope, way: Way) -> Presence:
        """The process that made this request. Raises Superseded where a newer one runs.

        Its token is looked up anew: a greeting may come seconds after the handshake.
        """
        token_hash, now = hash_token(bearer_token(scope)), self.store.now()

        def reading(queries: Queries) -> tuple[Identity, AgentRecord | None]:
            identity = authenticate(token_hash, now=now)(queries)
            return identity, queries.agent(identity.agent_id or "")

        identity, agent = await self.store.read(reading)
        if agent is None:
            raise Unauthenticated("this token is of no agent", hint="register first")
        if agent.instance_id != identity.instance_id:
            raise superseded(agent.profile.id)
        return Presence(
            identity,
            agent.profile,
            way,
            dispatcher=self.dispatcher,
            briefings=self.briefings,
            owners=self.owners,
            met_at=now,
        )
