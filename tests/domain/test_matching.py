"""Who may run what: tags, capability patterns, pinned agents, soft labels."""

import fnmatch
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.domain.backoff import Backoff
from agent_swarm.domain.dependencies import Consequence, OnFailure, consequence, in_creation_order
from agent_swarm.domain.errors import DependencyCycle
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.matching import (
    AgentProfile,
    AgentRole,
    Requirements,
    capability_matches,
    gap,
    serves,
)
from agent_swarm.domain.priority import AGING, sort_key
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import from_wire, to_wire

labels = st.frozensets(st.sampled_from(["gpu", "linux", "pool:trusted", "repo:acme"]))


@pytest.mark.parametrize(
    ("pattern", "capability", "matches"),
    [
        ("harness.codex", "harness.codex", True),
        ("harness.*", "harness.codex", True),
        ("harness.*", "harness.", False),
        ("harness.*", "harness.claude.v2", False),
        ("harness.**", "harness.claude.v2", True),
        ("**", "anything.at.all", True),
        ("*", "one", True),
        ("*", "one.two", False),
        ("sandbox.fire*", "sandbox.firecracker", True),
        ("harness.c+dex", "harness.codex", False),
        ("Harness.codex", "harness.codex", False),
    ],
)
def test_given_a_pattern_when_a_capability_is_compared_then_stars_stay_within_their_segment(
    pattern: str, capability: str, matches: bool
) -> None:
    assert capability_matches(pattern, capability) is matches


@given(labels, labels)
def test_given_required_tags_when_an_agent_is_compared_then_it_needs_all_of_them(
    required: frozenset[str], offered: frozenset[str]
) -> None:
    agent = AgentProfile(id="a", tags=offered)
    needs = Requirements(tags=required)
    assert serves(agent, needs) == (required <= offered)
    assert set(gap(agent, needs).missing_tags) == required - offered


@given(st.text("abc*.", min_size=1, max_size=8), st.text("abc.", min_size=1, max_size=8))
def test_given_any_pattern_when_it_is_compared_then_it_agrees_with_a_naive_reading(
    pattern: str, capability: str
) -> None:
    whole_rest = pattern == "**" or pattern.endswith(".**")
    head = pattern[:-2] if whole_rest else pattern
    naive = "".join(r"[^.]+" if c == "*" else re.escape(c) for c in head) + (".+" if whole_rest else "")
    assert capability_matches(pattern, capability) == bool(re.fullmatch(naive, capability))
    if "*" not in pattern:
        assert capability_matches(pattern, capability) == fnmatch.fnmatchcase(capability, pattern)


def test_given_a_lead_when_tasks_are_for_anyone_then_it_takes_none_of_them() -> None:
    lead = AgentProfile(id="l", agent_role=AgentRole.LEAD)
    assert gap(lead, Requirements()).lead_only_addressed
    assert serves(lead, Requirements(agent_id="l"))


def test_given_an_agent_when_its_soft_labels_are_asked_then_they_are_its_skills_tags_and_role() -> None:
    agent = AgentProfile(id="a", role="frontend", skills=frozenset({"react"}), tags=frozenset({"ui"}))
    assert agent.labels == {"frontend", "react", "ui"}
    assert AgentProfile(id="b").labels == frozenset()


@given(labels, labels, st.none() | st.just("ada"))
def test_given_requirements_when_they_are_written_as_a_key_then_they_come_back_equal(
    tags: frozenset[str], capabilities: frozenset[str], agent_id: str | None
) -> None:
    needs = Requirements(tags=tags, capabilities=capabilities, agent_id=agent_id)
    assert Requirements.from_key(needs.key()) == needs


@pytest.mark.parametrize(
    ("policy", "upstream", "expected"),
    [
        (OnFailure.FAIL, TaskStatus.COMPLETED, Consequence.MET),
        (OnFailure.FAIL, TaskStatus.FAILED, Consequence.FAIL),
        (OnFailure.FAIL, TaskStatus.CANCELLED, Consequence.FAIL),
        (OnFailure.SKIP, TaskStatus.FAILED, Consequence.SKIP),
        (OnFailure.WAIT, TaskStatus.FAILED, Consequence.OPEN),
        (OnFailure.FAIL, TaskStatus.PAUSED, Consequence.OPEN),
    ],
)
def test_given_an_edge_when_its_upstream_stands_somewhere_then_the_policy_says_what_it_means(
    policy: OnFailure, upstream: TaskStatus, expected: Consequence
) -> None:
    assert consequence(policy, upstream) is expected


@given(st.dictionaries(st.integers(0, 12), st.sets(st.integers(0, 12), max_size=4), max_size=12))
def test_given_any_batch_when_it_is_ordered_then_upstreams_come_first_or_a_real_cycle_is_named(
    graph: dict[int, set[int]],
) -> None:
    upstreams = {str(node): [str(other) for other in sorted(others)] for node, others in graph.items()}
    try:
        order = in_creation_order(upstreams)
    except DependencyCycle as refusal:
        cycle = refusal.details["cycle"]
        assert cycle[0] == cycle[-1]
        assert all(after in upstreams[before] for before, after in pairwise(cycle))
        return
    assert sorted(order) == sorted(upstreams)
    for node, others in upstreams.items():
        assert all(order.index(other) < order.index(node) for other in others if other in upstreams)


@given(st.integers(0, 10**15), st.integers(0, 100), st.integers(0, 100))
def test_given_two_priorities_when_the_lower_one_waited_long_enough_then_it_comes_first(
    created_at: int, lower: int, higher: int
) -> None:
    lower, higher = sorted((lower, higher))
    waited = (higher - lower) * AGING
    old, new = (
        sort_key(created_at=created_at, priority=lower),
        sort_key(created_at=created_at + waited, priority=higher),
    )
    assert old <= new


@given(st.integers(1, 100), st.floats(0, 0.999))
def test_given_any_number_of_tries_when_a_pause_is_drawn_then_it_keeps_its_bounds(tries: int, jitter: float) -> None:
    backoff = Backoff(base=1_000, cap=60_000)
    assert 0 <= backoff.delay(tries, jitter) <= min(60_000, 1_000 * 2 ** min(tries - 1, 20))


def test_given_new_ids_when_they_are_made_in_turn_then_they_are_version_7_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(normalize_id(number) == number and number[14] == "7" and number[19] in "89ab" for number in ids)
    assert [number[:13] for number in ids] == sorted(number[:13] for number in ids)


@pytest.mark.parametrize(
    ("text", "normal"), [(" 0197A1C2-5b7e-7c3d-9e4f-0123456789AB ", True), ("x", False), ("", False)]
)
def test_given_a_text_when_it_is_a_uuid_then_it_is_taken_in_lower_case(text: str, normal: bool) -> None:
    assert normalize_id(text) == (text.strip().lower() if normal else None)


@given(st.integers(0, 4_000_000_000_000_000))
def test_given_any_instant_when_it_travels_then_it_keeps_its_milliseconds(instant: int) -> None:
    assert from_wire(to_wire(instant)) == instant // 1000 * 1000


def test_given_requirements_when_they_are_written_as_a_key_then_one_without_a_swarm_is_as_it_ever_was() -> None:
    without = Requirements(tags=frozenset({"gpu"}), agent_id="a")
    within = replace(without, swarm_id="swarm-1")

    assert without.key() == '[["gpu"],[],"a"]'
    assert within.key() == '[["gpu"],[],"a","swarm-1"]'
    assert [Requirements.from_key(one.key()) for one in (without, within)] == [without, within]


@pytest.mark.parametrize(("own", "wanted", "fits"), [(None, None, True), ("a", None, True), ("a", "a", True)])
@pytest.mark.parametrize("other", ["b", None])
def test_given_agents_in_and_out_of_a_swarm_when_matched_then_only_its_own_may_run_its_tasks(
    own: str | None, wanted: str | None, fits: bool, other: str | None
) -> None:
    assert serves(AgentProfile(id="x", swarm_id=own), Requirements(swarm_id=wanted)) is fits
    assert serves(AgentProfile(id="x", swarm_id=other), Requirements(swarm_id=wanted)) is (wanted is None)
    assert serves(AgentProfile(id="x", swarm_id=own), Requirements(swarm_id="c")) is False
