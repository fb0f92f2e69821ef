"""`/api/approvals`: attempts ask, people answer, time settles; and what the next attempt is told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.server.test_memory import attempt
from tests.server.world import API_KEY, Claim, World, opened, settled

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.server.approvals import ApprovalTimer
from agent_swarm.services.approvals import HANDED_CHARS

pytestmark = pytest.mark.anyio

FULL: dict[str, Any] = {
    "title": "Deploy to production",
    "details": "version 1.2",
    "questions": [
        {"text": "Now?"},
        {"id": "region", "text": "Where?", "kind": "choice", "choices": ["eu", "us"]},
        {"id": "why", "text": "Why?", "kind": "text"},
    ],
}
ANSWERS = {"q1": True, "region": "eu", "why": "it is time"}


@pytest.fixture
async def world(world_on_every_store: World) -> World:
    return world_on_every_store


async def ask(world: World, claim: Claim, *, key: str = "", **fields: Any) -> Any:
    headers = {"idempotency-key": key} if key else {}
    return await world.post("/api/approvals", {"title": "Deploy?", **fields}, token=claim.token, headers=headers)


async def answer(world: World, asked: Any, *, token: str = API_KEY, **body: Any) -> Any:
    return await world.call("POST", f"/api/approvals/{asked['id']}/answer", json=body, token=token)


async def status(world: World, claim: Claim) -> str:
    return str((await world.get(f"/api/tasks/{claim.task_id}"))["status"])


async def test_given_a_question_when_a_person_answers_then_the_attempt_that_looks_sees_it(world: World) -> None:
    claim = await attempt(world, "ada")
    asked = await ask(world, claim, **FULL)
    assert (asked["status"], asked["pause"], asked["taskId"]) == ("open", False, claim.task_id)
    assert [one["id"] for one in (await world.get("/api/approvals"))["approvals"]] == [asked["id"]]

    done = await answer(world, asked, answers=ANSWERS, comment="go")

    seen = await world.get(f"/api/approvals/{asked['id']}", token=claim.token)
    assert seen == done.json()
    assert (seen["status"], seen["answers"], seen["settledBy"], seen["comment"]) == (
        "answered",
        ANSWERS,
        "operator",
        "go",
    )
    assert (await world.get("/api/approvals"))["approvals"] == []
    assert (await world.get("/api/approvals", token=claim.token))["approvals"] == [seen]
    assert await status(world, claim) == "running"


async def test_given_ten_people_when_all_answer_at_once_then_one_counts_and_the_others_are_told(world: World) -> None:
    claim = await attempt(world, "ada")
    asked = await ask(world, claim, pause=True)
    await world.pause(claim, PauseReason.PERSON)

    answers = await asyncio.gather(*(answer(world, asked, comment=str(number)) for number in range(10)))

    assert sorted(one.status_code for one in answers) == [200] + [409] * 9
    winner = next(one.json() for one in answers if one.status_code == 200)
    assert await world.get(f"/api/approvals/{asked['id']}") == winner
    loser = next(one.json()["error"] for one in answers if one.status_code == 409)
    assert (loser["details"]["status"], loser["details"]["settledBy"]) == ("answered", "operator")


async def test_given_a_task_that_paused_for_an_answer_when_it_comes_then_the_next_attempt_is_told(world: World) -> None:
    claim = await attempt(world, "ada")
    asked = await ask(world, claim, pause=True, **FULL)
    await world.pause(claim, PauseReason.PERSON)
    assert await status(world, claim) == "paused"
    explained = await world.get(f"/api/tasks/{claim.task_id}/explain")
    assert (explained["reasons"][0]["code"], explained["reasons"][0]["details"]["approvalId"]) == (
        "waitsForAnswer",
        asked["id"],
    )
    assert asked["id"] in explained["reasons"][0]["unblock"]

    await answer(world, asked, answers=ANSWERS, comment="after 18:00")

    assert await status(world, claim) == "pending"
    again = await world.take(next(iter(world.agents.values())))
    told = await told_to(world, again)
    for part in ("You asked: Deploy to production", "Now?", "yes", "eu", "it is time", "after 18:00"):
        assert part in told

    await world.pause(again)  # before its agent has begun, perhaps
    await world.post(f"/api/tasks/{claim.task_id}/resume")
    assert await told_to(world, await world.take(next(iter(world.agents.values())))) == told


async def test_given_many_long_answers_when_the_next_attempt_is_told_then_the_latest_are_what_it_gets(
    world: World,
) -> None:
    claim = await attempt(world, "ada")
    for number in range(4):
        asked = await ask(
            world, claim, title=f"Number {number}?", questions=[{"id": "why", "text": "Why?", "kind": "text"}]
        )
        assert (await answer(world, asked, answers={"why": f"{number}" * 9_000})).status_code == 200
        world.clock.advance(1)
    await world.pause(claim, PauseReason.PERSON)
    await world.post(f"/api/tasks/{claim.task_id}/resume")
    told = await told_to(world, await world.take(next(iter(world.agents.values()))))
    assert len(told) <= HANDED_CHARS + 10
    assert "Number 0?" not in told
    assert told.index("Number 2?") < told.index("Number 3?")
    assert "3" * 9_000 in told


async def told_to(world: World, claim: Claim) -> str:
    """The answers in the frame that a worker gets with this claim."""
    return (await world.frame_of(claim)).answers


@pytest.mark.parametrize("world_on_every_store", ["memory", "sqlite"], indirect=True)  # the clock is the database's
async def test_given_a_question_nobody_answers_when_its_time_is_over_then_the_task_goes_on_with_the_denial(
    world: World,
) -> None:
    claim = await attempt(world, "ada")
    asked = await ask(world, claim, pause=True, expiresInSeconds=20)
    await world.pause(claim, PauseReason.PERSON)
    timer = ApprovalTimer(world.store)
    assert 0 < await timer.run_once() <= 5
    world.clock.advance(21)
    assert (await answer(world, asked)).status_code == 409

    await timer.run_once()

    assert (await world.get(f"/api/approvals/{asked['id']}"))["status"] == "expired"
    assert await status(world, claim) == "pending"
    again = await world.take(next(iter(world.agents.values())))
    assert "which means no" in await told_to(world, again)
    told = await world.store.read(lambda queries: queries.events_after(0, limit=99))
    assert [event.type for event in told if event.subject_kind == "approval"] == ["approval.asked", "approval.expired"]


async def test_given_a_task_that_asks_when_it_is_cancelled_then_its_questions_are_closed_at_once(world: World) -> None:
    claim = await attempt(world, "ada")
    asked = await ask(world, claim, pause=True)
    await settled()
    await world.post(f"/api/tasks/{claim.task_id}/cancel")
    await ApprovalTimer(world.store).run_once()
    assert (await world.get(f"/api/approvals/{asked['id']}"))["status"] == "closed"
    assert (await answer(world, asked)).status_code == 409


@pytest.mark.parametrize("deny", [False, True])
async def test_given_some_who_wait_for_an_answer_when_it_comes_then_all_have_it_at_once(
    world: World, deny: bool
) -> None:
    claim = await attempt(world, "ada")
    asked, other = await ask(world, claim), await ask(world, claim)
    waits = {"params": {"waitSeconds": 25}}
    path = f"/api/approvals/{asked['id']}"
    waiting = [asyncio.create_task(world.get(path, token=token, **waits)) for token in (claim.token, API_KEY)]
    await answer(world, other)
    await settled()
    assert not any(one.done() for one in waiting)

    await answer(world, asked, deny=deny)

    answers = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert [one["status"] for one in answers] == ["denied" if deny else "answered"] * 2
    assert (await world.get(path, **waits))["status"] == answers[0]["status"]  # what is settled is waited for no more


async def test_given_an_approval_that_stays_open_when_one_waits_then_it_is_shown_as_it_is_after_that(
    world: World,
) -> None:
    ada, bob = await attempt(world, "ada"), await attempt(world, "bob")
    path = f"/api/approvals/{(await ask(world, ada))['id']}"
    assert (await world.get(path, params={"waitSeconds": 0.01}))["status"] == "open"
    assert (await world.call("GET", path, params={"waitSeconds": 26})).status_code == 422
    assert (await world.call("GET", path, params={"waitSeconds": 25}, token=bob.token)).status_code == 404


class Watched(ApprovalTimer):
    """Counts how often it is told to hurry, and does nothing."""

    hurried = 0

    def hurry(self) -> None:
        self.hurried += 1

    async def run_once(self) -> float:
        return 60.0


async def test_given_questions_when_one_is_asked_or_its_task_ends_then_the_timer_hurries_and_else_not(
    world: World,
) -> None:
    quiet, asking = await attempt(world, "ada"), await attempt(world, "bob")
    timer = Watched(world.store)
    await timer.start()
    try:
        await world.post(f"/api/tasks/{quiet.task_id}/cancel")
        assert timer.hurried == 0
        await ask(world, asking)
        assert timer.hurried == 1
        await world.post(f"/api/tasks/{asking.task_id}/cancel")
        assert timer.hurried == 2
    finally:
        await timer.stop()


async def test_given_an_agent_when_it_answers_or_looks_at_what_another_asked_then_it_may_not(world: World) -> None:
    ada, bob = await attempt(world, "ada"), await attempt(world, "bob")
    lead = await world.register("lead", role=AgentRole.LEAD)
    await world.file(agentId=lead.id)
    leads = await world.take(lead)
    asked = await ask(world, ada)
    for claim in (ada, bob, leads):
        refused = await answer(world, asked, token=claim.token)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "denied")
    assert (await world.call("GET", f"/api/approvals/{asked['id']}", token=bob.token)).status_code == 404
    listed = await world.get("/api/approvals", params={"taskId": ada.task_id}, token=bob.token)
    assert listed["approvals"] == []
    assert (await world.call("POST", "/api/approvals", json={"title": "x"})).status_code == 403
    assert (await world.get(f"/api/approvals/{asked['id']}"))["status"] == "open"


async def test_given_the_same_key_when_a_later_attempt_asks_again_then_it_is_the_question_of_before(
    world: World,
) -> None:
    claim = await attempt(world, "ada")
    asked = await ask(world, claim, key="k", pause=True)
    assert await ask(world, claim, key="k", pause=True) == asked
    other = await world.call(
        "POST", "/api/approvals", json={"title": "x"}, token=claim.token, headers={"idempotency-key": "k"}
    )
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotencyMismatch")
    await world.pause(claim, PauseReason.PERSON)
    await answer(world, asked)
    again = await world.take(next(iter(world.agents.values())))
    assert (await ask(world, again, key="k", pause=True))["status"] == "answered"
    late = await world.call("POST", "/api/approvals", json={"title": "x"}, token=claim.token)
    assert late.status_code == 401


async def test_given_approvals_when_they_are_listed_then_each_status_has_its_pages(world: World) -> None:
    claim = await attempt(world, "ada")
    asked = []
    for number in range(5):
        asked.append(await ask(world, claim, title=f"n{number}", expiresInSeconds=100 + number, key=f"k{number}"))
        world.clock.advance(1)
    assert await listed(world) == ["n0", "n1", "n2", "n3", "n4"]  # what runs out first
    assert await listed(world, taskId=claim.task_id) == ["n4", "n3", "n2", "n1", "n0"]  # the latest first
    await answer(world, asked[1], deny=True)
    denied = await world.get("/api/approvals", params={"status": "denied"})
    assert [(one["title"], one["answers"]) for one in denied["approvals"]] == [("n1", {})]


async def listed(world: World, **query: Any) -> list[str]:
    """The titles of all pages."""
    seen, cursor = [], None
    while True:
        params = {"limit": 2, **query, **({"cursor": cursor} if cursor else {})}
        page = await world.get("/api/approvals", params=params)
        seen += [one["title"] for one in page["approvals"]]
        cursor = page["nextCursor"]
        if cursor is None:
            return seen


async def test_given_secrets_in_questions_and_answers_when_they_are_stored_then_they_are_taken_out(
    world: World,
) -> None:
    world.app.context.redactor.register(["hunter2-hunter2"])
    claim = await attempt(world, "ada")
    text = "is it hunter2-hunter2"
    asked = await ask(world, claim, title=text, details=text, questions=[{"text": text, "kind": "text"}])
    done = await answer(world, asked, answers={"q1": text}, comment=text)
    assert "hunter2" not in str(asked) + done.text


async def test_given_bad_input_when_it_comes_then_it_is_refused_and_nothing_is_asked_or_answered(world: World) -> None:
    claim = await attempt(world, "ada")
    bad: list[Any] = [
        {},
        {"title": ""},
        {"title": "x" * 201},
        {"title": "x", "details": "y" * 16_001},
        {"title": "x", "expiresInSeconds": 0},
        {"title": "x", "expiresInSeconds": 1e9},
        {"title": "x", "pause": "yes"},
        {"title": "x", "taskId": new_id()},
        {"title": "x", "questions": [{"text": "a"}] * 21},
        {"title": "x", "questions": [{"text": "a", "id": "1"}, {"text": "b", "id": "1"}]},
        {"title": "x", "questions": [{"text": "a", "kind": "choice"}]},
        {"title": "x", "questions": [{"text": "a", "choices": ["b"]}]},
        {"title": "x", "questions": [{"text": "a", "kind": "choice", "choices": ["b", "b"]}]},
        {"title": "x", "questions": [{"text": "a", "kind": "essay"}]},
        {"title": "x", "questions": [{"text": "a", "id": "b c"}]},
    ]
    for body in bad:
        refused = await world.call("POST", "/api/approvals", json=body, token=claim.token)
        assert refused.status_code == 422, (body, refused.text)
    asked = await ask(world, claim, **FULL)
    wrong: list[Any] = [
        {},
        {"answers": {**ANSWERS, "q1": "yes"}},
        {"answers": {**ANSWERS, "region": "mars"}},
        {"answers": {**ANSWERS, "why": ""}},
        {"answers": {**ANSWERS, "why": ["x"]}},
        {"answers": {**ANSWERS, "more": 1}},
        {"answers": ANSWERS, "deny": True},
        {"deny": "no"},
        {"deny": True, "comment": "x" * 2_001},
        {"answers": ANSWERS, "by": "me"},
    ]
    for body in wrong:
        assert (await answer(world, asked, **body)).status_code == 422, body
    for approval_id in (new_id(), "nothing"):
        assert (await world.call("GET", f"/api/approvals/{approval_id}")).status_code == 404
        assert (await world.call("POST", f"/api/approvals/{approval_id}/answer", json={})).status_code == 404
    for params in ({"status": "maybe"}, {"cursor": "eA"}, {"taskId": "x"}):
        assert (await world.call("GET", "/api/approvals", params=params)).status_code in (404, 422)
    assert (await world.get(f"/api/approvals/{asked['id']}"))["status"] == "open"


async def test_given_a_server_that_starts_again_when_a_question_has_run_out_meanwhile_then_it_is_settled(
    tmp_path: Path, anyio_backend: str
) -> None:
    database = tmp_path / "swarm.sqlite"
    async with opened(tmp_path, address=database) as world:
        claim = await attempt(world, "ada")
        asked = await ask(world, claim, pause=True, expiresInSeconds=20)
        kept = await ask(world, claim, expiresInSeconds=5_000)
        await world.pause(claim, PauseReason.PERSON)
        at = world.clock.at
    async with opened(tmp_path, address=database) as world:
        world.clock.at = at
        world.clock.advance(60)
        await ApprovalTimer(world.store).run_once()
        assert (await world.get(f"/api/approvals/{asked['id']}"))["status"] == "expired"
        assert (await world.get(f"/api/approvals/{kept['id']}"))["status"] == "open"
        assert await status(world, claim) == "pending"
