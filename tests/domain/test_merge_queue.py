"""How merge queues find what lands: over worlds in which results break alone, together, or conflict."""

from dataclasses import dataclass, field, replace
from math import ceil, log2

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_swarm.domain.merge_queue import Blame, Check, Judged, Round, Said, Verdict, judge, next_step


@dataclass(slots=True)
class World:
    """A branch, and what does not fit: sets of results of which all together fail, pairs that cannot be merged.

    `moves` are the checks, counted from 0, during which somebody else pushes; `flaky` are those that fail for nothing.
    """

    breaks: frozenset[frozenset[str]] = frozenset()
    conflicts: frozenset[frozenset[str]] = frozenset()
    moves: frozenset[int] = frozenset()
    flaky: frozenset[int] = frozenset()
    is_broken: bool = False
    branch: list[str] = field(default_factory=list)
    checked: list[frozenset[str]] = field(default_factory=list)
    pushed: int = 0

    @property
    def head(self) -> str:
        return f"c{len(self.branch)}.{self.pushed}"

    def fits(self, results: frozenset[str]) -> bool:
        return not self.is_broken and not any(broken <= results for broken in self.breaks)

    def check(self, results: tuple[str, ...]) -> Verdict:
        """What a worker does: merge, check, and land by comparing."""
        number, base, merged = len(self.checked), self.head, list(self.branch)
        for one in results:
            if any(pair <= {*merged, one} and one in pair for pair in self.conflicts):
                self.checked.append(frozenset())
                return Verdict(said=Said.CONFLICT, base=base, task_id=one)
            merged.append(one)
        self.checked.append(frozenset(merged))
        if not self.fits(frozenset(merged)) or number in self.flaky:
            return Verdict(said=Said.FAILED, base=base)
        if number in self.moves:
            self.pushed += 1
            return Verdict(said=Said.MOVED, base=base)
        self.branch = merged
        return Verdict(said=Said.LANDED, base=base, commit=self.head)


@dataclass(slots=True)
class Went:
    """What a queue came to."""

    landed: list[str] = field(default_factory=list)
    blamed: list[str] = field(default_factory=list)
    checks: int = 0
    halted: bool = False


def run(world: World, waiting: list[str], *, largest: int, retries: int, most: int = 1_000) -> Went:
    """The queue of a project until nothing waits."""
    went, of = Went(), Round()
    waiting = list(waiting)
    while went.checks < most:
        what = next_step(of, retries=retries)
        if isinstance(what, Blame):
            went.blamed.append(what.task_id)
            waiting.remove(what.task_id)
            of, what = of.over(), None
        if what is None:
            of = replace(of.over(), entries=tuple(waiting[:largest]))
            what = next_step(of, retries=retries)
        if what is None:
            return went
        assert isinstance(what, Check)
        judged = judge(of, what.size, world.check(of.entries[: what.size]))
        went.checks += 1
        assert judged is not None
        if judged.is_broken:
            went.halted = True
            return went
        went.landed += judged.landed
        waiting = [one for one in waiting if one not in judged.landed]
        of = judged.round
    raise AssertionError("it goes on for ever")


NAMES = [f"r{number:02}" for number in range(16)]
GROUPS = st.frozensets(st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=3), max_size=3)


def culprits(world: World, waiting: list[str]) -> list[str]:
    """The oracle: one by one, whatever does not fit on what is there then goes back."""
    branch: list[str] = []
    blamed = []
    for one in waiting:
        after = frozenset((*branch, one))
        if any(pair <= after and one in pair for pair in world.conflicts) or not world.fits(after):
            blamed.append(one)
        else:
            branch.append(one)
    return blamed


@given(
    count=st.integers(0, 16),
    breaks=GROUPS,
    conflicts=st.frozensets(st.frozensets(st.sampled_from(NAMES), min_size=2, max_size=2), max_size=3),
    largest=st.integers(1, 16),
    retries=st.integers(0, 2),
)
@example(12, frozenset({frozenset({"r05", "r09"})}), frozenset(), 12, 1)
def test_given_results_that_do_not_fit_when_a_queue_is_run_then_it_blames_whom_one_by_one_would_and_lands_the_rest(
    count: int, breaks: frozenset[frozenset[str]], conflicts: frozenset[frozenset[str]], largest: int, retries: int
) -> None:
    waiting = NAMES[:count]
    world = World(breaks=breaks, conflicts=conflicts)
    went = run(world, waiting, largest=largest, retries=retries)
    assert went.blamed == culprits(World(breaks=breaks, conflicts=conflicts), waiting)
    assert went.landed == [one for one in waiting if one not in went.blamed] == world.branch
    assert world.fits(frozenset(world.branch))
    assert not went.halted


@given(
    breaks=GROUPS,
    conflicts=st.frozensets(st.frozensets(st.sampled_from(NAMES), min_size=2, max_size=2), max_size=2),
    moves=st.frozensets(st.integers(0, 30), max_size=8),
    flaky=st.frozensets(st.integers(0, 30), max_size=8),
    largest=st.integers(1, 16),
)
def test_given_a_branch_that_moves_and_checks_that_fail_for_nothing_then_all_that_lands_was_checked_as_it_lands(
    breaks: frozenset[frozenset[str]],
    conflicts: frozenset[frozenset[str]],
    moves: frozenset[int],
    flaky: frozenset[int],
    largest: int,
) -> None:
    world = World(breaks=breaks, conflicts=conflicts, moves=moves, flaky=flaky)
    went = run(world, NAMES, largest=largest, retries=1)
    assert sorted((*went.landed, *went.blamed)) == NAMES or went.halted
    assert went.landed == world.branch
    assert all(world.fits(frozenset(world.branch[:size])) for size in range(len(world.branch) + 1))
    if went.landed:
        assert frozenset(world.branch) in world.checked


@given(count=st.integers(1, 16), largest=st.integers(1, 16), culprit=st.integers(0, 15), retries=st.integers(0, 2))
def test_given_one_culprit_then_it_is_found_in_as_many_checks_as_halving_takes(
    count: int, largest: int, culprit: int, retries: int
) -> None:
    bad = NAMES[culprit % count]
    world = World(breaks=frozenset({frozenset({bad})}))
    went = run(world, NAMES[:count], largest=largest, retries=retries)
    assert went.blamed == [bad]
    rounds = ceil(count / largest) + 1
    assert went.checks <= rounds + ceil(log2(min(count, largest))) + retries + 1


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_given_a_result_that_fails_alone_then_it_is_blamed_after_its_retries_and_once_the_branch_has_passed(
    retries: int,
) -> None:
    world = World(breaks=frozenset({frozenset({"a"})}))
    went = run(world, ["a"], largest=8, retries=retries)
    assert went.blamed == ["a"]
    assert world.checked == [frozenset({"a"})] * (retries + 1) + [frozenset()]


def test_given_a_result_that_fails_once_for_nothing_then_it_lands() -> None:
    went = run(World(flaky=frozenset({0})), ["a"], largest=8, retries=1)
    assert (went.landed, went.blamed) == (["a"], [])


def test_given_a_branch_that_fails_by_itself_then_nobody_is_blamed() -> None:
    went = run(World(is_broken=True), ["a", "b"], largest=8, retries=1)
    assert went.halted
    assert went.blamed == []


def test_given_a_branch_that_has_passed_then_it_is_not_checked_again_before_a_result_is_blamed() -> None:
    world = World(breaks=frozenset({frozenset({"a", "b"})}))
    run(world, ["a", "b"], largest=2, retries=0)
    assert frozenset() not in world.checked


def test_given_a_branch_that_moved_then_what_was_known_of_a_round_counts_no_more() -> None:
    of = Round(entries=("a", "b", "c", "d"), failing=4, seen=1, base="one")
    judged = judge(of, 2, Verdict(said=Said.LANDED, base="two", commit="three"))
    assert judged == Judged(round=Round(sound="three"), landed=("a", "b"))
    again = judge(of, 4, Verdict(said=Said.FAILED, base="two"))
    assert again is not None
    assert (again.round.failing, again.round.seen) == (4, 1)


def test_given_results_that_were_on_the_branch_already_then_its_commit_has_not_passed() -> None:
    of = Round(entries=("a",), sound="zero")
    judged = judge(of, 1, Verdict(said=Said.LANDED, base="one", commit="one"))
    assert judged == Judged(round=Round(sound="zero"), landed=("a",))
    by_itself = judge(
        Round(entries=("a",), failing=1, seen=2, base="one"), 0, Verdict(said=Said.LANDED, base="one", commit="one")
    )
    assert by_itself is not None
    assert by_itself.round.sound == "one"


def test_given_a_result_that_is_dropped_then_what_is_known_of_those_before_it_stays() -> None:
    of = Round(entries=("a", "b", "c", "d"), failing=2, seen=1, base="one")
    assert of.without("c") == replace(of, entries=("a", "b", "d"))
    assert of.without("b").failing == 0


def test_given_a_verdict_about_a_result_that_was_not_checked_then_it_makes_no_sense() -> None:
    of = Round(entries=("a", "b"))
    assert judge(of, 1, Verdict(said=Said.CONFLICT, base="one", task_id="b")) is None


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"mergeQueue": None},
        {"mergeQueue": {"verdict": "fine"}},
        {"mergeQueue": {"verdict": "landed", "base": 1}},
    ],
)
def test_given_something_else_than_a_verdict_when_it_is_read_then_it_is_none(told: dict[str, object] | None) -> None:
    assert Verdict.read(told, text="", check_id="") is None


def test_given_a_verdict_when_it_travels_then_it_is_the_same() -> None:
    verdict = Verdict(said=Said.LANDED, base="one", commit="two", text="ok", check_id="t")
    assert Verdict.read(verdict.data(), text="ok", check_id="t") == verdict


def test_given_a_round_when_it_is_stored_then_it_is_the_same() -> None:
    of = Round(entries=("a", "b"), failing=2, seen=1, base="one", sound="zero", before=("c",), text="t", check_id="k")
    assert Round.from_stored(of.stored()) == of
