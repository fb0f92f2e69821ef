"""Operations on standing triggers and on firings: people make and stop them, servers take webhooks and report on them.

A server takes a firing by moving its next look a lease ahead. One that dies says nothing, and the firing is due again;
one that comes back late with an older try is not heard.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent_swarm.domain.errors import AlreadyExists, CapReached, Conflict, NotFound
from agent_swarm.domain.triggers import STANDING as MOST
from agent_swarm.domain.triggers import FiringStatus, TriggerAction, TriggerStatus
from agent_swarm.store.applying.triggers import note_outcome
from agent_swarm.store.events import SYSTEM, in_swarm
from agent_swarm.store.families.data_keys import require_active
from agent_swarm.store.families.triggers import (
    FIRINGS,
    STANDING,
    TRIGGER_NAMES,
    TRIGGER_SECRETS,
    TRIGGER_WORK,
    TRIGGERS,
    Firing,
    Trigger,
    TriggerName,
    TriggerSecret,
    TriggerWork,
    put_firing,
    remove_firing,
    settled,
    told,
    told_of,
)
from agent_swarm.store.operations.base import Desk, Idempotency, RecordOperation


def unknown_trigger(named: str) -> NotFound:
    """No standing trigger has this id or name."""
    return NotFound(f"no trigger is called {named!r}", hint="see: agent-swarm trigger ls")


def unknown_firing(firing_id: str) -> NotFound:
    """There is no such firing, or none any more."""
    return NotFound(
        f"there is no firing {firing_id!r}; what became of one is kept for a month",
        hint="see: agent-swarm trigger deliveries NAME",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTrigger(RecordOperation[Trigger]):
    """Add a standing trigger. Raises AlreadyExists where the name is taken, CapReached where there are many."""

    trigger: Trigger
    work: TriggerWork
    secret: TriggerSecret | None = None
    idempotency: Idempotency | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        asked = self.idempotency
        once = (f"idempotency:{asked.subject}:{asked.route}:{asked.key}",) if asked else ()
        return ("triggers", *once)

    def carry_out(self, desk: Desk) -> Trigger:
        """The same request again is the trigger that it made."""
        earlier = desk.earlier(self.idempotency)
        if earlier is not None:
            return _found(desk, earlier[0])
        new = replace(self.trigger, created_at=desk.now)
        taken = desk.get(TRIGGER_NAMES, new.name)
        if taken is not None:
            raise AlreadyExists(
                f"a trigger is called {new.name!r} already",
                hint="choose another name, or remove that one",
                details={"triggerId": taken.id, "name": new.name},
            )
        if len(desk.scan(TRIGGERS, STANDING, limit=MOST)) >= MOST:
            raise CapReached(
                f"there are {MOST} standing triggers, and no more are looked at when tasks end",
                hint="remove one that is needed no more, or give tasks triggers of their own",
                details={"cap": "standingTriggers", "limit": MOST},
            )
        if self.secret is not None:
            require_active(desk, self.secret.sealed)
            desk.put(TRIGGER_SECRETS, self.secret)
        desk.put(TRIGGER_NAMES, TriggerName(name=new.name, id=new.id))
        desk.put(TRIGGER_WORK, self.work)
        desk.put(TRIGGERS, new)
        desk.remember(self.idempotency, (new.id,))
        desk.say(told("trigger.created", new, actor=new.created_by, on=list(new.events), action=new.action.value))
        return new


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnTrigger(RecordOperation[Trigger]):
    """Something about one standing trigger."""

    trigger_id: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"trigger:{self.trigger_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseTrigger(_OnTrigger):
    """Have it fire for no ending until it is resumed; what has fired is done all the same."""

    def carry_out(self, desk: Desk) -> Trigger:
        """Once more is fine."""
        found = _found(desk, self.trigger_id)
        if found.status is TriggerStatus.PAUSED:
            return found
        paused = replace(found, status=TriggerStatus.PAUSED, pause_reason="person")
        desk.put(TRIGGERS, paused)
        desk.say(told("trigger.paused", paused, actor=self.actor, reason="person"))
        return paused


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeTrigger(_OnTrigger):
    """Have it fire for what ends from now on."""

    def carry_out(self, desk: Desk) -> Trigger:
        """Once more is fine. Failures are counted anew."""
        found = _found(desk, self.trigger_id)
        if found.status is TriggerStatus.ACTIVE:
            return found
        resumed = replace(found, status=TriggerStatus.ACTIVE, pause_reason="", failures=0)
        desk.put(TRIGGERS, resumed)
        desk.say(told("trigger.resumed", resumed, actor=self.actor))
        return resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveTrigger(_OnTrigger):
    """Take it away. What has fired and is not done is refused; what it has made stays."""

    def carry_out(self, desk: Desk) -> Trigger:
        """What became of its firings can be seen for a month, by their ids."""
        found = _found(desk, self.trigger_id)
        desk.remove(TRIGGER_NAMES, found.name)
        desk.remove(TRIGGER_SECRETS, found.id)
        desk.remove(TRIGGER_WORK, found.id)
        desk.remove(TRIGGERS, STANDING, found.id)
        desk.say(told("trigger.removed", found, actor=self.actor))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnFirings(RecordOperation[list[Firing]]):
    """Something about several firings, as far as they are there; answers those that it changed."""

    firing_ids: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(f"firing:{one}" for one in self.firing_ids)

    @property
    def weight(self) -> int:
        return max(1, len(self.firing_ids))

    def _due(self, desk: Desk) -> Iterator[Firing]:
        """Those whose look has come, in the order of ids: servers that take the same ones wait in no circle."""
        for firing_id in sorted(self.firing_ids):
            found = desk.get(FIRINGS, firing_id)
            if found is not None and found.look_at is not None and found.look_at <= desk.now:
                yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFirings(_OnFirings):
    """Have these to oneself for `lease` microseconds, as one more try of each."""

    lease: int

    def carry_out(self, desk: Desk) -> list[Firing]:
        """What another server has taken meanwhile is left out. The day of a delivery begins with its first try."""
        return [put_firing(desk, self._taken(one, desk.now), before=one) for one in self._due(desk) if one.is_pending]

    def _taken(self, one: Firing, now: int) -> Firing:
        since = one.since if one.tries else now
        return replace(one, tries=one.tries + 1, since=since, look_at=now + self.lease)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOffFirings(_OnFirings):
    """Look at these again after `pause` microseconds, as they are."""

    pause: int

    def carry_out(self, desk: Desk) -> list[Firing]:
        """No event: nothing has happened."""
        return [
            put_firing(desk, replace(one, look_at=desk.now + self.pause), before=one)
            for one in self._due(desk)
            if one.is_pending
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetFirings(_OnFirings):
    """Remove those that were settled a month ago."""

    def carry_out(self, desk: Desk) -> list[Firing]:
        """Events stay."""
        old = [one for one in self._due(desk) if not one.is_pending]
        for one in old:
            remove_firing(desk, one)
        return old


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDelivery(RecordOperation[Firing | None]):
    """What came of one try of a webhook: taken, to be tried again at `again_at`, or given up where that is None.

    Answers the firing; None where this try is not the latest one, or the firing is settled.
    """

    firing_id: str
    tries: int
    is_taken: bool
    again_at: int | None = None
    answered: int | None = None
    code: str = ""
    message: str = ""
    swarm_id: str | None = None
    is_held: bool = False  # by the kill switch: no failure, and the day of the delivery begins anew

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"firing:{self.firing_id}",)

    def carry_out(self, desk: Desk) -> Firing | None:
        """A try that failed and is not the last is no event; there may be many."""
        found = desk.get(FIRINGS, self.firing_id)
        if found is None or not found.is_pending or found.tries != self.tries:
            return None
        before = found
        found = replace(found, answered=self.answered, code=self.code, message=self.message)
        if self.is_taken:
            found = settled(found, FiringStatus.DONE, now=desk.now)
            draft = told_of("trigger.delivered", found, actor=SYSTEM, tries=found.tries, status=self.answered)
        elif self.again_at is not None:
            since = desk.now if self.is_held else found.since
            found, draft = replace(found, look_at=self.again_at, since=since), None
        else:
            found = settled(found, FiringStatus.FAILED, now=desk.now)
            told_why = {"tries": found.tries, "code": found.code, "message": found.message}
            draft = told_of("trigger.gaveUp", found, actor=SYSTEM, **told_why)
        put_firing(desk, found, before=before)
        if draft is not None:
            desk.say(in_swarm(draft, self.swarm_id))
        trigger = desk.get(TRIGGERS, found.scope, found.trigger_id)
        if trigger is not None and not self.is_held:
            failure = "" if self.is_taken else self.message or self.code
            note_outcome(desk, trigger, failure=failure, is_settled=not found.is_pending)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeliver(RecordOperation[Firing]):
    """Send a webhook again under the same id, with a day to arrive. Raises NotFound, Conflict while it is under way."""

    firing_id: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"firing:{self.firing_id}",)

    def carry_out(self, desk: Desk) -> Firing:
        """Tasks and messages are not made twice: theirs is refused."""
        found = desk.get(FIRINGS, self.firing_id)
        if found is None:
            raise unknown_firing(self.firing_id)
        if found.action is not TriggerAction.WEBHOOK:
            raise Conflict(
                f"this firing is a {found.action.value}, which is done once; only webhooks are delivered again",
                hint="file the task or post the message yourself",
                details={"action": found.action.value},
            )
        if found.is_pending:
            raise Conflict(
                f"this delivery is under way, after {found.tries} tries",
                hint="wait for it: agent-swarm trigger deliveries",
                details={"status": found.status.value, "tries": found.tries},
            )
        again = replace(
            found,
            status=FiringStatus.PENDING,
            since=desk.now,
            look_at=desk.now,
            settled_at=None,
            code="",
            message="",
        )
        put_firing(desk, again, before=found)
        desk.say(told_of("trigger.redelivered", again, actor=self.actor))
        return again


def _found(desk: Desk, trigger_id: str) -> Trigger:
    found = desk.get(TRIGGERS, STANDING, trigger_id)
    if found is None:
        raise unknown_trigger(trigger_id)
    return found
