"""What SSH to a VM says of the keys that it could lend; logging in is tried on a Debian in `test_debian_image`."""

import subprocess
from pathlib import Path

import pytest

from agent_swarm.vm.bridge import session_options
from agent_swarm.vm.ssh import agent_hint


@pytest.mark.parametrize(("code", "said"), [(0, ""), (1, "holds no key"), (2, "no SSH agent runs")])
def test_given_an_agent_with_keys_without_or_none_then_the_hint_says_what_to_do(
    code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ssh-add").write_text(f"#!/bin/sh\nexit {code}\n")
    (tmp_path / "ssh-add").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    hint = agent_hint()
    assert said in hint
    assert bool(hint) == ("ssh-add" in hint) == (code != 0)


def test_given_no_ssh_at_all_then_there_is_nothing_to_hint_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert agent_hint() == ""


def test_given_variables_when_a_session_begins_then_it_has_them_under_their_own_names_and_runs_what_was_asked_for(
    tmp_path: Path,
) -> None:
    _, accepted, _, forced = session_options(["TOKEN", "PATH_X"])
    assert accepted == "AcceptEnv=VM_VARIABLE_*"
    environment = {
        "VM_VARIABLE_TOKEN": "a 'b' \"c\" $d\ne",
        "VM_VARIABLE_PATH_X": "/opt",
        "SHELL": "/bin/sh",
        "SSH_ORIGINAL_COMMAND": 'printf "%s|%s" "$TOKEN" "$PATH_X"; env | grep -c ^VM_VARIABLE; exit 3',
    }
    command = ["/bin/sh", "-c", forced.removeprefix("ForceCommand=")]  # as sshd gives it to the user's shell
    done = subprocess.run(
        command, env={"PATH": "/bin:/usr/bin", **environment}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("a 'b' \"c\" $d\ne|/opt0\n", 3)
    assert session_options([]) == []
