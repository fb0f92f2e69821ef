"""Secrets in the keyring of the server's user: `keyring://service/user`. Needs the extra `keyring`.

Secret Service on Linux, Keychain on macOS, Credential Locker on Windows; which one is the library's choice, and
`PYTHON_KEYRING_BACKEND` overrules it. Where nobody is logged in there is mostly none.
"""

from typing import TYPE_CHECKING

from agent_swarm.vault.backends.errors import BackendUnavailable, BackendUnusable, SecretDenied, SecretNotFound
from agent_swarm.vault.backends.references import Reference

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend


class KeyringServiceBackend:
    """The keyring that the library finds, or the one given."""

    def __init__(self, keyring: "KeyringBackend | None" = None) -> None:
        self._keyring = keyring

    def read(self, reference: Reference, *, seconds: float) -> str:
        """The password of `user` for `service`; a keyring that has to ask a person is waited for by nobody."""
        from keyring.errors import InitError, KeyringError, KeyringLocked, NoKeyringError

        service, _, user = reference.path.rpartition("/")
        try:
            password = self._found().get_password(service, user)
        except NoKeyringError:
            raise BackendUnusable(
                "this host has no keyring that the server could use",
                hint="run the server in a session with a keyring, or keep the secret in a file or a secret manager",
            ) from None
        except (KeyringLocked, InitError):
            raise SecretDenied(
                f"the keyring for {reference} is locked", hint="unlock it for the server's user"
            ) from None
        except KeyringError as exc:
            raise BackendUnavailable(
                f"the keyring could not answer for {reference}: {type(exc).__name__}", retry_after=None
            ) from None
        if not password:
            raise SecretNotFound(
                f"the keyring has nothing for {reference}", hint=f"store it: keyring set {service} {user}"
            )
        return password

    def _found(self) -> "KeyringBackend":
        if self._keyring is None:
            import keyring

            self._keyring = keyring.get_keyring()
        return self._keyring
