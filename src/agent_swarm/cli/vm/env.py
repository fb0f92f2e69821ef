"""`agent-swarm env set|list|rm`: encrypted variables that commands in VMs get."""

from pathlib import Path

import click

from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import printable
from agent_swarm.cli.typed_values import from_env_option, from_file_option, quiet_value
from agent_swarm.cli.vm.common import PROJECT, vm_host

project_option = click.option("--project", type=PROJECT, help="For this project alone; it goes before the global one.")


@click.command("set")
@click.argument("key")
@click.argument("value", required=False)
@project_option
@from_file_option
@from_env_option
@json_option
def set_(
    *, key: str, value: str | None, project: str | None, from_file: Path | None, from_env: str | None, as_json: bool
) -> None:
    """Set a variable for commands in VMs.

    It is stored encrypted, and reaches `run`, `project run`, `ssh` and `project ssh`. Other users of this machine can
    read a command line while it runs: without VALUE it is asked for, or read from standard input.

    \b
    Examples:
      agent-swarm env set ANTHROPIC_API_KEY                          (asks for it)
      pass show github | agent-swarm env set GITHUB_TOKEN --project myapp
      agent-swarm env set NODE_ENV test
    """
    from agent_swarm.vm.variables.variables import set_variable

    if value is not None and (from_file is not None or from_env is not None):
        raise click.UsageError("give the value itself, or where to read it, not both")
    text = value if value is not None else quiet_value(f"value of {key}", from_file=from_file, from_env=from_env)
    found = set_variable(vm_host(), key, text, project=project)
    if found.is_new:
        because = f", since {found.why_there}" if found.why_there else ""
        say(f"a new key for variables was made in {found.place}{printable(because)}", to_errors=True)
        if found.why_there:
            say("whoever can read that file and registry.db can read the variables", to_errors=True)
    if as_json:
        print_json({"name": key, "project": project, "key": {"place": found.place, "isNew": found.is_new}})
    else:
        say(f"{key} is set {_where(project)}, encrypted")


@click.command("list")
@project_option
@json_option
def list_(*, project: str | None, as_json: bool) -> None:
    """List the names of variables; values are never shown.

    With --project those that its commands get: the global ones, and its own.

    \b
    Examples:
      agent-swarm env list
      agent-swarm env list --project myapp --json
    """
    from agent_swarm.vm.variables.variables import list_variables

    rows = list_variables(vm_host(), project=project)
    if as_json:
        print_json({"variables": [{"name": row.name, "project": row.scope or None} for row in rows]})
        return
    cells = [(row.name, row.scope or "all projects") for row in rows]
    print_table(("NAME", "FOR"), cells, empty="no variables; set one with: agent-swarm env set NAME")


@click.command("rm")
@click.argument("key")
@project_option
@json_option
def remove(*, key: str, project: str | None, as_json: bool) -> None:
    """Remove a variable.

    \b
    Examples:
      agent-swarm env rm GITHUB_TOKEN
      agent-swarm env rm ANTHROPIC_API_KEY --project myapp
    """
    from agent_swarm.vm.variables.variables import remove_variable

    remove_variable(vm_host(), key, project=project)
    if as_json:
        print_json({"name": key, "project": project, "removed": True})
    else:
        say(f"{key} is no longer set {_where(project)}")


def _where(project: str | None) -> str:
    return f"for project {project}" if project else "for all projects"
