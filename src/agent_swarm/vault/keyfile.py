"""Master keys in files: read with care for who else can, written so that a crash never leaves half of one.

A new key is staged beside the file first, under another name, and installed by a rename; both are on the disk when the
functions return.
"""

import os
import stat
from pathlib import Path

from agent_swarm.faults import crash_point
from agent_swarm.vault.keys import REMEDY, InvalidKey, MasterKey, Origin, parse_key

FILE_NAME = ".encryption-key"  # in the data directory
_LONGEST = 4096


def read_key_file(path: Path, *, place: str, origin: Origin) -> MasterKey:
    """The key in the file; raises InvalidKey, naming it, where it is missing, unreadable, open to others or no key.

    The mode of the file counts where this user could change it. Where secrets are mounted by others, and read-only, it
    is theirs to say.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InvalidKey(f"{place} is no file, expected one with an encryption key", hint=REMEDY)
            raw = file.read(_LONGEST)
    except FileNotFoundError:
        raise InvalidKey(f"{place} does not exist, expected a file with an encryption key", hint=REMEDY) from None
    except OSError as exc:
        raise InvalidKey(
            f"cannot read the encryption key in {place}: {exc.strerror}", hint="let the server's user read it"
        ) from exc
    _require_private(path, place, status)
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    if not text.strip():
        raise InvalidKey(f"{place} is empty, expected an encryption key", hint=REMEDY)
    return parse_key(text, place=place, origin=origin)


def stage(path: Path, key: MasterKey) -> Path:
    """Write `key` to the file that `install` puts in the place of `path`; answers that file."""
    draft = staged(path)
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        os.fchmod(descriptor, 0o600)  # whatever the umask is
        crash_point("keys.torn", lambda: os.write(descriptor, key.text[:20].encode()))
        file.write(f"{key.text}\n")
        file.flush()
        os.fsync(descriptor)
    _sync_folder(path)
    return draft


def install(path: Path) -> None:
    """Put the staged key in the place of the one in `path`, at once."""
    staged(path).replace(path)
    _sync_folder(path)


def unstage(path: Path) -> None:
    """Remove the staged key, if there is one."""
    if staged(path).exists():
        staged(path).unlink()
        _sync_folder(path)


def staged(path: Path) -> Path:
    """Where the next key of `path` waits."""
    return path.with_name(f"{path.name}.next")


def _require_private(path: Path, place: str, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid() or os.statvfs(path).f_flag & os.ST_RDONLY:
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise InvalidKey(
            f"{place} is open to others (mode {mode:04o}), expected 0600",
            hint=f"run: chmod 600 {path} - and rotate the key if somebody may have read it: agent-swarm key rotate",
        )


def _sync_folder(path: Path) -> None:
    """A name in a folder is on the disk once the folder is."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
