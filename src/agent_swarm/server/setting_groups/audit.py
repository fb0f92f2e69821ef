"""Where checkpoints of the history go, and when one is signed."""

from dataclasses import dataclass
from pathlib import Path

from agent_swarm import config
from agent_swarm.config import setting
from agent_swarm.server.setting_groups.texts import above_zero, http_url, minutes


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class AuditSettings:
    """Where checkpoints of the history go, and when one is signed."""

    data_dir: Path
    audit_dir: Path | None = setting(
        None,
        env="AGENT_SWARM_AUDIT_DIR",
        help="where signed checkpoints of the history and its archives are kept, by default <data-dir>/audit; best on "
        "another disk than the database",
        parse=config.path,
        expected="a path",
    )
    audit_key_file: Path | None = setting(
        None,
        env="AGENT_SWARM_AUDIT_KEY_FILE",
        help="a file with the Ed25519 key that signs checkpoints; without it one is made in <data-dir>/audit-key; "
        "servers on one database need the same one",
        parse=config.path,
        expected="a path",
    )
    audit_checkpoint_events: int = setting(
        10_000,
        env="AGENT_SWARM_AUDIT_CHECKPOINT_EVENTS",
        help="after how many events a checkpoint is signed",
        parse=above_zero(int),
        expected="a number of events",
    )
    audit_checkpoint_minutes: float = setting(
        5.0,
        env="AGENT_SWARM_AUDIT_CHECKPOINT_MINUTES",
        help="after how many minutes with events a checkpoint is signed",
        parse=above_zero(minutes),
        expected="a number of minutes",
    )
    audit_url: str = setting(
        "",
        env="AGENT_SWARM_AUDIT_URL",
        help="where to send each checkpoint besides: it is POSTed, or PUT where the address has {number} in it",
        parse=http_url,
        expected="http://… or https://…",
        secret=True,
    )
    audit_url_token: str = setting(
        "",
        env="AGENT_SWARM_AUDIT_URL_TOKEN",
        help="the bearer token that is shown there",
        secret=True,
    )

    @property
    def audit(self) -> Path:
        """Where checkpoints and archives are."""
        return self.audit_dir or self.data_dir / "audit"

    @property
    def audit_key(self) -> Path:
        """The file of the key that signs checkpoints."""
        return self.audit_key_file or self.data_dir / "audit-key"
