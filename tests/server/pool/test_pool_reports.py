"""What workers write about attempts."""

from typing import Any

import pytest
from tests.server.pool.house import API_KEY, SECRET, House, within

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.tasks import AttemptOutcome, TaskStatus
from agent_swarm.protocol.pool import Claimed
from agent_swarm.server.pool.owners import Owners

pytestmark = pytest.mark.anyio


def lease(claim: Claimed) -> dict[str, Any]:
    return {"task_id": claim.task_id, "fence": claim.fence}


async def test_given_a_task_when_its_worker_tells_how_it_goes_then_all_of_it_is_kept(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.claim()
    assert await peer.request("start", **lease(claim), session="s-1", branch="swarm/x/1") == {
        "status": "running",
        "repeated": False,
    }
    await peer.request("progress", **lease(claim), text="half way")
    lines = [{"at": "2026-11-20T18:44:35.000Z", "kind": "text", "data": {"text": f"line {n}"}} for n in range(3)]
    assert await peer.request("events", **lease(claim), attempt=1, first=0, lines=lines) == {"next": 3}
    spent = {"input_tokens": 10, "output_tokens": 3, "cost_usd": 0.25, "model": "m"}
    assert await peer.request("usage", **lease(claim), attempt=1, seq=0, **spent) == {"booked": True}
    assert (await house.task(task_id)).progress == "half way"
    await peer.request("complete", **lease(claim), text="done", data={"files": 2}, branch="swarm/x/1", commit="abc")
    task = await house.task(task_id)
    assert task.state.status is TaskStatus.COMPLETED
    assert task.result == {"text": "done", "data": {"files": 2}, "branch": "swarm/x/1", "commit": "abc"}
    [attempt] = await house.attempts(task_id)
    assert (attempt.outcome, attempt.report.session) == (AttemptOutcome.COMPLETED, "s-1")
    assert (attempt.input_tokens, attempt.output_tokens, attempt.cost_micros) == (10, 3, 250_000)
    stored = await house.transcripts.read(task_id, 1, after=0, limit=10)
    assert [line["data"]["text"] for line in stored.lines] == ["line 0", "line 1", "line 2"]


async def test_given_frames_sent_without_waiting_when_they_depend_on_each_other_then_their_order_is_kept(
    house: House,
) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.claim()
    sent: list[tuple[str, dict[str, Any]]] = [
        ("start", {}),
        *(("progress", {"text": f"step {n}"}) for n in range(20)),
        ("complete", {"text": "done"}),
    ]
    answers = [await peer.send(frame_type, **lease(claim), **body) for frame_type, body in sent]
    assert [(await within(answer)).type.value for answer in answers] == ["reply"] * 22
    task = await house.task(task_id)
    assert (task.state.status, task.progress) == (TaskStatus.COMPLETED, "step 19")


async def test_given_a_doubled_frame_when_the_second_comes_then_it_is_answered_as_a_repetition(house: House) -> None:
    peer = await house.peer(credits=1)
    await house.create()
    claim = await peer.run()
    body = {**lease(claim), "text": "done", "data": {"b": 1, "a": 2}}
    assert (await peer.request("complete", **body))["repeated"] is False
    assert (await peer.request("complete", **{**body, "data": {"a": 2, "b": 1}}))["repeated"] is True
    assert (await peer.refused("complete", **{**body, "text": "something else"}))["code"] == "resultConflict"
    usage = {**lease(claim), "attempt": 1, "seq": 0, "input_tokens": 5}
    assert await peer.request("usage", **usage) == {"booked": True}
    assert await peer.request("usage", **usage) == {"booked": False}


async def test_given_a_failure_repeated_after_the_task_went_on_then_it_is_a_repetition(house: House) -> None:
    peer = await house.peer(credits=1)
    await house.create()
    claim = await peer.run()
    body = {**lease(claim), "failure": "agent", "code": "exitCode", "message": "exit 1"}
    assert await peer.request("fail", **body) == {"status": "pending", "repeated": False}
    assert (await peer.request("fail", **body))["repeated"] is True


async def test_given_a_released_task_when_another_worker_waits_then_it_gets_it(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.claim()
    other = await house.peer(credits=1)
    assert (await peer.request("release", **lease(claim)))["status"] == "pending"
    again = await other.claim()
    assert (again.task_id, again.attempt, again.fence) == (task_id, 2, 2)


async def test_given_frames_out_of_order_after_a_reconnect_then_each_is_answered_by_what_it_lacks(house: House) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await peer.credit()
    await house.create()
    claim = await peer.claim()
    await peer.vanish()
    house.pool.owners._known.clear()  # another server took over
    again = await house.connect(worker, held=[(claim.task_id, claim.fence)])
    assert (await again.refused("complete", **lease(claim), text="done"))["code"] == "illegalTransition"
    line = {"at": "2026-11-20T18:44:35.000Z", "kind": "log", "data": {}}
    gap = await again.refused("events", **lease(claim), attempt=1, first=2, lines=[line])
    assert (gap["code"], gap["details"]["expected"]) == ("transcriptGap", 0)
    assert await again.request("events", **lease(claim), attempt=1, first=0, lines=[line, line]) == {"next": 2}
    assert await again.request("events", **lease(claim), attempt=1, first=1, lines=[line, line]) == {"next": 3}
    assert (await again.request("usage", **lease(claim), attempt=1, seq=7))["booked"]
    assert (await again.request("usage", **lease(claim), attempt=1, seq=2))["booked"]
    await again.request("start", **lease(claim))
    await again.request("complete", **lease(claim), text="done")


async def test_given_many_frames_of_lines_when_they_are_sent_without_waiting_then_none_finds_a_gap(
    house: House,
) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    line = {"at": "2026-11-20T18:44:35.000Z", "kind": "log", "data": {}}
    answers = [
        await peer.send("events", **lease(claim), attempt=1, first=first, lines=[line] * 5)
        for first in range(0, 200, 5)
    ]
    assert [(await within(answer)).body for answer in answers] == [{"next": first + 5} for first in range(0, 200, 5)]
    assert (await house.transcripts.read(task_id, 1, after=0, limit=500)).next == 200


# --- leases that are over --------------------------------------------------------------------------------------------


async def test_given_a_lapsed_lease_when_its_old_holder_writes_then_only_costs_and_lines_count(house: House) -> None:
    peer = await house.peer(credits=1)
    await house.create()
    claim = await peer.run()
    await house.lapse()
    writes: list[tuple[str, dict[str, Any]]] = [
        ("start", {}),
        ("progress", {"text": "still here"}),
        ("complete", {"text": "done"}),
        ("fail", {"failure": "agent"}),
        ("pause", {"reason": "shutdown"}),
        ("release", {}),
    ]
    for frame_type, body in writes:
        refusal = await peer.refused(frame_type, **lease(claim), **body)
        assert (refusal["code"], refusal["details"]["presentedFence"]) == ("staleLease", 1), frame_type
    assert await peer.request("usage", **lease(claim), attempt=1, seq=0, cost_usd=1) == {"booked": True}
    assert await peer.request("events", **lease(claim), attempt=1, first=0, lines=[{"kind": "log"}]) == {"next": 1}


# --- whose attempt ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_remembered", [True, False], ids=["remembered", "read"])
async def test_given_another_agents_attempt_when_a_worker_writes_about_it_then_it_is_denied(
    house: House, is_remembered: bool
) -> None:
    ada, eve = await house.peer(credits=1), await house.peer()
    task_id = await house.create()
    claim = await ada.run()
    if not is_remembered:
        house.pool.owners._known.clear()
    writes: list[tuple[str, dict[str, Any]]] = [
        ("start", {}),
        ("progress", {"text": "hi"}),
        ("events", {"attempt": 1, "first": 0, "lines": []}),
        ("usage", {"attempt": 1, "seq": 0}),
        ("complete", {"text": "mine"}),
        ("fail", {"failure": "policy"}),
        ("pause", {"reason": "shutdown"}),
        ("release", {}),
    ]
    for frame_type, body in writes:
        assert (await eve.refused(frame_type, **lease(claim), **body))["code"] == "denied", frame_type
    verdicts = (await eve.request("heartbeat", leases=[lease(claim)]))["leases"]
    assert [verdict["status"] for verdict in verdicts] == ["stale"]
    assert (await house.task(task_id)).state.status is TaskStatus.RUNNING


@pytest.mark.parametrize(
    ("frame_type", "body"), [("usage", {"seq": 0}), ("events", {"first": 0, "lines": []})], ids=["usage", "events"]
)
async def test_given_costs_or_lines_of_an_attempt_that_is_none_when_they_come_then_they_are_refused(
    house: House, frame_type: str, body: dict[str, Any]
) -> None:
    peer = await house.peer(credits=1)
    await house.create()
    claim = await peer.run()
    codes = [
        (await peer.refused(frame_type, **lease(claim), attempt=2, **body))["code"],
        (await peer.refused(frame_type, task_id=claim.task_id, fence=9, attempt=1, **body))["code"],
        (await peer.refused(frame_type, task_id=new_id(), fence=1, attempt=1, **body))["code"],
        (await peer.refused(frame_type, **lease(claim), attempt=2**70, **body))["code"],
    ]
    assert codes == ["notFound", "notFound", "unknownTask", "invalidInput"]


@pytest.mark.parametrize("fence", [2, 2**70])
async def test_given_a_fence_that_never_was_when_a_worker_writes_under_it_then_it_is_refused(
    house: House, fence: int
) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    await peer.run()
    code = (await peer.refused("complete", task_id=task_id, fence=fence, text="x"))["code"]
    assert code == ("staleLease" if fence == 2 else "unknownTask")
    [verdict] = (await peer.request("heartbeat", leases=[{"task_id": task_id, "fence": fence}]))["leases"]
    assert (verdict["status"], verdict["fence"]) == ("stale", fence)


async def test_given_a_task_id_in_capitals_when_a_worker_writes_about_it_then_it_is_the_same_task(house: House) -> None:
    peer = await house.peer(credits=1)
    await house.create()
    claim = await peer.claim()
    await peer.request("start", task_id=claim.task_id.upper(), fence=claim.fence)
    [verdict] = (await peer.request("heartbeat", leases=[{**lease(claim), "task_id": claim.task_id.upper()}]))["leases"]
    assert verdict["status"] == "ok"


async def test_given_more_attempts_than_are_remembered_then_the_oldest_are_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_swarm.server.pool.owners.REMEMBERED", 2)
    peer = await house.peer(credits=3)
    claims = [(await house.create(), await peer.claim())[1] for _ in range(3)]
    owners: Owners = house.pool.owners
    assert [owners.known(claim.task_id, claim.fence) is not None for claim in claims] == [False, True, True]
    await peer.request("start", **lease(claims[0]))


# --- what agents say -------------------------------------------------------------------------------------------------


async def test_given_secrets_in_what_an_agent_says_when_it_is_told_then_none_is_kept(house: House) -> None:
    peer = await house.peer(credits=2)
    done, failed = await house.create(), await house.create()
    first, second = await peer.run(), await peer.run()
    await peer.request("progress", **lease(first), text=f"the key is {SECRET}")
    progress = (await house.task(done)).progress
    await peer.request("events", **lease(first), attempt=1, first=0, lines=[{"kind": "text", "data": {"text": SECRET}}])
    await peer.request("complete", **lease(first), text=SECRET, data={SECRET: [SECRET]}, branch=SECRET)
    await peer.request("fail", **lease(second), failure="policy", message=f"{SECRET}!", code=SECRET)
    lines = (await house.transcripts.read(done, 1, after=0, limit=9)).lines
    kept = [progress, lines, await house.task(done), await house.task(failed), await house.attempts(failed)]
    events = await house.store.read(lambda queries: queries.events_after(0, limit=1000))
    assert SECRET not in repr([kept, events])
    assert "[redacted]" in repr(kept)


async def test_given_a_large_result_when_it_is_told_then_it_is_redacted_too(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    await peer.request("complete", **lease(claim), text=f"{'a ' * 10_000}{SECRET}")
    result = (await house.task(task_id)).result
    assert result is not None and result["text"].endswith("[redacted]")


async def test_given_a_result_that_no_database_stores_when_it_is_told_then_it_is_kept_without_that(
    house: House,
) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    data = r'{"a\u0000": [1e400, 123456789012345678901234567890, -1, true, null, {"b": "\u0000"}]}'
    body = r'{"task_id": "TASK", "fence": 1, "text": "nul \u0000", "data": DATA}'.replace("DATA", data)
    await peer.socket.send(
        '{"id": "x", "type": "complete", "body": BODY}'.replace("BODY", body.replace("TASK", task_id))
    )
    assert (await within(peer.strays.get())).type.value == "reply"
    result = (await house.task(task_id)).result
    assert result is not None and claim.fence == 1
    assert result["text"] == "nul \ufffd"
    expected = [None, "123456789012345678901234567890", -1, True, None, {"b": "\ufffd"}]
    assert result["data"] == {"a\ufffd": expected}


# --- registration ----------------------------------------------------------------------------------------------------


async def test_given_an_agents_own_token_when_it_registers_again_then_it_may_and_the_old_token_counts_no_more(
    house: House,
) -> None:
    worker = await house.register()
    again = await house.register(token=worker.token, agent_id=worker.agent_id, instance_id=worker.instance_id)
    assert again.token != worker.token
    assert (await house.is_known(worker.token), await house.is_known(again.token)) == (False, True)


async def test_given_an_agents_token_when_it_registers_another_agent_then_it_is_denied(house: House) -> None:
    worker = await house.register()
    body = {"agent_id": new_id(), "instance_id": new_id(), "name": "eve"}
    answer = await house.post("register", body, token=worker.token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "denied")


@pytest.mark.parametrize(
    "wrong", [{"agent_id": "x" * 36}, {"instance_id": "short"}, {"name": ""}, {"slots": 0}, {"agent_role": "boss"}]
)
async def test_given_a_registration_that_is_wrong_when_it_comes_then_the_field_is_named(
    house: House, wrong: dict[str, Any]
) -> None:
    body = {"agent_id": new_id(), "instance_id": new_id(), "name": "ada", **wrong}
    answer = await house.post("register", body, token=API_KEY)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"] == next(iter(wrong))


async def test_given_a_newer_process_when_it_registers_then_what_it_does_not_hold_is_fenced_and_the_rest_is_its_own(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await peer.credit(2)
    await house.create()
    await house.create()
    kept, lost = await peer.run(), await peer.run()
    newer = await house.register(agent_id=worker.agent_id, held=[lease(kept)])
    assert [(item.task_id, item.fence) for item in newer.fenced] == [(lost.task_id, lost.fence)]
    again = await house.connect(newer, held=[(kept.task_id, kept.fence)])
    await again.request("complete", **lease(kept), text="done")


async def test_given_tasks_paused_by_its_shutdown_when_an_agent_registers_then_they_are_queued_for_it(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await peer.credit()
    task_id = await house.create()
    claim = await peer.run()
    await peer.request("pause", **lease(claim), reason="shutdown", session="s-1", snapshot="refs/swarm/x/1")
    await peer.request("bye")
    other = await house.peer(credits=1)
    newer = await house.register(agent_id=worker.agent_id)
    assert newer.resumed == (task_id,)
    again = await house.connect(newer)
    await again.credit()
    resumed = await again.claim()
    assert resumed.previous is not None
    assert (resumed.task_id, resumed.previous.outcome, resumed.previous.snapshot) == (
        task_id,
        "paused",
        "refs/swarm/x/1",
    )
    assert other.claims.empty()


async def test_given_an_agent_that_registers_again_with_fewer_tags_then_its_live_socket_gets_only_what_fits(
    house: House,
) -> None:
    worker = await house.register(tags=["gpu"])
    peer = await house.connect(worker)
    await peer.credit()
    await house.register(agent_id=worker.agent_id, instance_id=worker.instance_id)
    await house.create(requires=Requirements(tags=frozenset({"gpu"})))
    fits = await house.create()
    assert (await peer.claim()).task_id == fits


@pytest.mark.parametrize("what", ["register", "poll"])
async def test_given_a_protocol_version_that_is_not_spoken_when_a_request_comes_then_it_is_told_which_are(
    house: House, what: str
) -> None:
    worker = await house.register()
    body: dict[str, Any] = (
        {"frames": []} if what == "poll" else {"agent_id": worker.agent_id, "instance_id": new_id(), "name": "ada"}
    )
    answer = await house.post(what, body, token=worker.token, **{"ASP-Version": "7"})
    assert answer.status_code == 426
    assert answer.json()["error"]["details"] == {"supported": [1]}
