"""`agent-swarm ssh`, `project ssh`: a person's session in a VM."""

import subprocess
import sys

import click

from agent_swarm.cli.output import say
from agent_swarm.cli.vm.common import PROJECT, TASK, vm_host
from agent_swarm.cli.vm.running import AsTyped
from agent_swarm.vm.names import VmRef, project_ref, task_ref


@click.command(cls=AsTyped)
@click.argument("task", type=TASK)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(*, task: str, command: tuple[str, ...]) -> int:
    """Log in to a task VM.

    Your SSH agent is forwarded, so that git in the VM can use your keys; leave no session open in a VM that you do not
    trust. The VM is started where it does not run, and its image has to run sshd. The exit code is ssh's.

    \b
    Examples:
      agent-swarm ssh fix-login
      agent-swarm ssh fix-login tmux attach
    """
    return _log_in(task_ref(task), command)


@click.command("ssh", cls=AsTyped)
@click.argument("name", type=PROJECT)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh_to_project(*, name: str, command: tuple[str, ...]) -> int:
    """Log in to a project VM.

    \b
    Example:
      agent-swarm project ssh myapp
    """
    return _log_in(project_ref(name), command)


def _log_in(ref: VmRef, command: tuple[str, ...]) -> int:
    from agent_swarm.vm.ssh import agent_hint, login
    from agent_swarm.vm.variables.variables import variables_for

    host = vm_host()
    found = login(host, ref, forward_agent=True, command=command, variables=variables_for(host, ref))
    if sys.stdin.isatty() and (hint := agent_hint()):
        say(hint, to_errors=True)
    return subprocess.run(found.command, env=found.environment, check=False).returncode
