"""Where a template is: in the package, in the folder of one's own, or at a path.

official/coder     of the package
team/reviewer      `<own folder>/team/reviewer`
./templates/tester a folder, as are /absolute and ~/of-the-user
"""

import re
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.domain.errors import NotFound
from agent_swarm.templates.document import FILE_NAME, Template, TemplateInvalid, read

OFFICIAL = "official"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ID = re.compile(rf"{NAME.pattern}(/{NAME.pattern})?")


@dataclass(frozen=True, slots=True)
class Listed:
    """A template in a list; `problem` says why it cannot be used."""

    id: str
    template: Template | None
    problem: str = ""


def is_path(named: str) -> bool:
    """Whether `named` is the path of a folder rather than a name."""
    return named.startswith(("/", "./", "../", "~"))


def find(named: str, own: Path) -> Template:
    """The template that `named` names. Raises NotFound, TemplateInvalid."""
    if is_path(named):
        folder = Path(named).expanduser()
        if not (folder / FILE_NAME).is_file():
            raise NotFound(f"there is no {FILE_NAME} in {folder}", hint="make one with: agent-swarm template new")
        return read(folder, named)
    folder = folder_of(named, own)
    if not (folder / FILE_NAME).is_file():
        raise NotFound(
            f"there is no template {named!r}",
            hint=f"looked for {folder}; see agent-swarm template list",
            details={"template": named},
        )
    return read(folder, named)


def folder_of(named: str, own: Path) -> Path:
    """Where the template with this name is, or would be. Raises TemplateInvalid."""
    if not _ID.fullmatch(named):
        raise TemplateInvalid(
            f"{named!r} names no template",
            hint="expected a name such as official/coder, a folder such as ./coder, or the URL of a git repository",
        )
    shipped = named.partition("/")[0] == OFFICIAL
    return Path(__file__).parent / named if shipped else own / named


def listed(own: Path) -> list[Listed]:
    """All templates with a name: those of the package, then one's own."""
    return [*_in(Path(__file__).parent / OFFICIAL, f"{OFFICIAL}/"), *_in(own, "")]


def _in(folder: Path, prefix: str) -> list[Listed]:
    found = []
    for path in sorted({*folder.glob(f"*/{FILE_NAME}"), *folder.glob(f"*/*/{FILE_NAME}")}):
        id_ = f"{prefix}{path.parent.relative_to(folder).as_posix()}"
        if _ID.fullmatch(id_) and (prefix or id_.partition("/")[0] != OFFICIAL):
            try:
                found.append(Listed(id_, read(path.parent, id_)))
            except TemplateInvalid as exc:
                found.append(Listed(id_, None, exc.message))
    return found
