"""Which backend serves which scheme, and what has to be installed for it."""

from collections.abc import Callable
from importlib.util import find_spec

from agent_swarm.vault.backends.base import SecretBackend
from agent_swarm.vault.backends.errors import BackendUnusable
from agent_swarm.vault.backends.references import Allowed
from agent_swarm.vault.backends.settings import BackendSettings

Build = Callable[[BackendSettings, Allowed], SecretBackend]


def _environment(_: BackendSettings, __: Allowed) -> SecretBackend:
    from agent_swarm.vault.backends.environment import EnvironmentBackend

    return EnvironmentBackend()


def _files(_: BackendSettings, allowed: Allowed) -> SecretBackend:
    from agent_swarm.vault.backends.files import FileBackend

    return FileBackend(allowed)


def _keyring(_: BackendSettings, __: Allowed) -> SecretBackend:
    from agent_swarm.vault.backends.keyring_service import KeyringServiceBackend

    require("keyring", "keyring")
    return KeyringServiceBackend()


def _vault(settings: BackendSettings, _: Allowed) -> SecretBackend:
    from agent_swarm.vault.backends.vault_kv import VaultBackend

    return VaultBackend(settings)


def _google(settings: BackendSettings, _: Allowed) -> SecretBackend:
    from agent_swarm.vault.backends.gcp import GoogleBackend

    require("cloud", "google.auth")
    return GoogleBackend(settings)


def _aws(settings: BackendSettings, _: Allowed) -> SecretBackend:
    from agent_swarm.vault.backends.aws import AwsBackend

    require("cloud", "boto3")
    return AwsBackend(settings)


BUILDERS: dict[str, Build] = {
    "env": _environment,
    "file": _files,
    "keyring": _keyring,
    "vault": _vault,
    "gcp-sm": _google,
    "aws-sm": _aws,
}


def require(extra: str, module: str) -> None:
    """Raise BackendUnusable, naming the extra, unless the module is installed."""
    try:
        is_there = find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        is_there = False
    if not is_there:
        raise BackendUnusable(
            f"this installation has no {module}, which the secret backend needs",
            hint=f'install the extra: pip install "agent-swarm[{extra}]"',
        )
