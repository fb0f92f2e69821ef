"""Merges on trial against what `git merge` makes of the same commits."""

import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from agent_swarm.worker.workspace.git import Git
from agent_swarm.worker.workspace.trial_merges import Files, Pair, trial_merges

from .checkouts import Checkout, MakeCheckout

pytestmark = pytest.mark.anyio

BRANCHES = 6
BASE = {f"d{number % 3}/f{number}": [f"line {line} of {number}" for line in range(12)] for number in range(9)}


@pytest.fixture
def git(environ: dict[str, str]) -> Git:
    return Git(environ=environ)


@pytest.fixture
def repository(make_checkout: MakeCheckout, tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path / "generated")


async def conflicts(git: Git, repository: Checkout, pairs: list[Pair], tmp_path: Path) -> dict[Pair, Files]:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    found = await trial_merges(git, scratch, repository.path / ".git/objects", pairs)
    assert not list(scratch.iterdir())
    return found


def merged(repository: Checkout, one: str, other: str) -> Files:
    """The files that a real merge leaves in conflict."""
    repository.git("reset", "--quiet", "--hard", one)
    repository.git("clean", "-ffdxq")
    repository.git("merge", "--quiet", "--no-ff", "--no-commit", other, accept=(0, 1))
    names = repository.git("ls-files", "--unmerged", "-z").split("\0")
    plain = {entry.split("\t", 1)[1].removesuffix("~HEAD").removesuffix(f"~{other}") for entry in names if entry}
    repository.git("reset", "--quiet", "--hard")
    return tuple(sorted(plain))


def imported(repository: Checkout, branches: dict[str, list[str]], base: list[str]) -> dict[str, str]:
    """The commits of branches, each given as what `git fast-import` is to do with the files of a common base."""

    def commit(name: str, changes: list[str], above: str = "") -> str:
        who = "committer Grace <grace@example.org> 1700000000 +0000\ndata 0\n"
        return f"commit refs/heads/{name}\n{who}{above}" + "".join(changes) + "\n"

    above = "from refs/heads/base\n"
    stream = commit("base", base) + "".join(commit(name, told, above) for name, told in branches.items())
    repository.git("fast-import", "--quiet", "--force", stdin=stream)
    return {name: repository.git("rev-parse", f"refs/heads/{name}") for name in ("base", *branches)}


def put(name: str, content: str, mode: str = "100644") -> str:
    return f"M {mode} inline {name}\ndata {len(content.encode())}\n{content}\n"


def text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def changes(drawn: random.Random, files: dict[str, list[str]]) -> Iterator[str]:
    """What one agent did, as `git fast-import` takes it."""
    for name in drawn.sample(sorted(files), k=drawn.randint(1, 4)):
        lines = list(files[name])
        match drawn.choice(["edit", "edit", "edit", "insert", "delete", "rename", "mode", "binary", "link", "folder"]):
            case "edit":
                lines[drawn.randrange(len(lines))] = f"changed {drawn.randrange(3)}"
                yield put(name, text(lines))
            case "insert":
                lines.insert(drawn.randrange(len(lines)), f"more {drawn.randrange(3)}")
                yield put(name, text(lines))
            case "delete":
                yield f"D {name}\n"
            case "rename":
                yield f"R {name} {drawn.choice(['moved', 'd0', 'd1'])}/g{drawn.randrange(4)}\n"
            case "mode":
                yield put(name, text(lines), "100755")
            case "binary":
                yield put(name, f"\0{drawn.randrange(3)}")
            case "link":
                yield f"D {name}\n" + put(name, f"target{drawn.randrange(2)}", "120000")
            case "folder":
                yield f"D {name}\n" + put(f"{name}/inner", f"{drawn.randrange(2)}\n")
    if drawn.random() < 0.6:
        yield put(f"new{drawn.randrange(3)}", text([f"added {drawn.randrange(3)}", "same"]))


@pytest.mark.parametrize("seed", range(5))
async def test_given_generated_branches_when_merged_on_trial_then_the_same_files_conflict_as_in_real_merges(
    seed: int, git: Git, repository: Checkout, tmp_path: Path
) -> None:
    drawn = random.Random(seed)
    branches = {f"b{number}": list(changes(drawn, BASE)) for number in range(BRANCHES)}
    commits = imported(repository, branches, [put(name, text(lines)) for name, lines in BASE.items()])
    pairs = list(combinations([commits[name] for name in branches], 2))
    expected = {pair: merged(repository, *pair) for pair in pairs}
    assert await conflicts(git, repository, pairs, tmp_path) == expected
    assert any(expected.values())
    assert not all(expected.values())


async def test_given_a_hundred_branches_when_merged_on_trial_then_every_pair_is_judged(
    git: Git, repository: Checkout, tmp_path: Path
) -> None:
    """Branch n changes line n % 10 of a file in its own way, so that every tenth conflicts."""
    lines = [f"{line}" for line in range(0, 100)]
    branches = {}
    for number in range(100):
        changed = list(lines)
        changed[number % 10 * 10] = f"by {number}"
        branches[f"b{number}"] = [put("shared", text(changed)), put(f"own{number}", "own\n")]
    commits = imported(repository, branches, [put("shared", text(lines))])
    pairs = {(a, b): (commits[f"b{a}"], commits[f"b{b}"]) for a, b in combinations(range(100), 2)}
    found = await conflicts(git, repository, list(pairs.values()), tmp_path)
    assert len(found) == 4_950
    assert {pair for pair, two in pairs.items() if found[two]} == {(a, b) for a, b in pairs if a % 10 == b % 10}


async def test_given_attributes_that_join_lines_when_merged_on_trial_then_they_count(
    git: Git, repository: Checkout, tmp_path: Path
) -> None:
    base = [put("LOG", "one\n"), put("code", "one\n"), put(".gitattributes", "LOG merge=union\n")]
    branches = {name: [put("LOG", f"one\n{name}\n"), put("code", f"{name}\n")] for name in ("left", "right")}
    commits = imported(repository, branches, base)
    pair = (commits["left"], commits["right"])
    assert await conflicts(git, repository, [pair], tmp_path) == {pair: ("code",)}


async def test_given_a_history_of_its_own_when_merged_on_trial_then_it_is_left_out_and_the_others_are_not(
    git: Git, repository: Checkout, tmp_path: Path
) -> None:
    branches = {name: [put("file", f"{name}\n")] for name in ("left", "right")}
    commits = imported(repository, branches, [put("file", "base\n")])
    repository.git("checkout", "--quiet", "--orphan", "alone")
    alone = repository.commit({"file": "alone\n"})
    left, right = commits["left"], commits["right"]
    found = await conflicts(git, repository, [(left, alone), (left, right), (alone, right)], tmp_path)
    assert found == {(left, right): ("file",)}


async def test_given_merge_drivers_in_every_configuration_when_merged_on_trial_then_none_is_run(
    git: Git, repository: Checkout, tmp_path: Path, environ: dict[str, str]
) -> None:
    ran = tmp_path / "ran"
    driver = f'[merge "trap"]\n\tdriver = "touch {ran}"\n[merge]\n\tdefault = trap\n'
    (Path(environ["HOME"]) / ".gitconfig").write_text(driver)
    (repository.path / ".git/config").open("a").write(driver)
    base = [put("file", "base\n"), put(".gitattributes", "* merge=trap filter=trap diff=trap\n")]
    branches = {name: [put("file", f"{name}\n")] for name in ("left", "right")}
    commits = imported(repository, branches, base)
    pair = (commits["left"], commits["right"])
    assert await conflicts(git, repository, [pair], tmp_path) == {pair: ("file",)}
    assert not ran.exists()
