"""`agent-swarm completion`."""

import click

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "agent-swarm"
VARIABLE = "_AGENT_SWARM_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Examples:
      agent-swarm completion bash >> ~/.bashrc
      agent-swarm completion zsh  > "${fpath[1]}/_agent-swarm"
      agent-swarm completion fish > ~/.config/fish/completions/agent-swarm.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    root = click.get_current_context().find_root().command
    # ShellComplete.source, not the override of bash, which starts a bash to learn its version.
    click.echo(ShellComplete.source(made(root, {}, PROGRAM, VARIABLE)))
