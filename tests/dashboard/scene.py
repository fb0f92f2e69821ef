"""A small swarm at work that shows something on every page: for tests to look at, and for pictures of the docs."""

import subprocess
from pathlib import Path
from typing import Any

from agent_swarm.testing.real_swarm import RealSwarm

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"

DIFF = """say I look at what the parser does with empty input, then change it.
run ls
write parser.py <<END
def parse(text):
    if not text:
        return []
    return text.split(",")
END
run git init -q . && git add -A && git diff --cached
usage input=18400 output=2150 cost=0.41 model=sonnet
progress 60% The parser takes empty input
say It works now; the tests say so, too.
"""


def script(ref: str, title: str, prompt: str, **more: Any) -> dict[str, Any]:
    """A task for the script harness, as `POST /api/tasks/batch` takes it."""
    return {"ref": ref, "title": title, "harness": "script", "prompt": prompt, **more}


def make_repository(folder: Path) -> Path:
    """An own git repository with one commit."""
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    subprocess.run(["git", "-C", folder, *who, "commit", "-q", "--allow-empty", "-m", "Begin"], check=True)
    return folder


def furnish(swarm: RealSwarm) -> None:
    """What stands around tasks: a project, a swarm, budgets, a schedule, channels and messages, settings."""
    repository = make_repository(swarm.folder / "shop")
    swarm.call("POST", "/api/projects", {"name": "shop", "repoUrl": str(repository), "defaultBranch": "main"})
    swarm.call("POST", "/api/budgets", {"scope": "all", "period": "day", "capUsd": 20, "name": "everything"})
    nightly = {"prompt": "result up to date", "title": "Update the dependencies", "harness": "script"}
    swarm.call("POST", "/api/schedules", {"name": "nightly", "cron": "0 3 * * *", "task": nightly})
    swarm.call("POST", "/api/channels", {"name": "build", "description": "what is built"})
    swarm.call("POST", "/api/messages", {"channel": "build", "text": "The freeze begins at noon."})
    swarm.call("PUT", "/api/config", {"scope": "global", "key": "NODE_ENV", "value": "test", "isSecret": False})
    swarm.call("POST", "/api/swarms", {"name": "checkout", "project": "shop"})


def file_release(swarm: RealSwarm, *, with_hostile: bool = True) -> dict[str, str]:
    """A graph of tasks with one of every status; the ids by ref. `go` below `marks` lets the one that runs end.

    With `with_hostile` the texts of one are markup.
    """
    wait = f"wait-for {swarm.marks}/go\nresult done"
    said = f"say {HOSTILE}\nprogress {HOSTILE}\nresult {HOSTILE}"
    return swarm.file(
        *([script("hostile", HOSTILE, said, tags=["<b>tag</b>"])] if with_hostile else []),
        script(
            "parse", "Let the parser take empty input", f"{DIFF}result The parser takes empty input", project="shop"
        ),
        script(
            "build", "Build the release", f"say Building\nusage input=9100 output=800 cost=0.12 model=haiku\n{wait}"
        ),
        script("notes", "Write the release notes", "result Notes", dependsOn=["parse", "build"], tags=["docs"]),
        script("publish", "Publish the release", "result out", dependsOn=["notes"], priority=80, tags=["release"]),
        script("broken", "Port the importer", "say Reading\nrun false\nresult never", maxAttempts=1),
        script("later", "Tidy the backlog of warnings", "result tidy", backlog=True),
        script(
            "asks",
            "Deploy to production",
            'ask {"title": "Deploy version 1.2?", "pause": true, "details": "The migration takes about a minute.", '
            '"questions": [{"id": "region", "text": "Where?", "kind": "choice", "choices": ["eu", "us"]}, '
            '{"id": "sure", "text": "With the migration?", "kind": "yesNo"}]}\nresult deployed',
            tags=["release"],
        ),
        script("needs", "Train the ranking model", "result trained", requires={"tags": ["gpu"]}),
    )
