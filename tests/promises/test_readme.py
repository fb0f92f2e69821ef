"""A newcomer can follow the README, line by line, with nothing but what it says."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.promises.project import blocks, page

pytestmark = pytest.mark.slow

SETTINGS = ("AGENT_", "API_KEY", "MCP_BASE_URL", "DATA_DIR", "PORT", "HOST", "SHUTDOWN_TIMEOUT", "HARNESS_PROVIDER")
PERSON = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Newcomer"), ("EMAIL", "newcomer@example.invalid"))
}


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of somebody who has started the swarm as the README says, in an empty home."""
    home = tmp_path_factory.mktemp("newcomer")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**clean, **PERSON, "HOME": str(home), "PATH": path, "PORT": "0"}
    start = first_steps()[0].splitlines()
    assert start[:2] == ["make setup", ". .venv/bin/activate"]  # what this test has been given
    with subprocess.Popen(
        start[2].split(), env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as up:
        assert up.stdout is not None
        heard: list[str] = []
        url = next((found[1] for line in up.stdout if (found := is_up(line, heard))), None)
        assert url is not None, "".join(heard)
        yield {**environment, "AGENT_SWARM_URL": url}
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=60)
    assert up.returncode == 130


def is_up(line: str, heard: list[str]) -> "re.Match[str] | None":
    """Where the swarm is, once it says so."""
    heard.append(line)
    return re.search(r"is up at (http://\S+)", line)


def first_steps() -> list[str]:
    """The shell blocks of the part that starts from nothing."""
    part = page("README.md").split("## From nothing to a finished task")[1].split("\n## ")[0]
    return blocks(part, "sh")


def follow(block: str, environment: dict[str, str]) -> str:
    """What the lines of a block print."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_given_a_swarm_when_the_first_task_is_followed_then_it_completes_and_tells_about_itself(
    newcomer: dict[str, str],
) -> None:
    said = follow(first_steps()[1], newcomer)
    assert "completed\nhello" in said
    assert "echo hello" in said
    assert "it was completed by agent" in said


def test_given_a_swarm_when_it_works_on_a_repository_then_the_work_is_on_a_branch_of_its_own(
    newcomer: dict[str, str],
) -> None:
    said = follow(first_steps()[2], newcomer)
    assert "completed" in said
    assert "date > today.txt" in said.partition("completed")[2]  # the history shows it
    shop = Path(newcomer["HOME"], "shop")
    assert not (shop / "today.txt").exists()
    branches = follow("git -C shop for-each-ref --format='%(refname)' refs/heads/swarm", newcomer).split()
    assert follow(f"git -C shop show {branches[0]}:today.txt", newcomer).strip()


def test_given_a_swarm_when_a_task_needs_what_nobody_has_then_the_readme_shows_how_to_learn_it(
    newcomer: dict[str, str],
) -> None:
    assert "lacks tag 'gpu'" in follow(first_steps()[3], newcomer)
