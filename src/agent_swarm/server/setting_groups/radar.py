"""How often running attempts are compared."""

from dataclasses import dataclass

from agent_swarm.config import setting

MOST_SECONDS = 3600.0


def _seconds(text: str) -> float:
    """0, or a span up to an hour."""
    number = float(text)
    if not 0 <= number <= MOST_SECONDS:  # also what is not a number
        raise ValueError(text)
    return number


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class RadarSettings:
    """The conflict radar."""

    radar_seconds: float = setting(
        30.0,
        env="AGENT_SWARM_RADAR_SECONDS",
        help="how often workers look which of the running attempts at a project would not merge; 0: never",
        parse=_seconds,
        expected="a number of seconds, 0 to 3600",
    )
