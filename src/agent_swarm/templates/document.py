"""A template's folder, read and checked: every mistake is told with its place and what was expected there."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from agent_swarm.domain.agent_profiles import INSTRUCTIONS_BYTES
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.protocol import limits

FILE_NAME = "template.toml"
FILE_BYTES = 64 * 1024
# Settings of a worker that a template may have a default for: none of them lets an agent reach or do more.
DEFAULTS = ("harness", "slots", "offers", "max_turns", "max_cost_usd", "stall_timeout", "denied_tools")
_TOP = ("name", "description", "agent_role", "permissions", "prompt", "profile", "defaults")
_PROFILE = ("role", "description", "skills", "tags")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.md")


class TemplateInvalid(InvalidInput):
    """What a template says cannot be used."""

    code = "invalidTemplate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What an agent is, is told and may do at first. What is empty is left to the agent's worker."""

    id: str
    name: str
    description: str = ""
    agent_role: Literal["", "lead", "worker"] = ""  # whom it is for
    role: str = ""
    profile_description: str = ""
    skills: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    instructions: str = ""  # the parts of its prompt, one below the other
    permissions: str = ""  # a permission profile
    defaults: Mapping[str, str] = field(default_factory=dict)  # of a worker's settings, as its config.toml has them

    def as_json(self) -> dict[str, Any]:
        """Everything in it."""
        return {**asdict(self), "skills": list(self.skills), "tags": list(self.tags), "defaults": dict(self.defaults)}

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Self:
        """The template that `as_json` told. Raises TypeError, ValueError."""
        return cls(**{**content, "skills": tuple(content["skills"]), "tags": tuple(content["tags"])})


def read(folder: Path, id_: str) -> Template:
    """The template in `folder`. Raises TemplateInvalid."""
    at = _Place(folder / FILE_NAME)
    try:
        content = tomllib.loads(_text(folder, FILE_NAME, at))
    except tomllib.TOMLDecodeError as exc:
        raise at.wrong(f"is not valid TOML: {exc}") from exc
    at.only(content, _TOP, "")
    profile, defaults = at.table(content, "profile"), at.table(content, "defaults")
    at.only(profile, _PROFILE, "profile.")
    at.only(defaults, DEFAULTS, "defaults.")
    role = at.text(content, "agent_role", limits.LABEL_CHARS)
    if role not in ("", "lead", "worker"):
        raise at.wrong(f"agent_role is {role!r}, expected lead or worker")
    name = at.text(content, "name", limits.TITLE_CHARS)
    if not name:
        raise at.wrong("name is missing: what people call it")
    return Template(
        id=id_,
        name=name,
        description=at.text(content, "description", limits.DESCRIPTION_CHARS),
        agent_role="lead" if role == "lead" else "worker" if role else "",
        role=at.text(profile, "role", limits.LABEL_CHARS, "profile."),
        profile_description=at.text(profile, "description", 2_000, "profile."),
        skills=at.labels(profile, "skills"),
        tags=at.labels(profile, "tags"),
        instructions=_instructions(folder, content, at),
        permissions=at.text(content, "permissions", limits.LABEL_CHARS),
        defaults={key: at.scalar(defaults, key) for key in defaults},
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """The file that is read, for what is said of it."""

    file: Path

    def wrong(self, what: str) -> TemplateInvalid:
        return TemplateInvalid(
            f"{self.file}: {what}", hint="correct it; docs/templates.md shows all that may stand there"
        )

    def only(self, found: Mapping[str, Any], known: tuple[str, ...], prefix: str) -> None:
        if unknown := sorted(set(found) - set(known)):
            raise self.wrong(f"{prefix}{unknown[0]} is not known; known there: {', '.join(known)}")

    def table(self, found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = found.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(f"{key} has to be a table: write [{key}] on a line of its own")
        return value

    def text(self, found: Mapping[str, Any], key: str, most: int, prefix: str = "") -> str:
        value = found.get(key, "")
        if not isinstance(value, str) or len(value) > most:
            raise self.wrong(f"{prefix}{key} has to be a text of at most {most} characters")
        return value.strip()

    def labels(self, found: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = found.get(key, [])
        fits = isinstance(value, list) and len(value) <= limits.LABELS
        if not fits or not all(isinstance(one, str) and 0 < len(one) <= limits.LABEL_CHARS for one in value):
            raise self.wrong(
                f'profile.{key} has to be a list such as ["python"], with at most {limits.LABELS} labels'
                f" of at most {limits.LABEL_CHARS} characters"
            )
        return tuple(value)

    def scalar(self, found: Mapping[str, Any], key: str) -> str:
        value = found[key]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(f"defaults.{key} has to be a text or a number")
        return str(value)


def _instructions(folder: Path, content: Mapping[str, Any], at: _Place) -> str:
    parts = content.get("prompt", [])
    if not isinstance(parts, list) or not all(isinstance(one, str) and _PART.fullmatch(one) for one in parts):
        raise at.wrong('prompt has to be a list of files of this folder, such as ["work.md"]')
    text = "\n\n".join(_text(folder, one, at).strip() for one in parts)
    if (size := len(text.encode())) > INSTRUCTIONS_BYTES:
        raise at.wrong(f"the parts of prompt have {size} bytes together, and may have {INSTRUCTIONS_BYTES}")
    return text


def _text(folder: Path, name: str, at: _Place) -> str:
    """A file of the folder; a link out of it is refused, so that a fetched template reads nothing of the host."""
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise at.wrong(f"{name} is a link that leads out of the template")
        if path.stat().st_size > FILE_BYTES:
            raise at.wrong(f"{name} has more than {FILE_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise at.wrong(f"cannot read {name}: {reason}") from exc
