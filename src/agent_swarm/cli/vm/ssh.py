"""`agent-swarm ssh`, `code`, and those of projects: a person's session in a VM."""

import subprocess
import sys
from pathlib import PurePosixPath

import click

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.vm.common import PROJECT, TASK, vm_host
from agent_swarm.cli.vm.running import AsTyped
from agent_swarm.vm.names import VmRef, project_ref, task_ref

_HOME = "/home/worker"
_DENIED = (255, 128)  # of ssh itself, of git

configure_option = click.option(
    "--configure", is_flag=True, help="Have ~/.ssh/config include the entries of VMs, where it does not."
)


@click.command(cls=AsTyped)
@json_option
@click.argument("task", type=TASK)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(*, task: str, command: tuple[str, ...], as_json: bool) -> int:
    """Log in to a task VM.

    Your SSH agent is forwarded, so that git in the VM can use your keys; leave no session open in a VM that you do not
    trust. The VM is started where it does not run, and its image has to have sshd. The exit code is ssh's.

    In such a session `code PATH` opens VS Code here, connected with the VM, as `agent-swarm code` does.

    \b
    Examples:
      agent-swarm ssh fix-login
      agent-swarm ssh fix-login tmux attach
    """
    return _log_in(task_ref(task), command, as_json=as_json)


@click.command("ssh", cls=AsTyped)
@json_option
@click.argument("name", type=PROJECT)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh_to_project(*, name: str, command: tuple[str, ...], as_json: bool) -> int:
    """Log in to a project VM.

    \b
    Example:
      agent-swarm project ssh myapp
    """
    return _log_in(project_ref(name), command, as_json=as_json)


@click.command()
@click.argument("task", type=TASK)
@click.argument("path", default=_HOME)
@configure_option
@json_option
def code(*, task: str, path: str, configure: bool, as_json: bool) -> int:
    """Open VS Code in a task VM.

    It goes by SSH through the guest agent, as `ssh` does, and needs VS Code's extension Remote - SSH. VS Code reads
    ~/.ssh/config, which has to include the entries of VMs: --configure puts that line there.

    \b
    Examples:
      agent-swarm code fix-login --configure
      agent-swarm code fix-login project
    """
    return _open(task_ref(task), path, configure=configure, as_json=as_json)


@click.command("code")
@click.argument("name", type=PROJECT)
@click.argument("path", default=_HOME)
@configure_option
@json_option
def code_in_project(*, name: str, path: str, configure: bool, as_json: bool) -> int:
    """Open VS Code in a project VM.

    \b
    Example:
      agent-swarm project code myapp
    """
    return _open(project_ref(name), path, configure=configure, as_json=as_json)


def _open(ref: VmRef, path: str, *, configure: bool, as_json: bool) -> int:
    from agent_swarm.vm.editor import command, user_config

    place = str(PurePosixPath(_HOME, path))  # without a slash at its beginning it starts at worker's home
    arguments = command(vm_host(), ref, place, config=user_config(), configure=configure)
    done = subprocess.run(arguments, check=False)
    if as_json:
        print_json({"command": arguments, "exitCode": done.returncode})
    return done.returncode


def _log_in(ref: VmRef, command: tuple[str, ...], *, as_json: bool) -> int:
    from agent_swarm.vm.ssh import agent_hint, login
    from agent_swarm.vm.variables.variables import variables_for

    if as_json and not command:
        raise CommandFailed("--json takes a command to run", hint="see: agent-swarm ssh --help")
    host = vm_host()
    variables = variables_for(host, ref)
    found = login(host, ref, forward_agent=True, command=command, variables=variables, lends_editor=not as_json)
    hint = agent_hint()
    if as_json:
        done = subprocess.run(found.command, env=found.environment, capture_output=True, check=False)
        said = {"stdout": done.stdout.decode("utf-8", "replace"), "stderr": done.stderr.decode("utf-8", "replace")}
        print_json({"exitCode": done.returncode, **said, "hint": hint})
        return done.returncode
    if sys.stdin.isatty() and hint:
        say(hint, to_errors=True)
    ended = subprocess.run(found.command, env=found.environment, check=False).returncode
    if ended in _DENIED and hint and not sys.stdin.isatty():
        say(f"if it said Permission denied (publickey): {hint}", to_errors=True)
    return ended
