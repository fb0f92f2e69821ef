"""A worker process that is killed by SIGKILL at a named step, or goes on to the end of its story.

Usage: killed_worker.py STORY STEP, with a JSON description of the rest on standard input. What it does to a workspace
is real; the caller looks at what is left of it.
"""

# ruff: noqa: T201 - it tells its parent how far it got

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from agent_swarm.worker.workspace import Identity, PreviousAttempt, Project, Workspace, Workspaces
from agent_swarm.worker.workspace.steps import Step


def change_files(workspace: Workspace) -> None:
    """What an agent does: a file committed, one changed, one new."""
    (workspace.path / "committed").write_text("1\n")
    os.system(f"cd '{workspace.path}' && git add committed && git commit --quiet -m own")
    (workspace.path / "README").write_text("changed\n")
    (workspace.path / "untracked").write_text("2\n")


async def tell(story: str, host: Workspaces, project: Project, task: str) -> None:
    workspace = await host.prepare(project, task, 1)
    change_files(workspace)
    print("worked", flush=True)
    if story == "work":
        os.kill(os.getpid(), signal.SIGKILL)
    if story == "collect":
        await host.collect(workspace, message="done")
        await host.discard(workspace)
    elif story == "discard":
        await host.discard(workspace)
    elif story == "resume":
        await host.pause(workspace)
        resumed = await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
        (resumed.path / "resumed").write_text("3\n")
        await host.discard(resumed)


async def main(story: str, step: str, about: dict[str, Any]) -> None:
    def reached(here: Step) -> None:
        if here == step:
            os.kill(os.getpid(), signal.SIGKILL)

    identity = Identity.of_agent(about["agent"], "Ada")
    project = Project(id=about["project"], url=about["url"])
    host = await Workspaces.open(Path(about["worker_dir"]), identity, environ=os.environ, reached=reached)
    if story == "rescue":
        await host.rescue_leftovers(resumable=[])
    else:
        await tell(story, host, project, about["task"])
    print("ended", flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2], json.load(sys.stdin)))
