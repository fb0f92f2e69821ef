"""The conflict radar: a hundred branches merged pairwise in memory, and a look at what one run has now."""

import asyncio
import os
import subprocess
import time
from itertools import combinations
from pathlib import Path

from agent_swarm.domain.ids import new_id
from agent_swarm.worker.workspace import Identity, Project, Workspaces
from agent_swarm.worker.workspace.git import Git
from agent_swarm.worker.workspace.trial_merges import trial_merges
from benchmarks import workplace
from benchmarks.figures import median
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale

LINES = 200  # of each file
ENVIRON = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def measure(scale: Scale) -> list[Row]:
    """Each branch changes five files of its own and a line of one that all change."""
    branches, files = scale.of(100, 20), scale.of(5_000, 500)
    with workplace.folder() as folder:
        repository = folder / "project"
        commits = _repository(repository, branches=branches, files=files)
        pairs = list(combinations(commits, 2))
        used = os.times()
        seconds = asyncio.run(_merged(folder, repository, pairs))
        after = os.times()
        unchanged, changed = asyncio.run(_looked_at(folder, repository, rounds=scale.of(20, 3)))
    return [
        row(f"radar: {branches} branches of {files:,} files, all pairs", seconds, "s", at_most(10)),
        row("radar: the same, processor time", _processor(after) - _processor(used), "s"),
        row("radar: pairs", len(pairs) / seconds, "/s"),
        row(f"radar: a look at a run of {files:,} files, nothing new", unchanged, "ms"),
        row("radar: the same, one file changed", changed, "ms"),
    ]


def _repository(path: Path, *, branches: int, files: int) -> list[str]:
    """A repository with so many files and branches, of which some change the same line; the commits of these."""
    path.mkdir()
    _git(path, "init", "--quiet", "--initial-branch=main")
    text = "".join(f"line {number}\n" for number in range(LINES))
    stream = [_commit("main", [(f"d{number % 50}/f{number}", text) for number in range(files)])]
    for branch in range(branches):
        shared = text.replace(f"line {branch % (branches * 2 // 5) * 5}\n", f"by {branch}\n")
        own = [(f"d{number % 50}/f{number}", f"{text}{branch}\n") for number in range(branch * 5 + 1, branch * 5 + 6)]
        stream.append(_commit(f"b{branch}", [("d0/f0", shared), *own], above="from refs/heads/main\n"))
    _git(path, "fast-import", "--quiet", stdin="".join(stream))
    return _git(path, "rev-parse", *(f"b{branch}" for branch in range(branches))).split()


def _commit(branch: str, files: list[tuple[str, str]], *, above: str = "") -> str:
    who = "committer Bench <bench@example.invalid> 1700000000 +0000\ndata 0\n"
    changes = "".join(f"M 100644 inline {name}\ndata {len(text)}\n{text}\n" for name, text in files)
    return f"commit refs/heads/{branch}\n{who}{above}{changes}\n"


async def _merged(folder: Path, repository: Path, pairs: list[tuple[str, str]]) -> float:
    scratch = folder / "scratch"
    scratch.mkdir()
    since = time.perf_counter()
    found = await trial_merges(Git(environ=ENVIRON), scratch, repository / ".git/objects", pairs)
    seconds = time.perf_counter() - since
    assert len(found) == len(pairs) and any(found.values())
    return seconds


async def _looked_at(folder: Path, repository: Path, *, rounds: int) -> tuple[float, float]:
    """Milliseconds for a run in which nothing is new, and for one with another file each time."""
    identity = Identity.of_agent(new_id(), "Bench")
    async with await Workspaces.open(folder / "worker", identity, environ=ENVIRON) as host:
        project = Project(id=new_id(), url=str(repository), default_branch="main")
        run = await host.prepare(project, new_id(), 1)
        snapshots = host.live_snapshots(project)
        unchanged: list[float] = []
        changed: list[float] = []
        for number in range(rounds):
            (run.path / "d1/f1").write_text(f"{number}\n")
            for times in (changed, unchanged):
                since = time.perf_counter()
                await snapshots.take(run)
                times.append(1000 * (time.perf_counter() - since))
        snapshots.close()
    return median(unchanged), median(changed)


def _processor(times: os.times_result) -> float:
    return times.user + times.system + times.children_user + times.children_system


def _git(path: Path, *args: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["git", *args], cwd=path, env=ENVIRON, input=stdin, text=True, capture_output=True, check=True
    )
    return done.stdout
