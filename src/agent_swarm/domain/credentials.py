"""Which of several credentials an attempt works with. Pure.

Those of the first variable that has any share the work; those of the others wait until all of these rest. Among equals
the one with the fewest uses is next. One that rested, or is new, does not have to catch up: that would give it
all the work at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent_swarm.domain.backoff import PROVIDER_LIMIT
from agent_swarm.domain.time import SECOND

LEAST_REST_SECONDS = 1.0
LOGIN = "CODEX_OAUTH"  # ACCOUNT:TOKEN
HEADERS = "COPILOT_PROVIDER_HEADERS"  # lines of `Name: value`
KINDS: Mapping[str, str] = {  # by the variable that one or several stand in, separated by commas
    "ANTHROPIC_AUTH_TOKEN": "gateway",
    "CLAUDE_CODE_OAUTH_TOKEN": "claude",
    "ANTHROPIC_API_KEY": "anthropic",
    LOGIN: "chatgpt",
    "CODEX_API_KEY": "codex",
    "OPENAI_API_KEY": "openai",
    "OPENROUTER_API_KEY": "openrouter",
    "GEMINI_API_KEY": "gemini",
    "COPILOT_PROVIDER_BEARER_TOKEN": "copilot-bearer",
    "COPILOT_PROVIDER_API_KEY": "copilot",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one credential. Instants are Unix seconds; 0 means never."""

    uses: int = 0
    used_at: float = 0.0
    rests_until: float = 0.0
    reason: str = ""  # the code of the failure that it rests for, or that made it doubtful
    refusals: int = 0  # in a row, without a word about when they end
    is_doubtful: bool = False  # the provider did not know it when it was used last

    def rests(self, now: float) -> bool:
        """Whether it may not be used."""
        return self.rests_until > now


Tiers = Sequence[Sequence[str]]  # ids of credentials, those that are used first in the first


def chosen(tiers: Tiers, known: Mapping[str, Standing], *, now: float) -> str | None:
    """The id of the credential to use; None where all rest. One that its provider did not know comes last."""
    awake = [[one for one in tier if not _of(known, one).rests(now)] for tier in tiers]
    for is_doubtful in (False, True):
        for tier in awake:
            fitting = [one for one in tier if _of(known, one).is_doubtful is is_doubtful]
            if fitting:
                return min(fitting, key=lambda one: (_of(known, one).uses, _of(known, one).used_at))
    return None


def used(tiers: Tiers, known: Mapping[str, Standing], one: str, *, now: float) -> dict[str, Standing]:
    """What is known once `one` is used. Those of its tier that rest or are new are brought level with the others."""
    tier = next((tier for tier in tiers if one in tier), (one,))
    working = [_of(known, other).uses for other in tier if other in known and not _of(known, other).rests(now)]
    level = min(working, default=0)
    after = {**known}
    for other in tier:
        standing = _of(known, other)
        if other not in known or standing.rests(now):
            after[other] = replace(standing, uses=max(standing.uses, level))
    after[one] = replace(_of(after, one), uses=_of(after, one).uses + 1, used_at=now)
    return after


def refused(standing: Standing, code: str, *, retry_at: float | None, now: float) -> Standing:
    """The provider's limit is reached: it rests until `retry_at`, or for a while that grows where nobody says so."""
    refusals = standing.refusals + 1
    told = PROVIDER_LIMIT.bound(refusals) / SECOND if retry_at is None else retry_at - now
    ends = now + max(LEAST_REST_SECONDS, told)
    return replace(standing, rests_until=max(standing.rests_until, ends), reason=code, refusals=refusals)


def unknown(standing: Standing, code: str) -> Standing:
    """The provider does not know it (any more)."""
    return replace(standing, is_doubtful=True, reason=code)


def accepted(standing: Standing) -> Standing:
    """A run with it came to a good end. A rest goes on: another run may have been refused meanwhile."""
    return replace(standing, refusals=0, is_doubtful=False)


def awake_at(tiers: Tiers, known: Mapping[str, Standing], *, now: float) -> float | None:
    """When the first of those that rest may be used again, in Unix seconds; None where none rests."""
    standings = [_of(known, one) for tier in tiers for one in tier]
    return min((standing.rests_until for standing in standings if standing.rests(now)), default=None)


def values_in(variable: str, value: str) -> tuple[str, ...]:
    """The credentials that a variable holds; of one that holds none, its value."""
    parts = value.split(",") if variable in KINDS else [value]
    return tuple(part for one in parts if (part := one.strip()))


def secrets_in(variable: str, value: str) -> tuple[str, ...]:
    """All that must show nowhere: the value, each credential, a login's token that is sent, the values of headers."""
    ones = values_in(variable, value)
    tokens = [token for one in ones if variable == LOGIN and (token := one.partition(":")[2])]
    lines = value.replace("\\n", "\n").splitlines() if variable == HEADERS else []
    sent = [text for line in lines if (text := line.partition(":")[2].strip())]
    return tuple(dict.fromkeys((value, *ones, *tokens, *sent)))


def _of(known: Mapping[str, Standing], one: str) -> Standing:
    return known.get(one, Standing())
