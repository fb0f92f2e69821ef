"""`agent-swarm template`: what agents start from the first time."""

import shutil
from pathlib import Path

import click

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import one_line, printable

TEXTS = ("agent_role", "role", "profile_description", "permissions")


@click.group()
def template() -> None:
    """Say what agents are when they start the first time.

    A template is a folder: template.toml with profile, permissions and defaults, and the texts that the agent is told.

    \b
    Examples:
      agent-swarm template list
      agent-swarm worker --template official/coder
    """


@template.command("list")
@json_option
def list_templates(*, as_json: bool) -> None:
    """List the templates of the package and your own.

    \b
    Example:
      agent-swarm template list
    """
    from agent_swarm.templates.finding import listed

    found = listed(_own())
    if as_json:
        told = [
            {"id": one.id, "problem": one.problem, "template": one.template and one.template.as_json()} for one in found
        ]
        print_json({"templates": told})
        return
    rows = [
        (one.id, one.template.name if one.template else "", one_line(_about(one.template, one.problem), 90))
        for one in found
    ]
    print_table(("TEMPLATE", "NAME", ""), rows, empty="no templates")


@template.command("show")
@click.argument("named", metavar="TEMPLATE")
@json_option
def show(*, named: str, as_json: bool) -> None:
    """Show what a template says, and whether it can be used.

    TEMPLATE is a name, a folder, or the URL of a git repository with #FOLDER.

    \b
    Examples:
      agent-swarm template show official/coder
      agent-swarm template show ./templates/tester
      agent-swarm template show https://git.example.com/team/templates.git#tester
    """
    from agent_swarm.worker.first_boot import require_defaults, template_named

    found = template_named(named, own=_own())
    require_defaults(found)
    told = found.as_json()
    if as_json:
        print_json(told)
        return
    say(f"{printable(found.id)}: {printable(found.name)}")
    if found.description:
        say(printable(found.description))
    facts = {name.replace("profile_", "").replace("_", " "): told[name] for name in TEXTS}
    facts |= {"skills": ", ".join(found.skills), "tags": ", ".join(found.tags)}
    facts["defaults"] = ", ".join(f"{name} {value}" for name, value in found.defaults.items())
    for fact, value in facts.items():
        if value:
            say(f"{fact + ':':<13} {printable(value)}")
    if found.instructions:
        say(f"\n{printable(found.instructions)}")


@template.command("new")
@click.argument("named", metavar="TEMPLATE")
@click.option("--from", "source", default="official/coder", show_default=True, help="The template to begin with.")
@json_option
def new(*, named: str, source: str, as_json: bool) -> None:
    """Make a template of your own out of another one.

    TEMPLATE is a name, which makes it in ~/.agent-swarm/templates (AGENT_SWARM_TEMPLATES), or a folder: ./tester

    \b
    Examples:
      agent-swarm template new tester
      agent-swarm template new team/reviewer --from official/reviewer
      agent-swarm template new ./templates/tester
    """
    from agent_swarm.templates.finding import OFFICIAL, find, folder_of, is_path

    own = _own()
    find(source, own)  # only what can be used is copied
    if named.partition("/")[0] == OFFICIAL:
        raise CommandFailed(f"{OFFICIAL}/ is for the package's own templates", hint="choose another name")
    target = Path(named).expanduser() if is_path(named) else folder_of(named, own)
    origin = Path(source).expanduser() if is_path(source) else folder_of(source, own)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(origin, target)
    except FileExistsError as exc:
        raise CommandFailed(f"{target} is there already", hint="choose another name, or remove it") from exc
    except OSError as exc:
        raise CommandFailed(f"cannot write {target}: {exc}", hint="choose another folder") from exc
    if as_json:
        print_json({"template": named, "folder": str(target)})
        return
    say(str(target))
    say(f"change its files, then: agent-swarm template show {named}", to_errors=True)


def _own() -> Path:
    from agent_swarm import config
    from agent_swarm.worker.settings import WorkerSettings

    toml = config.home() / "workers" / "config.toml"
    return config.load(WorkerSettings, section="worker", toml=toml).templates


def _about(found: object, problem: str) -> str:
    return f"cannot be used: {problem}" if problem else str(getattr(found, "description", ""))
