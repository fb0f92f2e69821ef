"""Projects: git repositories that tasks work on.

The address is handed to `git` on worker machines, so it is held to a few plain forms, and it is shown to everyone who
may read projects, so it carries no credentials: those come from the worker's own git configuration.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from agent_swarm.domain.errors import InvalidInput, NotFound
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.protocol import rest
from agent_swarm.protocol.rest import ProjectInput
from agent_swarm.services import cursors, views
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.operations import CreateProject
from agent_swarm.store.records import ProjectRecord

SCHEMES = ("https", "ssh", "git", "file")
_SCP_LIKE = re.compile(
    r"(?P<user>[A-Za-z0-9._][A-Za-z0-9._-]*@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^\s:][^\s]*)"
)
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@=-]*")
_EXPECTED = f"expected an existing path, user@host:path, or a URL with one of: {', '.join(SCHEMES)}"


def create_project(project: ProjectInput, *, by: Identity) -> CreateProject:
    """Add a repository under a name; the same again is the same project."""
    if normalize_id(project.name) is not None:
        raise _invalid("name", "looks like an id, and projects are found by id or name", "choose a name")
    return CreateProject(
        project=ProjectRecord(
            id=new_id(),
            name=project.name,
            repo_url=repository_address(project.repo_url),
            default_branch=branch_named(project.default_branch, field="defaultBranch"),
        ),
        actor=by.actor,
    )


def list_projects(*, cursor: str | None, limit: int) -> Callable[[Queries], rest.ProjectList]:
    """A reading: a page of the projects, by name."""
    after = cursors.read_name(cursor)

    def reading(queries: Queries) -> rest.ProjectList:
        found = queries.projects(after=after, limit=limit + 1)
        shown, following = cursors.page(found, limit, lambda project: cursors.after_name(project.name, project.id))
        return rest.ProjectList(projects=[views.project(project) for project in shown], next_cursor=following)

    return reading


def get_project(id_or_name: str) -> Callable[[Queries], rest.Project]:
    """A reading: one project. Raises NotFound."""
    return lambda queries: views.project(require_project(queries, id_or_name))


def require_project(queries: Queries, id_or_name: str) -> ProjectRecord:
    """One project; raises NotFound."""
    found = queries.project(normalize_id(id_or_name) or id_or_name)
    if found is None:
        raise NotFound(
            f"no project has the id or name {id_or_name!r}",
            hint="list projects with: agent-swarm repo list",
            details={"project": id_or_name},
        )
    return found


def repository_address(text: str) -> str:
    """`text` as workers may use it: a URL, `user@host:path` or an absolute path; raises InvalidInput for others."""
    address = text.strip()
    if "://" in address:
        return _url(address)
    if address and os.path.isdir(os.path.expanduser(address)):
        return str(Path(address).expanduser().resolve())
    match = _SCP_LIKE.fullmatch(address)
    if match and not match["path"].startswith("-"):
        return address
    raise _invalid("repoUrl", f"{address!r} is neither a directory of this machine nor an address; {_EXPECTED}")


def _url(address: str) -> str:
    if not address.isprintable() or " " in address:
        raise _invalid("repoUrl", f"has spaces or control characters; {_EXPECTED}")
    try:
        parts = urlsplit(address)
        port_is_valid = parts.port != 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid:
        raise _invalid("repoUrl", f"is not a URL; {_EXPECTED}")
    if parts.scheme not in SCHEMES:
        raise _invalid("repoUrl", f"has the scheme {parts.scheme!r}; {_EXPECTED}")
    _without_credentials(parts)
    if parts.scheme == "file":
        if parts.hostname or not parts.path.startswith("/"):
            raise _invalid("repoUrl", "must be file:///absolute/path")
        return address
    host = parts.hostname or ""
    if not host or host.startswith("-") or not parts.path.strip("/") or (parts.username or "").startswith("-"):
        raise _invalid("repoUrl", f"names no host or no repository; {_EXPECTED}")
    return address


def _without_credentials(parts: SplitResult) -> None:
    """An SSH user name is an address, every other user name may be a token."""
    user_is_address = parts.scheme == "ssh" and parts.password is None
    if ("@" in parts.netloc and not user_is_address) or parts.query or parts.fragment:
        raise _invalid(
            "repoUrl",
            "carries credentials or parameters",
            "give only the address; credentials belong into the git configuration of the worker",
        )


def branch_named(name: str, *, field: str) -> str:
    """A branch as git allows it, and that no command line takes for an option; raises InvalidInput naming `field`."""
    if name and (not _BRANCH.fullmatch(name) or ".." in name or name.endswith((".", "/", ".lock")) or "//" in name):
        raise _invalid(field, f"{name!r} is not the name of a branch")
    return name


def _invalid(name: str, problem: str, hint: str = "") -> InvalidInput:
    return InvalidInput(f"{name} {problem}", hint=hint, details={"field": name})
