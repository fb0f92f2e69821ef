"""The keys that stored secrets are encrypted with."""

from dataclasses import dataclass
from pathlib import Path

from agent_swarm import config
from agent_swarm.config import setting
from agent_swarm.vault.finding import KeySources


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class KeySettings:
    """The keys that stored secrets are encrypted with."""

    data_dir: Path
    encryption_key: str = setting(
        "",
        env="SECRETS_ENCRYPTION_KEY",
        help="the key that stored secrets are encrypted with; make one with: openssl rand -base64 32",
        expected="32 bytes as base64, or as 64 hexadecimal digits",
        secret=True,
    )
    encryption_key_file: Path | None = setting(
        None,
        env="SECRETS_ENCRYPTION_KEY_FILE",
        help="a file with that key; without any it is in <data-dir>/.encryption-key, made where none is needed yet",
        parse=config.path,
        expected="a path",
    )
    encryption_key_reference: str = setting(
        "",
        env="SECRETS_ENCRYPTION_KEY_REF",
        help="where a secret backend keeps that key, such as vault://secret/data/swarm#key",
        expected="a secret reference",
    )
    previous_encryption_key: str = setting(
        "",
        env="SECRETS_ENCRYPTION_KEY_PREVIOUS",
        help="the encryption key before, for the start at which it changes",
        expected="32 bytes as base64, or as 64 hexadecimal digits",
        secret=True,
    )
    previous_encryption_key_file: Path | None = setting(
        None,
        env="SECRETS_ENCRYPTION_KEY_PREVIOUS_FILE",
        help="a file with the encryption key before",
        parse=config.path,
        expected="a path",
    )

    @property
    def key_sources(self) -> KeySources:
        """What was said about encryption keys."""
        return KeySources(
            data_dir=self.data_dir,
            key=self.encryption_key,
            key_file=self.encryption_key_file,
            key_reference=self.encryption_key_reference,
            previous=self.previous_encryption_key,
            previous_file=self.previous_encryption_key_file,
        )
