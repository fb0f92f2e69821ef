"""How secret backends are reached: the server's settings, `[secrets]` in config.toml.

Where a backend is, and who asks it, is said here and nowhere else. What has a name that other programs of the same
backend use keeps it. Google and AWS find their credentials as their own libraries do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent_swarm import config
from agent_swarm.config import setting
from agent_swarm.vault.backends.http import base_url
from agent_swarm.vault.backends.references import SETTING, Allowed

LONGEST_WAIT = 20.0  # seconds: who waits has a claim, whose lease nobody renews meanwhile
GOOGLE = "https://secretmanager.googleapis.com"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:  # also what is not a number
        raise ValueError(text)
    return seconds


def _waiting_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds > LONGEST_WAIT:
        raise ValueError(text)
    return seconds


def _zero_or_seconds(text: str) -> float:
    return 0.0 if float(text) == 0 else _seconds(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """How secrets that are kept elsewhere are fetched."""

    references: tuple[str, ...] = setting(
        (),
        env=SETTING,
        help="which secret references stored values may hold, as patterns such as vault://secret/data/swarm/*; "
        "none by default",
        parse=config.comma_separated,
        expected="patterns with commas between",
    )
    timeout_seconds: float = setting(
        10.0,
        env="AGENT_SWARM_SECRET_TIMEOUT_SECONDS",
        help="how long a claim waits for a secret backend, repetitions included; at most 20",
        parse=_waiting_seconds,
        expected="a number of seconds, at most 20",
    )
    cache_seconds: float = setting(
        60.0,
        env="AGENT_SWARM_SECRET_CACHE_SECONDS",
        help="how long a fetched secret is used again, in memory; 0 fetches it for every claim",
        parse=_zero_or_seconds,
        expected="a number of seconds, 0 or more",
    )
    vault_addr: str = setting(
        "", env="VAULT_ADDR", help="HashiCorp Vault", parse=base_url, expected="https://host[:port]"
    )
    vault_namespace: str = setting("", env="VAULT_NAMESPACE", help="the namespace to ask in, where it has some")
    vault_cacert: Path | None = setting(
        None,
        env="VAULT_CACERT",
        help="a file with the certificate of its authority, where this host does not trust it anyway",
        parse=config.path,
        expected="a path",
    )
    vault_token: str = setting("", env="VAULT_TOKEN", help="a token that may read the secrets", secret=True)
    vault_token_file: Path | None = setting(
        None,
        env="AGENT_SWARM_VAULT_TOKEN_FILE",
        help="a file with the token, read anew each time: Vault Agent can keep it fresh",
        parse=config.path,
        expected="a path",
    )
    vault_role_id: str = setting("", env="VAULT_ROLE_ID", help="an AppRole to log in with, instead of a token")
    vault_secret_id: str = setting("", env="VAULT_SECRET_ID", help="its secret id", secret=True)
    vault_secret_id_file: Path | None = setting(
        None,
        env="AGENT_SWARM_VAULT_SECRET_ID_FILE",
        help="a file with its secret id, read at each login",
        parse=config.path,
        expected="a path",
    )
    vault_approle_mount: str = setting(
        "approle", env="AGENT_SWARM_VAULT_APPROLE_MOUNT", help="where the AppRole method is mounted"
    )
    gcp_endpoint: str = setting(
        GOOGLE,
        env="AGENT_SWARM_GCP_SECRETS_ENDPOINT",
        help="Google Secret Manager, where a region's own or a private endpoint is to be asked",
        parse=base_url,
        expected="https://host[:port]",
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown of them."""
        return tuple(text for text in (self.vault_token, self.vault_secret_id) if text)

    @property
    def allowed(self) -> Allowed:
        """The references that stored values may hold."""
        return Allowed(self.references)


def load_backend_settings(data_dir: Path | None = None, *, environ: Mapping[str, str] | None = None) -> BackendSettings:
    """The settings as they are now; raises SettingError naming the one that cannot be used."""
    toml = data_dir / "config.toml" if data_dir else None
    return config.load(BackendSettings, section="secrets", toml=toml, environ=environ)
