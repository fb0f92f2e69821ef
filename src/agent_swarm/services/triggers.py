"""Standing triggers: people say what happens whenever tasks end, and look at what became of it.

An agent has triggers with the tasks that it files, not standing ones: those would be about the tasks of others.
"""

import asyncio

from agent_swarm.domain.errors import InvalidInput, UnknownReference
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.triggers import NAME_CHARS, TriggerAction, TriggerStatus
from agent_swarm.protocol import rest
from agent_swarm.protocol import rest_triggers as shapes
from agent_swarm.services import cursors, task_references, tasks, trigger_input, trigger_views
from agent_swarm.services.recipients import People
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.services.trigger_input import CheckReference, Meant
from agent_swarm.services.webhooks.signing import new_secret
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.channels import unknown_channel
from agent_swarm.store.families.data_keys import DataKeyRetired
from agent_swarm.store.families.mail import CHANNELS
from agent_swarm.store.families.swarms import swarm_named, unknown_swarm_in
from agent_swarm.store.families.triggers import (
    FIRINGS,
    FIRINGS_OF,
    STANDING,
    TRIGGER_NAMES,
    TRIGGER_WORK,
    TRIGGERS,
    FiringOf,
    Trigger,
    TriggerSecret,
    TriggerWork,
)
from agent_swarm.store.operations import Idempotency
from agent_swarm.store.triggering import (
    CreateTrigger,
    PauseTrigger,
    Redeliver,
    RemoveTrigger,
    ResumeTrigger,
    unknown_firing,
    unknown_trigger,
)

_TRIES = 3  # at a secret that is sealed while the data key changes


class Triggers:
    """The triggers of one store."""

    def __init__(
        self, store: Store, rules: Rules, vault: Vault, *, check_reference: CheckReference = lambda _: None
    ) -> None:
        self._store = store
        self._rules = rules
        self._vault = vault
        self._check_reference = check_reference

    async def create(
        self, wanted: shapes.TriggerInput, *, by: Identity, once: Idempotency | None = None
    ) -> shapes.NewTrigger:
        """Add a standing trigger. Raises InvalidInput, UnknownReference, AlreadyExists, CapReached.

        Where a webhook names no secret one is made, sealed and shown in this answer alone: raises
        EncryptionKeyMissing where nothing can be sealed.
        """
        meant = trigger_input.meant_by(wanted, "", by=by)
        if meant.reference is not None:
            await asyncio.to_thread(self._check_reference, meant.reference)
        trigger = await self._store.read(lambda queries: self._checked(queries, wanted, meant, by))
        work = TriggerWork(trigger_id=trigger.id, does=meant.does)
        needs_secret = meant.action is TriggerAction.WEBHOOK and meant.reference is None
        secret = new_secret() if needs_secret else None
        made = await self._put(trigger, work, secret, once)
        kept = await self._store.read(lambda queries: queries.record(TRIGGER_WORK, made.id))
        return trigger_views.made(made, kept, secret if made.id == trigger.id else None)

    async def _put(self, trigger: Trigger, work: TriggerWork, secret: str | None, once: Idempotency | None) -> Trigger:
        for left in reversed(range(_TRIES)):
            sealed = None
            if secret is not None:
                sealed = TriggerSecret(trigger_id=trigger.id, sealed="")
                sealed = TriggerSecret(trigger_id=trigger.id, sealed=self._vault.seal(sealed.identity, secret))
            try:
                return await self._store.apply(
                    CreateTrigger(trigger=trigger, work=work, secret=sealed, idempotency=once)
                )
            except DataKeyRetired:
                if not left:
                    raise
                await self._vault.refresh(self._store)
        raise AssertionError("the last round returns or raises")

    def _checked(self, queries: Queries, wanted: shapes.TriggerInput, meant: Meant, by: Identity) -> Trigger:
        """The trigger, of which everything that it names exists."""
        project = queries.project(wanted.project) if wanted.project is not None else None
        if wanted.project is not None and project is None:
            raise _unknown("project", "project", wanted.project)
        swarm = swarm_named(queries, wanted.swarm) if wanted.swarm is not None else None
        if wanted.swarm is not None and (swarm is None or not swarm.is_there):
            raise unknown_swarm_in("swarm", wanted.swarm)
        if wanted.agent_id is not None and queries.agent(wanted.agent_id) is None:
            raise _unknown("agentId", "agent", wanted.agent_id)
        self._require_possible(queries, wanted.do, by)
        return trigger_input.trigger_of(
            meant,
            scope=STANDING,
            by=by,
            name=wanted.name,
            status=TriggerStatus.PAUSED if wanted.paused else TriggerStatus.ACTIVE,
            pause_reason="person" if wanted.paused else "",
            project_id=project.id if project else None,
            swarm_id=swarm.id if swarm else None,
            label=wanted.tag,
            agent_id=wanted.agent_id,
        )

    def _require_possible(self, queries: Queries, does: rest.TriggerDoes, by: Identity) -> None:
        """Raise what doing it now would raise, but for the task that has to have ended."""
        if does.create_task is not None:
            plain = does.create_task.model_dump(by_alias=True, exclude_unset=True)
            task = rest.TaskInput.model_validate(plain)
            known = task_references.look_up([task], by=by, profiles=self._rules.profiles)(queries)
            tasks.create_task(task, known, by=by, rules=self._rules)
        if does.post_message is not None:
            for index, who in enumerate(does.post_message.to or ()):
                People(queries).actor_of(who, f"do.postMessage.to[{index}]")
            channel = does.post_message.channel
            if channel is not None and queries.record(CHANNELS, channel.strip().removeprefix("#").lower()) is None:
                raise unknown_channel(channel)

    async def get(self, named: str, *, by: Identity) -> shapes.TriggerDetail:
        """A standing trigger, by its id or name. Raises NotFound."""
        with_path = by.may(Scope.TRIGGERS_WRITE)

        def reading(queries: Queries) -> shapes.TriggerDetail:
            found = _standing(queries, named)
            return trigger_views.whole(found, queries.record(TRIGGER_WORK, found.id), with_path=with_path)

        return await self._store.read(reading)

    async def page(self, *, task_id: str | None, cursor: str | None, limit: int) -> shapes.TriggerList:
        """A page of the standing triggers, by name; all of a task's, where one is named."""
        if task_id is not None:
            own = await self._store.read(lambda queries: queries.scan(TRIGGERS, task_id, limit=limit))
            return shapes.TriggerList(triggers=[trigger_views.shown(one) for one in own], next_cursor=None)
        after = cursors.read_words(cursor, 1)

        def reading(queries: Queries) -> tuple[list[Trigger], str | None]:
            names = queries.scan(TRIGGER_NAMES, after=after, limit=limit + 1)
            page, following = cursors.page(names, limit, lambda one: cursors.after_words(one.name))
            kept = [queries.record(TRIGGERS, STANDING, one.id) for one in page]
            return [one for one in kept if one is not None], following

        shown, next_cursor = await self._store.read(reading)
        return shapes.TriggerList(triggers=[trigger_views.shown(one) for one in shown], next_cursor=next_cursor)

    async def pause(self, named: str, *, by: Identity) -> shapes.Trigger:
        """Have it fire for nothing. Raises NotFound."""
        found = await self._store.read(lambda queries: _standing(queries, named))
        return trigger_views.shown(await self._store.apply(PauseTrigger(trigger_id=found.id, actor=by.actor)))

    async def resume(self, named: str, *, by: Identity) -> shapes.Trigger:
        """Have it fire for what ends from now on. Raises NotFound."""
        found = await self._store.read(lambda queries: _standing(queries, named))
        return trigger_views.shown(await self._store.apply(ResumeTrigger(trigger_id=found.id, actor=by.actor)))

    async def remove(self, named: str, *, by: Identity) -> shapes.Trigger:
        """Take it away. Raises NotFound."""
        found = await self._store.read(lambda queries: _standing(queries, named))
        return trigger_views.shown(await self._store.apply(RemoveTrigger(trigger_id=found.id, actor=by.actor)))

    async def deliveries(self, named: str, *, cursor: str | None, limit: int) -> shapes.DeliveryList:
        """What became of the firings of a trigger, the latest first; that of a task is named by its id."""
        after = cursors.read_words(cursor, 2)
        place = None if after is None else (_rank(after[0]), after[1])

        def reading(queries: Queries) -> tuple[list[shapes.Delivery], str | None]:
            by_name = normalize_id(named) or _standing(queries, named).id
            kept = queries.scan(FIRINGS_OF, by_name, after=place, limit=limit + 1)
            page, following = cursors.page(kept, limit, _after)
            found = [queries.record(FIRINGS, one.id) for one in page]
            return [trigger_views.delivery(one) for one in found if one is not None], following

        shown, next_cursor = await self._store.read(reading)
        return shapes.DeliveryList(deliveries=shown, next_cursor=next_cursor)

    async def delivery(self, firing_id: str) -> shapes.Delivery:
        """What became of one firing. Raises NotFound."""
        found = await self._store.read(lambda queries: queries.record(FIRINGS, firing_id))
        if found is None:
            raise unknown_firing(firing_id)
        return trigger_views.delivery(found)

    async def redeliver(self, firing_id: str, *, by: Identity) -> shapes.Delivery:
        """Send a webhook again, under its id. Raises NotFound, Conflict."""
        return trigger_views.delivery(await self._store.apply(Redeliver(firing_id=firing_id, actor=by.actor)))


def _standing(queries: Queries, named: str) -> Trigger:
    identifier = normalize_id(named)
    if identifier is None and len(named) <= NAME_CHARS and "\0" not in named:
        by_name = queries.record(TRIGGER_NAMES, named)
        identifier = None if by_name is None else by_name.id
    found = queries.record(TRIGGERS, STANDING, identifier) if identifier else None
    if found is None:
        raise unknown_trigger(named[:NAME_CHARS])
    return found


def _after(one: FiringOf) -> str:
    return cursors.after_words(str(one.rank), one.id)


def _rank(text: str) -> int:
    try:
        if len(text) < 19:
            return int(text)
    except ValueError:
        pass
    raise InvalidInput(
        "query.cursor is none that this list gave", hint="begin without one", details={"field": "query.cursor"}
    )


def _unknown(field: str, kind: str, value: str) -> UnknownReference:
    return UnknownReference(
        f"{field} names {kind} {value!r}, which does not exist",
        hint=f"create the {kind} first, or correct {field}",
        details={"field": field, "value": value},
    )
