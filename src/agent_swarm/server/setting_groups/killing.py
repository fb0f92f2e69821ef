"""The flags of the kill switch."""

from dataclasses import dataclass
from pathlib import Path

from agent_swarm import config
from agent_swarm.config import setting
from agent_swarm.server.killing.flags import parse_object_url
from agent_swarm.server.setting_groups.texts import above_zero


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class KillSettings:
    """The flags of the kill switch."""

    data_dir: Path
    kill_file: Path | None = setting(
        None,
        env="AGENT_SWARM_KILL_FILE",
        help="a file that stops everything while it exists, by default <data-dir>/KILL; its content is the reason",
        parse=config.path,
        expected="a path",
    )
    kill_object: str = setting(
        "",
        env="AGENT_SWARM_KILL_OBJECT",
        help="an object that stops everything while it exists: a URL that answers a GET, or file:///path",
        parse=parse_object_url,
        expected="https://host/path, http://host/path or file:///path, without user and password",
        secret=True,
    )
    kill_object_authorization: str = setting(
        "",
        env="AGENT_SWARM_KILL_OBJECT_AUTHORIZATION",
        help="the Authorization header to get that object with, such as Bearer …",
        secret=True,
    )
    kill_object_seconds: float = setting(
        10.0,
        env="AGENT_SWARM_KILL_OBJECT_SECONDS",
        help="how often that object is looked at",
        parse=above_zero(float),
        expected="a number of seconds",
    )

    @property
    def kill_flag(self) -> Path:
        """The file that stops everything while it exists."""
        return (self.kill_file or self.data_dir / "KILL").absolute()
