"""Who may call from where, and how often."""

from dataclasses import dataclass

from agent_swarm.config import setting
from agent_swarm.server.cors import parse_origins
from agent_swarm.server.peers import Network, parse_networks
from agent_swarm.server.rates import DEFAULTS, Rates, parse_rates
from agent_swarm.server.setting_groups.texts import checked_by


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class PeopleSettings:
    """Who may call from where, and how often."""

    rate_limits: str = setting(
        "",
        env="AGENT_SWARM_RATE_LIMITS",
        help="how often one user or token may call, in place of the defaults, such as read=100/s,login=10/m:5; or off",
        parse=checked_by(parse_rates),
        expected="class=number/s|m|h[:burst] with commas; login, read, write, stream, message, operator; or off",
    )
    trusted_proxies: str = setting(
        "",
        env="AGENT_SWARM_TRUSTED_PROXIES",
        help="networks of proxies whose X-Forwarded-For says where a request comes from",
        parse=checked_by(parse_networks),
        expected="networks such as 10.0.0.0/8, with commas between",
    )
    cors_origins: str = setting(
        "",
        env="CORS_ORIGINS",
        help="origins whose pages may call the API from a browser; none by default, * for any",
        parse=checked_by(parse_origins),
        expected="origins such as https://swarm.example.com, with commas between, or *",
    )

    @property
    def rates(self) -> Rates:
        """How often one subject may call."""
        return parse_rates(self.rate_limits) if self.rate_limits else DEFAULTS

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The proxies that are believed."""
        return parse_networks(self.trusted_proxies)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins whose pages may call."""
        return parse_origins(self.cors_origins)
