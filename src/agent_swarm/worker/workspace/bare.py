"""Makes the git directories we own, by hand.

`git init` follows the user's settings (template directories with hooks, default ref and object formats); the layout
that gitrepository-layout(5) fixes does not.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path


def make_git_dir(path: Path, *, head: str, settings: Mapping[str, str], borrows: Iterable[Path] = ()) -> None:
    """Create a git directory at `path` without hooks. `borrows` are object stores it reads from but never writes to.

    `settings` maps names such as `core.bare` or `remote.origin.url` to values.
    """
    for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (path / name).mkdir(parents=True)
    (path / "HEAD").write_text(f"ref: {head}\n")
    (path / "config").write_text(
        render_config({"core.repositoryformatversion": "0", **settings}), errors="surrogateescape"
    )
    stores = "".join(f"{store}\n" for store in borrows)
    if stores:
        (path / "objects/info/alternates").write_bytes(os.fsencode(stores))


def render_config(settings: Mapping[str, str]) -> str:
    """A git configuration file. Every value is quoted, so that none can start a setting of its own."""
    lines = []
    for name, value in settings.items():
        section, _, key = name.rpartition(".")
        group, _, subsection = section.partition(".")
        heading = f'[{group} "{_escape(subsection)}"]' if subsection else f"[{group}]"
        lines.append(f'{heading}\n\t{key} = "{_escape(value)}"\n')
    return "".join(lines)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
