"""A webhook on its way: what is sent, signed with the secret of its trigger, and what its answer comes to."""

from dataclasses import dataclass, field
from typing import Any

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.kill_switch import NO_AGENT, stopping
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.triggers import TriggerAction
from agent_swarm.domain.webhooks import Verdict, asked_pause, next_try, target_of, verdict_on
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.webhooks import signing
from agent_swarm.services.webhooks.payload import body_of
from agent_swarm.services.webhooks.sending import NotSent, Sender
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.switches import killed_switches
from agent_swarm.store.families.triggers import TRIGGER_SECRETS, TRIGGER_WORK, TRIGGERS, Firing
from agent_swarm.store.triggering import ReportDelivery
from agent_swarm.vault.backends.references import Reference, reference_in
from agent_swarm.vault.backends.resolver import SecretResolver

log = structlog.get_logger()

_HELD = 5 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """All that is needed to send; `secret` is given, or is kept where `reference` says."""

    url: str
    body: bytes
    swarm_id: str | None
    secret: str | None = field(repr=False)
    reference: Reference | None


class Courier:
    """Delivers webhooks of one store."""

    def __init__(self, store: Store, sender: Sender, vault: Vault, secrets: SecretResolver, redactor: Redactor) -> None:
        self._store = store
        self._sender = sender
        self._vault = vault
        self._secrets = secrets
        self._redactor = redactor

    def close(self) -> None:
        """Send nothing more."""
        self._sender.close()

    async def deliver(self, firing: Firing) -> ReportDelivery:
        """One try; what came of it, to be applied. Nothing is sent while the kill switch is on for the task."""
        letter: _Letter | None = None
        try:
            letter = await self._store.read(lambda queries: self._letter(queries, firing))
            if letter is None:
                return _report(firing, None, code="notFound", message="the trigger has been removed, or the task")
            if await self._store.read(lambda queries: _is_held(queries, letter.swarm_id)):
                return self._held(firing, letter.swarm_id)
            return await self._sent(firing, letter)
        except NotSent as exc:
            again_at = None if exc.is_final else self._again_at(firing)
            return self._failed(firing, letter, again_at, code=exc.code, message=str(exc))
        except SwarmError as exc:  # its secret cannot be had, now or ever
            return self._failed(firing, letter, self._again_at(firing), code=exc.code, message=exc.message)
        except Exception:  # a fault of ours must end after a day, too
            log.exception("webhook_not_sent", firing_id=firing.id)
            message = "the server could not send it; see its log"
            return self._failed(firing, letter, self._again_at(firing), code="internal", message=message)

    async def _sent(self, firing: Firing, letter: _Letter) -> ReportDelivery:
        secret = letter.secret
        if letter.reference is not None:
            secret = await self._secrets.resolve(letter.reference)
        assert secret is not None  # one of the two is there
        self._redactor.register([secret])
        now = self._store.now()
        headers = signing.headers(secret, id=firing.id, timestamp=now // SECOND, body=letter.body)
        answer = await self._sender.send(target_of(letter.url), headers, letter.body)
        verdict = verdict_on(answer.status)
        if verdict is Verdict.TAKEN:
            return _report(firing, letter.swarm_id, is_taken=True, answered=answer.status)
        again_at = None
        if verdict is Verdict.AGAIN:
            again_at = self._again_at(firing, asked_for=asked_pause(answer.retry_after, now=now))
        message = f"it answered HTTP {answer.status}"
        return self._failed(firing, letter, again_at, code="refused", message=message, answered=answer.status)

    def _letter(self, queries: Queries, firing: Firing) -> _Letter | None:
        """None where there is nothing to send any more. Raises SecretUnreadable, EncryptionKeyMissing."""
        trigger = queries.record(TRIGGERS, firing.scope, firing.trigger_id)
        work = queries.record(TRIGGER_WORK, firing.trigger_id)
        task = queries.task(firing.task_id)
        if trigger is None or work is None or task is None:
            return None
        webhook: Any = work.does[TriggerAction.WEBHOOK.value]
        kept = queries.record(TRIGGER_SECRETS, trigger.id)
        given = webhook.get("secret")
        if given is None and kept is None:
            return None  # its secret was lost, and taken away
        return _Letter(
            url=webhook["url"],
            body=body_of(firing, trigger, task),
            swarm_id=task.spec.swarm_id,
            secret=None if kept is None else self._vault.open_at(queries, kept.identity, kept.sealed),
            reference=None if given is None else reference_in(given),
        )

    def _again_at(self, firing: Firing, *, asked_for: int = 0) -> int | None:
        return next_try(firing.id, firing.tries, since=firing.since, now=self._store.now(), asked_for=asked_for)

    def _held(self, firing: Firing, swarm_id: str | None) -> ReportDelivery:
        again_at = self._store.now() + _HELD
        return _report(
            firing, swarm_id, again_at=again_at, code="killed", message="the kill switch is on", is_held=True
        )

    def _failed(
        self, firing: Firing, letter: _Letter | None, again_at: int | None, *, code: str, message: str, **fields: Any
    ) -> ReportDelivery:
        swarm_id = None if letter is None else letter.swarm_id
        said = self._redactor.text(message)[:500]
        return _report(firing, swarm_id, again_at=again_at, code=code, message=said, **fields)


def _is_held(queries: Queries, swarm_id: str | None) -> bool:
    return stopping(killed_switches(queries), NO_AGENT, swarm_id) is not None


def _report(firing: Firing, swarm_id: str | None, *, is_taken: bool = False, **fields: Any) -> ReportDelivery:
    return ReportDelivery(firing_id=firing.id, tries=firing.tries, is_taken=is_taken, swarm_id=swarm_id, **fields)
