"""The frames of the radar on a real socket."""

import pytest
from tests.server.pool.house import House, within

from agent_swarm.domain.ids import new_id
from agent_swarm.store.families.live_work import LIVE_WORK

pytestmark = pytest.mark.anyio


async def test_given_two_workers_when_they_share_and_tell_of_an_overlap_then_both_agents_get_a_message(
    house: House,
) -> None:
    project = await house.project()
    attempts = []
    for name in ("ada", "bob"):
        peer = await house.peer(credits=1, name=name)
        task_id = await house.create(project_id=project)
        claim = await within(peer.claims.get())
        assert claim.task_id == task_id
        await peer.request("start", task_id=task_id, fence=claim.fence)
        attempts.append((peer, claim))
    attempts.sort(key=lambda one: one[1].task_id)
    told = []
    for peer, claim in attempts:
        one = {"task_id": claim.task_id, "fence": claim.fence, "attempt": 1, "commit": "a" * 40, "published": True}
        told.append(await peer.request("live", project_id=project, attempts=[one]))
    (ada, mine), (bob, theirs) = attempts
    assert told == [{"others": []}, {"others": [{"task_id": mine.task_id, "attempt": 1, "commit": "a" * 40}]}]

    overlap = {"other_task_id": theirs.task_id, "other_attempt": 1, "files": ["a.py"]}
    report = {"project_id": project, "overlaps": [{"task_id": mine.task_id, "fence": mine.fence, **overlap}]}
    assert [await bob.request("overlaps", **report), await ada.request("overlaps", **report)] == [
        {"noted": 0},
        {"noted": 1},
    ]
    for peer, claim in attempts:
        said = await within(peer.mail.get())
        assert (said.task_id, said.messages[0].sender_name) == (claim.task_id, "conflict radar")

    assert await ada.request("live", project_id=project, attempts=[]) == {
        "others": [{"task_id": theirs.task_id, "attempt": 1, "commit": "a" * 40}]
    }
    rows = await house.store.read(lambda queries: queries.scan(LIVE_WORK, project, limit=10))
    assert [row.task_id for row in rows] == [theirs.task_id]


async def test_given_a_commit_that_is_none_when_it_is_shared_then_the_frame_is_refused(house: House) -> None:
    peer = await house.peer()
    one = {"task_id": new_id(), "fence": 1, "attempt": 1, "commit": "main"}
    assert (await peer.refused("live", project_id=new_id(), attempts=[one]))["code"] == "invalidInput"
