"""Removes folders with layers in them, which nobody may write to: Windows removes no such file."""

import shutil
from contextlib import suppress
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as that can be done; nothing where there is none."""
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                path.chmod(0o600)
    shutil.rmtree(folder, ignore_errors=True)
