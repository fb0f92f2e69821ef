"""NATS between servers of one database."""

from dataclasses import dataclass
from pathlib import Path

from agent_swarm import config
from agent_swarm.bus.nats.settings import KEEP_BYTES, KEEP_HOURS, NatsSettings, parse_url, settings_from
from agent_swarm.config import SettingError, setting
from agent_swarm.server.setting_groups.texts import above_zero


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class NatsOptions:
    """NATS between servers of one database."""

    data_dir: Path
    nats_url: str = setting(
        "",
        env="AGENT_SWARM_NATS_URL",
        help="NATS between servers of one database: nats://[user:password@]host[:port], several with commas between",
        parse=parse_url,
        expected="nats://host:port or tls://host:port, several with commas between",
        secret=True,
    )
    nats_creds: Path | None = setting(
        None,
        env="AGENT_SWARM_NATS_CREDS",
        help="a file with the credentials for NATS, instead of those in its URL",
        parse=config.path,
        expected="a path",
    )
    nats_keep_hours: float = setting(
        KEEP_HOURS,
        env="AGENT_SWARM_NATS_KEEP_HOURS",
        help="how long NATS keeps transcript lines for servers that are away",
        parse=above_zero(float),
        expected="a number of hours",
    )
    nats_keep_bytes: int = setting(
        KEEP_BYTES,
        env="AGENT_SWARM_NATS_KEEP_BYTES",
        help="how much of them it keeps at most; every replica needs that much storage",
        parse=above_zero(int),
        expected="a number of bytes",
    )

    @property
    def nats(self) -> NatsSettings | None:
        """How to reach NATS; None where servers do not use it. Raises SettingError where the URL is none."""
        if not self.nats_url:
            return None
        try:
            return settings_from(
                self.nats_url,
                credentials=self.nats_creds,
                keep_hours=self.nats_keep_hours,
                keep_bytes=self.nats_keep_bytes,
            )
        except ValueError:
            raise SettingError(
                "the URL of NATS cannot be used: expected nats://host:port or tls://host:port",
                hint="correct --nats or AGENT_SWARM_NATS_URL",
            ) from None

    @property
    def nats_dir(self) -> Path:
        """What this server remembers of what it read from NATS and has to send there."""
        return self.data_dir / "nats"
