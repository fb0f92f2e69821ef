"""Claims whose variables are kept elsewhere: fetched for the attempt, or the attempt does not begin."""

import itertools
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.pool.house import House, hello, opened, within

from agent_swarm.domain.configuration import ConfigScope
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import AttemptOutcome, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.services.environments import FETCHED_BYTES
from agent_swarm.store.families.configuration import ConfigEntry, PutConfig
from agent_swarm.store.operations import RunTimers, TaskCommand
from agent_swarm.vault.backends.errors import BackendUnavailable, SecretNotFound
from agent_swarm.vault.backends.references import Reference
from agent_swarm.vault.backends.resolver import SecretResolver

pytestmark = pytest.mark.anyio

FOUND = "hunter2-from-elsewhere"


class Backend:
    """Answers from `kept`, once it may; fails where `failure` says how."""

    def __init__(self) -> None:
        self.kept = {"TOKEN": FOUND}
        self.failure: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, reference: Reference, *, seconds: float) -> str:
        self.may_answer.wait(10)
        if self.failure is not None:
            raise self.failure
        if reference.path not in self.kept:
            raise SecretNotFound(f"nothing is kept at {reference}", hint="store a value there")
        return self.kept[reference.path]


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
async def house(tmp_path: Path, anyio_backend: str, backend: Backend) -> AsyncIterator[House]:
    """Where nothing is remembered: every claim asks."""
    ticks = itertools.count(0, 10)
    resolver = SecretResolver(backend, timeout_seconds=5, cache_seconds=0, clock=lambda: float(next(ticks)))
    async with opened(tmp_path, secrets=resolver) as house:
        yield house
        backend.may_answer.set()


async def put(house: House, key: str, text: str, *, of: str = "") -> None:
    scope = ConfigScope.AGENT if of else ConfigScope.GLOBAL
    entry = ConfigEntry(scope=scope, scope_id=of, key=key, id=new_id(), text=text, is_secret=False)
    await house.store.apply(PutConfig(entry=entry, actor="operator"))


async def last_attempt(house: House, task_id: str) -> Any:
    return (await house.attempts(task_id))[-1]


async def test_given_a_reference_when_a_task_is_claimed_then_the_agent_gets_the_secret_and_nothing_else_does(
    house: House,
) -> None:
    await put(house, "TOKEN", "ref:env://TOKEN")
    await put(house, "PLAIN", "as it is")
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    assert [(one.name, one.value, one.is_secret) for one in claim.environment] == [
        ("PLAIN", "as it is", False),
        ("TOKEN", FOUND, True),
    ]
    await peer.request("complete", task_id=task_id, fence=claim.fence, text=f"it was {FOUND}")
    result = (await house.task(task_id)).result
    assert result is not None
    assert result["text"] == "it was [redacted]"


async def test_given_a_secret_that_is_not_there_when_a_task_is_claimed_then_it_waits_and_says_why_and_the_slot_is_free(
    house: House,
) -> None:
    await put(house, "TOKEN", "ref:env://NOWHERE")
    peer = await house.peer(credits=1)
    before = house.store.now()
    task_id = await house.create()
    refusal = await within(peer.strays.get())
    assert refusal.body["error"]["code"] == "variablesMissing"
    state = (await house.task(task_id)).state
    assert (state.status, state.losses, state.failures) == (TaskStatus.PENDING, 1, 0)
    assert state.not_before is not None
    assert 7.5 * SECOND <= state.not_before - before <= 15 * SECOND
    attempt = await last_attempt(house, task_id)
    assert (attempt.outcome, attempt.report.failure_code) == (AttemptOutcome.FAILED, "secretNotFound")
    assert "TOKEN: nothing is kept at env://NOWHERE; store a value there" in attempt.report.text
    assert peer.claims.empty()


async def test_given_a_secret_that_was_missing_when_it_is_there_again_then_the_task_runs(
    house: House, backend: Backend
) -> None:
    await put(house, "TOKEN", "ref:env://LATER")
    peer = await house.peer(credits=1)
    await house.create()
    await within(peer.strays.get())
    backend.kept["LATER"] = FOUND
    await peer.credit()
    house.time.advance(16)
    await house.store.apply(RunTimers(jitter=0.0))
    claim = await peer.claim()
    assert (claim.attempt, claim.environment[0].value) == (2, FOUND)


async def test_given_a_backend_that_hangs_when_other_tasks_are_claimed_then_they_are_not_held_up(
    house: House, backend: Backend
) -> None:
    needing, other = await house.register(), await house.register()
    await put(house, "TOKEN", "ref:env://TOKEN", of=needing.agent_id)
    backend.may_answer.clear()
    waits, goes = await house.connect(needing), await house.connect(other)
    await waits.credit()
    first = await house.create()
    await house.until_claimed(first)
    await goes.credit()
    second = await house.create()
    assert (await goes.claim()).task_id == second
    assert waits.claims.empty()
    backend.may_answer.set()
    assert (await waits.claim()).task_id == first


async def test_given_a_backend_that_breaks_when_a_task_is_claimed_then_its_words_reach_nobody(
    house: House, backend: Backend
) -> None:
    backend.failure = RuntimeError(f"could not parse {FOUND}")
    await put(house, "TOKEN", "ref:env://TOKEN")
    peer = await house.peer(credits=1)
    task_id = await house.create()
    refusal = await within(peer.strays.get())
    attempt = await last_attempt(house, task_id)
    assert attempt.report.failure_code == "backendUnavailable"
    assert "RuntimeError" in attempt.report.text
    assert FOUND not in attempt.report.text + str(refusal.body)


@pytest.mark.parametrize("text", ["ref:nothing://at-all", "ref:"])
async def test_given_a_stored_text_that_is_no_reference_when_a_task_is_claimed_then_only_that_task_waits(
    house: House, text: str
) -> None:
    broken, whole = await house.register(), await house.register()
    await put(house, "TOKEN", text, of=broken.agent_id)
    first, second = await house.connect(broken), await house.connect(whole)
    await first.credit()
    task_id = await house.create()
    await within(first.strays.get())
    assert (await last_attempt(house, task_id)).report.failure_code == "invalidReference"
    await second.credit()
    assert (await house.create()) == (await second.claim()).task_id


async def test_given_more_than_a_claim_can_carry_when_it_is_fetched_then_the_attempt_does_not_begin(
    house: House, backend: Backend
) -> None:
    names = [f"LARGE_{number}" for number in range(9)]
    backend.kept = dict.fromkeys(names, "x" * (FETCHED_BYTES // 8))
    for name in names:
        await put(house, name, f"ref:env://{name}")
    peer = await house.peer(credits=1)
    task_id = await house.create()
    await within(peer.strays.get())
    assert (await last_attempt(house, task_id)).report.failure_code == "secretUnusable"


async def test_given_a_worker_that_vanished_when_its_claim_is_fetched_then_it_gets_the_same_attempt_on_its_return(
    house: House, backend: Backend
) -> None:
    await put(house, "TOKEN", "ref:env://TOKEN")
    backend.may_answer.clear()
    worker = await house.register()
    peer = await house.connect(worker)
    [claim_id] = await peer.credit()
    task_id = await house.create()
    await house.until_claimed(task_id)
    await peer.vanish()
    backend.may_answer.set()
    again = await house.connect(worker, claim_ids=[claim_id])
    claim = await again.claim()
    assert (claim.task_id, claim.attempt, claim.environment[0].value) == (task_id, 1, FOUND)


async def test_given_a_task_that_was_cancelled_meanwhile_when_its_secret_is_missing_then_it_stays_cancelled(
    house: House, backend: Backend
) -> None:
    backend.failure = BackendUnavailable("it is down", retry_after=None)
    backend.may_answer.clear()
    await put(house, "TOKEN", "ref:env://TOKEN")
    peer = await house.peer(credits=1)
    task_id = await house.create()
    await house.until_claimed(task_id)
    await house.cancel(task_id)
    backend.may_answer.set()
    await within(peer.strays.get())
    assert (await house.task(task_id)).state.status is TaskStatus.CANCELLED


async def test_given_a_poll_when_a_secret_is_missing_then_the_credit_is_refused_and_the_poll_ends(house: House) -> None:
    await put(house, "TOKEN", "ref:env://NOWHERE")
    worker = await house.register()
    await house.create()
    claim_id = new_id()
    greeting = {"v": 1, "id": "1", "type": "hello", "body": hello(worker, claim_ids=[claim_id])}
    frames = await house.poll(worker, greeting, wait=10.0)
    assert [(one.id, one.type.value) for one in frames] == [("1", "reply"), (claim_id, "error")]


async def test_given_ever_the_same_lack_when_a_task_is_tried_then_the_pauses_grow_until_it_fails(house: House) -> None:
    await put(house, "TOKEN", "ref:env://NOWHERE")
    peer = await house.peer()
    task_id = await house.create()
    pauses = []
    while True:
        await peer.credit()
        await within(peer.strays.get())
        state = (await house.task(task_id)).state
        if state.status is TaskStatus.FAILED:
            break
        assert state.not_before is not None
        pauses.append((state.not_before - house.store.now()) / SECOND)
        house.time.advance(601)
        await house.store.apply(RunTimers(jitter=0.0))
    assert len(pauses) == 9
    assert all(300 <= pause <= 600 for pause in pauses[6:])
    assert sum(pauses) > 20 * 60
    failures = [one for one in house.store.applied if isinstance(one, TaskCommand) and one.actor == "system"]
    assert len(failures) == 10
