"""The template of an agent: looked up when it starts for the first time, and kept as it was then.

What a template is changed to later changes no agent that has begun with it, and a template that is named later is not
applied: from its first start on, an agent is what people and it itself have made of it.
"""

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from agent_swarm import config
from agent_swarm.config import SettingError
from agent_swarm.templates.document import Template, read
from agent_swarm.templates.finding import find, is_path
from agent_swarm.worker.identity import agent_id_for
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.workspace.git import Git
from agent_swarm.worker.workspace.urls import Remote

log = structlog.get_logger(__name__)

KEPT = "template.json"


def with_template(
    settings: WorkerSettings, *, decided: frozenset[str], environ: Mapping[str, str] = os.environ
) -> WorkerSettings:
    """The settings of an agent that has a template, or gets one now: its defaults hold where nothing is `decided`.

    Raises SettingError, and what `template_named` raises.
    """
    home = settings.directory / agent_id_for(settings.agent_id, settings.name, settings.directory)
    if (home / KEPT).exists():
        template = _kept(home / KEPT)
        if settings.template_id and settings.template_id != template.id:
            log.warning(
                "template_not_applied", template=settings.template_id, kept=template.id, why="not the first start"
            )
    elif not settings.template_id:
        return settings
    elif (home / "lock").exists():  # a process has run here
        log.warning("template_not_applied", template=settings.template_id, why="not the first start")
        return settings
    else:
        template = template_named(settings.template_id, own=settings.templates, environ=environ)
        applied = _applied(settings, template, decided)  # refused before anything is kept
        _keep(home / KEPT, template)
        return applied
    return _applied(settings, template, decided)


def template_named(named: str, *, own: Path, environ: Mapping[str, str] = os.environ) -> Template:
    """A template by its name, its folder, or the URL of the git repository that it is in: `URL#folder`.

    Raises NotFound, TemplateInvalid, SettingError for credentials in a URL, and WorkspaceError where git fails.
    """
    url, _, folder = named.partition("#")
    if is_path(named) or ":" not in url:
        return find(named, own)
    remote = Remote.parse(url)
    if remote.secrets:
        raise SettingError(
            f"the template's address {remote.url} has credentials in it, and would be shown",
            hint="leave them to git: a credential helper, or SSH",
        )
    with tempfile.TemporaryDirectory(prefix="agent-swarm-template-") as scratch:
        asyncio.run(_fetch(remote, Path(scratch), environ))
        found = (Path(scratch) / "fetched" / folder).resolve()
        if not found.is_relative_to(Path(scratch).resolve()):
            raise SettingError(f"{folder!r} leads out of the repository {url}", hint="name a folder in it")
        return replace(read(found, named), id=named)


def require_defaults(template: Template) -> None:
    """Raise SettingError where a default of the template is none that the setting could have."""
    known = config.settings_of(WorkerSettings)
    for name, text in template.defaults.items():
        if problem := config.problem_with(known[name], text):
            raise SettingError(
                f"defaults.{name} of template {template.id} is {text!r}: {problem}", hint=known[name].help
            )


def decided_in(environ: Mapping[str, str], flags: Mapping[str, object], toml: Path | None = None) -> frozenset[str]:
    """The settings of a worker that somebody has decided, by name."""
    written = config.toml_section(toml or config.home() / "workers" / "config.toml", "worker")
    return config.given(WorkerSettings, environ=environ, flags=flags) | frozenset(written)


async def _fetch(remote: Remote, scratch: Path, environ: Mapping[str, str]) -> None:
    git = Git(environ=environ)
    await git.run(
        "clone",
        "--quiet",
        "--depth=1",
        *remote.serving("upload-pack"),
        "--",
        remote.url,
        "fetched",
        cwd=scratch,
        limit=git.timeouts.best_effort,
    )


def _applied(settings: WorkerSettings, template: Template, decided: frozenset[str]) -> WorkerSettings:
    if template.agent_role and template.agent_role != settings.agent_role:
        raise SettingError(
            f"template {template.id} is for a {template.agent_role}, and AGENT_ROLE is {settings.agent_role}",
            hint=f"start it with: agent-swarm {template.agent_role} --template {template.id}",
        )
    require_defaults(template)
    known = config.settings_of(WorkerSettings)
    values = {name: known[name].parse(text) for name, text in template.defaults.items() if name not in decided}
    return replace(settings, **values, template_id=template.id, template=template)


def _kept(path: Path) -> Template:
    try:
        return Template.of_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise SettingError(
            f"cannot read the agent's template in {path}: {exc}", hint="remove the file to start without one"
        ) from exc


def _keep(path: Path, template: Template) -> None:
    """Written whole or not at all: a start that was cut short is the first one again."""
    draft = path.parent.with_name(f"{path.parent.name}.{KEPT}.{os.getpid()}")
    draft.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft.write_text(json.dumps(template.as_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    path.parent.mkdir(exist_ok=True, mode=0o700)
    try:
        draft.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
