"""Completion, as shells do it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from agent_swarm.cli.completion import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_given_a_shell_then_its_script_asks_this_program(shell: str, run: Run) -> None:
    ended = run("completion", shell)
    assert ended.code == 0
    assert f"_AGENT_SWARM_COMPLETE={shell}_complete" in ended.out


@pytest.mark.parametrize("shell", SHELLS)
def test_given_a_shell_that_is_installed_then_it_accepts_the_script(shell: str, run: Run, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "completion"
    script.write_text(run("completion", shell).out)
    assert subprocess.run([shell, "-n", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("agent-swarm ta", {"task"}),
        ("agent-swarm task pr", {"priority", "promote"}),
        ("agent-swarm task add --prio", {"--priority"}),
        ("agent-swarm task add --priority ur", {"urgent"}),
        ("agent-swarm db m", {"migrate"}),
        ("agent-swarm db copy --on", {"--online"}),
        ("agent-swarm completion z", {"zsh"}),
    ],
)
def test_given_a_beginning_when_bash_completes_then_it_proposes_what_fits(
    words: str, expected: set[str], run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "agent-swarm").write_text(f'#!/bin/sh\nexec {sys.executable} -m agent_swarm "$@"\n')
    (folder / "agent-swarm").chmod(0o755)
    given = words.split(" ")
    quoted = " ".join(f"'{word}'" for word in given)
    typed = f"COMP_WORDS=({quoted}); COMP_CWORD={len(given) - 1}"
    call = "_agent_swarm_completion agent-swarm; printf '%s\\n' \"${COMPREPLY[@]}\""
    program = f"{run('completion', 'bash').out}\n{typed}\n{call}\n"
    path = f"{folder}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", program], env={**environment, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert set(done.stdout.split()) == expected
