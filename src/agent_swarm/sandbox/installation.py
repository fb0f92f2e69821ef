"""Where programs are installed: what has to be readable so that they start.

System folders are shown anyway. What people install below their home is found by PATH: its folders, and where the links
in them lead. What a program loads besides is found by well-known shapes: `node_modules`, a prefix with `bin` and `lib`,
version managers; for anything else there is `SandboxSpec.readable`.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import agent_swarm

_SYSTEM = frozenset({"/usr/bin", "/usr/sbin", "/bin", "/sbin"})  # shown, and too many to look at one by one
_OF_VERSION_MANAGERS = "shims"  # folders of pyenv, rbenv, asdf, mise: what they stand for is beside them
_RUST = (".cargo/bin", ".rustup")  # below the home: rustup's proxies, and what they stand for
_MOST_ENTRIES = 5000  # of a folder in PATH


def of_this_interpreter() -> Iterator[str]:
    """What the worker's own Python and this package consist of."""
    yield sys.executable
    yield sys.prefix
    yield sys.base_prefix
    yield str(Path(agent_swarm.__file__).parent)


def of_path(search_path: str, *, home: str) -> Iterator[str]:
    """The folders of a PATH, and what the programs in them need. A folder as wide as the home is no such folder."""
    for folder in map(os.path.normpath, search_path.split(os.pathsep)):
        if not os.path.isabs(folder) or folder in _SYSTEM or _is_too_wide(folder, home):
            continue
        yield folder
        if os.path.basename(folder) == _OF_VERSION_MANAGERS and not _is_too_wide(os.path.dirname(folder), home):
            yield os.path.dirname(folder)
        if folder == os.path.join(home, _RUST[0]):
            yield os.path.join(home, _RUST[1])
        yield from _linked_from(folder, home)


def of_program(name: str, search_path: str, *, home: str) -> Iterator[str]:
    """What one program needs, given by its path or to be found in PATH."""
    found = shutil.which(name, path=search_path)
    if found is not None and os.path.isabs(found):
        yield found
        yield from _around(os.path.realpath(found), home)


def _linked_from(folder: str, home: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            links = [entry.path for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False) if entry.is_symlink()]
    except OSError:
        return
    for link in links:
        real = os.path.realpath(link)
        if os.access(real, os.X_OK) and os.path.isfile(real):
            yield link
            yield from _around(real, home)


def _around(program: str, home: str) -> Iterator[str]:
    """What belongs to the program at this real path, besides itself."""
    before, modules, _ = program.partition("/node_modules/")
    if modules:
        yield before + "/node_modules"
        return
    folder = os.path.dirname(program)
    prefix = os.path.dirname(folder)
    shared = os.path.join(home, ".local")  # is a prefix, and holds much else
    if os.path.basename(folder) != "bin" or prefix == shared or _is_too_wide(prefix, home):
        return
    if os.path.isdir(os.path.join(prefix, "lib")):
        yield prefix
    if os.path.exists(os.path.join(prefix, "pyvenv.cfg")):  # its interpreter is elsewhere
        python = os.path.realpath(os.path.join(prefix, "bin", "python"))
        if not python.startswith(prefix + "/"):
            yield os.path.join(prefix, "bin", "python")
            yield from _around(python, home)


def _is_too_wide(folder: str, home: str) -> bool:
    """The root, a folder right below it, the home or something around it."""
    return folder.count("/") < 2 or home == folder or home.startswith(folder + "/")
