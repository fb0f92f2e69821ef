"""Profiles of agents on every store: versions, who wins over whom, and what a worker's report does not undo."""

from typing import Any

import pytest

from agent_swarm.domain.agent_profiles import INSTRUCTIONS_BYTES
from agent_swarm.domain.errors import Conflict, Denied, NotFound, TooLarge
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.store import operations as ops
from agent_swarm.store.families.agent_profiles import PROFILE_VERSIONS, ProfileVersion
from agent_swarm.testing.driver import Driver


def say(swarm: Driver, agent_id: str, expected: int, *, is_own: bool = False, **fields: Any) -> ops.ProfileChanged:
    operation = ops.ChangeAgentProfile(
        agent_id=agent_id, expected=expected, actor="tester", fields=fields, is_own=is_own
    )
    changed: ops.ProfileChanged = swarm.do(operation)
    return changed


def restore(swarm: Driver, agent_id: str, number: int, expected: int) -> ops.ProfileChanged:
    changed: ops.ProfileChanged = swarm.do(
        ops.ChangeAgentProfile(agent_id=agent_id, expected=expected, actor="tester", restored=number)
    )
    return changed


def versions(swarm: Driver, agent_id: str) -> list[ProfileVersion]:
    return swarm.engine.read(lambda q: q.scan(PROFILE_VERSIONS, agent_id, limit=99))


def test_given_an_agent_when_something_is_said_of_it_then_that_counts_and_the_rest_is_as_reported(
    swarm: Driver,
) -> None:
    ada = swarm.register("ada", tags=("linux",), capabilities=("harness.shell", "harness.claude"))

    say(swarm, ada, 0, tags=("gpu",), instructions="be brief")

    agent = swarm.agent(ada)
    assert (agent.name, agent.profile.tags, agent.profile_version) == ("ada", frozenset({"gpu"}), 1)
    assert agent.profile.capabilities == {"harness.shell", "harness.claude"}
    [version] = versions(swarm, ada)
    assert (version.tags, version.skills, version.instructions) == (("gpu",), None, "be brief")


def test_given_a_profile_when_the_worker_registers_with_something_else_then_it_is_not_overwritten(
    swarm: Driver,
) -> None:
    ada = swarm.register("ada", tags=("linux",))
    say(swarm, ada, 0, tags=("gpu",))

    swarm.register("another name", agent_id=ada, tags=("windows",), capabilities=("harness.shell",))

    agent = swarm.agent(ada)
    assert (agent.name, agent.profile.tags) == ("another name", frozenset({"gpu"}))
    assert agent.profile.capabilities == {"harness.shell"}
    say(swarm, ada, 1, tags=None)
    assert swarm.agent(ada).profile.tags == {"windows"}


def test_given_capabilities_that_are_chosen_then_they_are_of_what_the_worker_offers_and_what_it_enforces_stays(
    swarm: Driver,
) -> None:
    ada = swarm.register("ada", capabilities=("harness.shell", "harness.claude", "enforces.files"))

    say(swarm, ada, 0, capabilities=("harness.cl*", "harness.codex"))

    assert swarm.agent(ada).profile.capabilities == {"harness.claude", "enforces.files"}


def test_given_two_who_read_the_same_version_when_both_write_then_the_second_learns_of_it(swarm: Driver) -> None:
    ada = swarm.register("ada")
    say(swarm, ada, 0, description="one")

    with pytest.raises(Conflict, match="version 1, expected 0"):
        say(swarm, ada, 0, description="two")
    assert say(swarm, ada, 0, description="one") == ops.ProfileChanged(version=1, repeated=True)
    assert len(versions(swarm, ada)) == 1


def test_given_versions_when_an_earlier_one_is_restored_then_it_is_the_next_one(swarm: Driver) -> None:
    ada = swarm.register("ada")
    say(swarm, ada, 0, skills=("css",), instructions="first")
    say(swarm, ada, 1, skills=("sql",), instructions="second")

    assert restore(swarm, ada, 1, 2).version == 3

    assert swarm.agent(ada).profile.skills == {"css"}
    assert [(one.number, one.instructions, one.restored) for one in versions(swarm, ada)] == [
        (1, "first", None),
        (2, "second", None),
        (3, "first", 1),
    ]
    with pytest.raises(NotFound, match="no version 9"):
        restore(swarm, ada, 9, 3)


def test_given_an_agent_when_it_writes_its_own_profile_then_nothing_that_decides_about_tasks(swarm: Driver) -> None:
    ada = swarm.register("ada")

    say(swarm, ada, 0, is_own=True, description="tests", skills=("pytest",), instructions="run them twice")

    for field in ("tags", "capabilities", "name", "role"):
        with pytest.raises(Denied, match=f"its own {field}"):
            say(swarm, ada, 1, is_own=True, **{field: "x"})


def test_given_instructions_that_are_too_long_or_an_agent_that_nobody_knows_then_it_is_refused(swarm: Driver) -> None:
    ada = swarm.register("ada")
    say(swarm, ada, 0, instructions="ü" * (INSTRUCTIONS_BYTES // 2))

    with pytest.raises(TooLarge):
        say(swarm, ada, 1, instructions="ü" * (INSTRUCTIONS_BYTES // 2) + "x")
    with pytest.raises(NotFound):
        say(swarm, new_id(), 0, description="x")


def test_given_other_tags_when_a_credit_comes_that_knows_the_old_ones_then_it_gets_nothing_unsuitable(
    swarm: Driver,
) -> None:
    ada = swarm.register("ada", tags=("gpu",))
    task_id = swarm.file(requires=Requirements(tags=frozenset({"gpu"})))
    credit = swarm.claim_operation(ada)
    say(swarm, ada, 0, tags=("linux",))

    assert swarm.do(credit) is None

    assert swarm.state(task_id).ready
    say(swarm, ada, 1, tags=None)
    claimed = swarm.claim(ada)
    assert claimed is not None
    assert claimed.profile_version == 2


def test_given_an_agent_that_was_introduced_when_its_worker_reports_then_what_was_said_stays(swarm: Driver) -> None:
    child = swarm.introduce("tester", description="tests")

    swarm.register("host-7", agent_id=child.profile.id, tags=("linux",))

    agent = swarm.agent(child.profile.id)
    assert (agent.name, agent.description, agent.profile.tags) == ("tester", "tests", frozenset({"linux"}))
