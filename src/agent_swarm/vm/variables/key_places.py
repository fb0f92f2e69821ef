"""Where the key of variables is kept: the keyring of this user, else a file for this user alone.

The library `keyring` is optional, and where nobody is logged in there is mostly no keyring that it could use. A place
that takes a key and does not give it back is none: what it answers is compared with what it was given.
"""

import importlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from agent_swarm.vault.keys import MasterKey, Origin, parse_key
from agent_swarm.vm.errors import VmError

SERVICE: Final = "agent-swarm"
ACCOUNT: Final = "master-key"
FILE_NAME: Final = "env.key"


class NoKeyring(Exception):
    """There is no keyring that can be used; the message says why."""


class KeyPlace(Protocol):
    """A place that holds one key."""

    @property
    def title(self) -> str:
        """The place, for people."""
        ...

    def read(self) -> MasterKey | None:
        """The key; None where there is none. Raises NoKeyring, VmError where it cannot be told."""
        ...

    def write(self, key: MasterKey) -> None:
        """Keep the key, where there is none. Raises NoKeyring, VmError where that cannot be done."""
        ...


class KeyringPlace(KeyPlace):
    """The keyring that the library finds: Secret Service, Keychain, Credential Locker."""

    @property
    def title(self) -> str:
        return "the keyring"

    def read(self) -> MasterKey | None:
        text = _asked(lambda ring: ring.get_password(SERVICE, ACCOUNT))
        return parse_key(text, place=self.title, origin=Origin.FILE) if text else None

    def write(self, key: MasterKey) -> None:
        _asked(lambda ring: ring.set_password(SERVICE, ACCOUNT, key.text))


class FilePlace(KeyPlace):
    """A file below the folder of VMs, mode 0600."""

    def __init__(self, root: Path) -> None:
        self._path = root / FILE_NAME

    @property
    def title(self) -> str:
        return str(self._path)

    def read(self) -> MasterKey | None:
        try:
            text = self._path.read_text(encoding="ascii")
            mode = self._path.stat().st_mode
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as exc:
            raise VmError(f"cannot read the key in {self._path}: {exc}", hint="make it readable for you") from exc
        if os.name == "posix" and mode & 0o077:
            raise VmError(
                f"{self._path} is open to others (mode {mode & 0o777:04o}), expected 0600",
                hint=f"run: chmod 600 {self._path} - and set anew what somebody may have read",
            )
        return parse_key(text, place=self.title, origin=Origin.FILE)

    def write(self, key: MasterKey) -> None:
        unfinished = self._path.with_name(f".{FILE_NAME}.{os.getpid()}")
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{key.text}\n")
                file.flush()
                os.fsync(descriptor)
            unfinished.replace(self._path)
        except OSError as exc:
            raise VmError(f"cannot write the key to {self._path}: {exc.strerror}", hint="make room for it") from exc
        finally:
            with suppress(OSError):
                unfinished.unlink()


def _asked(question: Any) -> Any:
    try:
        library = importlib.import_module("keyring")
    except ImportError:
        raise NoKeyring('the library keyring is not installed (pip install "agent-swarm[keyring]")') from None
    try:
        return question(library)
    except Exception as exc:  # backends raise what they like: D-Bus, a locked keychain, a system that has none
        raise NoKeyring(f"the keyring cannot be used: {type(exc).__name__}") from exc
