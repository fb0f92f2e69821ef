"""Where webhooks of triggers may go, and how long they may take."""

from dataclasses import dataclass

from agent_swarm.config import setting
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.webhooks import LEASE, Vouched
from agent_swarm.server.setting_groups.texts import checked_by


def _vouched(text: str) -> Vouched:
    return Vouched.parse(part for part in text.split(",") if part.strip())


def _seconds(text: str) -> float:
    """Well within the time that one server has a delivery to itself."""
    value = float(text)
    if not 0 < value <= LEASE / SECOND / 2:
        raise ValueError(text)
    return value


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class WebhookSettings:
    """Where webhooks may go."""

    webhook_allow: str = setting(
        "",
        env="AGENT_SWARM_WEBHOOK_ALLOW",
        help="hosts that webhooks of triggers may go to although their address is not public; none by default",
        parse=checked_by(_vouched),
        expected="hosts such as hooks.internal:8443 or 10.0.0.5, with commas between",
    )
    webhook_seconds: float = setting(
        15.0,
        env="AGENT_SWARM_WEBHOOK_SECONDS",
        help="how long one try of a webhook may take",
        parse=_seconds,
        expected="a number of seconds up to 30",
    )

    @property
    def webhook_hosts(self) -> Vouched:
        """The hosts that are vouched for."""
        return _vouched(self.webhook_allow)
