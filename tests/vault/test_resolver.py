"""The resolver: one question for many claims, memory with an end, a backend that hangs."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from agent_swarm.testing.waiting import until
from agent_swarm.vault.backends.errors import BackendUnavailable, SecretNotFound
from agent_swarm.vault.backends.references import Reference, parse
from agent_swarm.vault.backends.resolver import FAILURE_SECONDS, SecretResolver

pytestmark = pytest.mark.anyio
NAME = parse("env://NAME")


class Backend:
    """Counts; answers what it is told, once it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, reference: Reference, *, seconds: float) -> str:
        self.asked += 1
        number = self.asked
        self.may_answer.wait(30)
        if self.failure:
            raise self.failure
        return f"{reference.path} {number}"


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def make(backend: Backend, now: list[float]) -> Callable[..., SecretResolver]:
    def made(*, timeout: float = 30, cache: float = 60, remembered: int = 256) -> SecretResolver:
        return SecretResolver(
            backend, timeout_seconds=timeout, cache_seconds=cache, remembered=remembered, clock=lambda: now[0]
        )

    return made


async def test_given_many_claims_at_once_when_they_need_one_secret_then_it_is_asked_for_once(
    make: Callable[..., SecretResolver], backend: Backend
) -> None:
    backend.may_answer.clear()
    resolver = make()
    claims = [asyncio.create_task(resolver.resolve(NAME)) for _ in range(50)]
    await until(lambda: backend.asked)
    claims[0].cancel()
    backend.may_answer.set()
    assert set(await asyncio.gather(*claims[1:])) == {"NAME 1"}
    assert backend.asked == 1


async def test_given_a_secret_when_it_is_needed_again_then_it_is_remembered_for_a_while(
    make: Callable[..., SecretResolver], now: list[float]
) -> None:
    resolver = make()
    assert await resolver.resolve(NAME) == "NAME 1"
    now[0] = 59.9
    assert await resolver.resolve(NAME) == "NAME 1"
    now[0] = 60
    assert await resolver.resolve(NAME) == "NAME 2"
    resolver.forget()
    assert await resolver.resolve(NAME) == "NAME 3"


async def test_given_no_memory_when_a_secret_is_needed_again_then_it_is_fetched_again(
    make: Callable[..., SecretResolver],
) -> None:
    resolver = make(cache=0)
    assert [await resolver.resolve(NAME), await resolver.resolve(NAME)] == ["NAME 1", "NAME 2"]


async def test_given_many_secrets_when_they_are_fetched_then_only_the_last_are_remembered(
    make: Callable[..., SecretResolver], backend: Backend
) -> None:
    resolver = make(remembered=2)
    for name in ("A", "B", "A", "C", "A", "B"):
        await resolver.resolve(parse(f"env://{name}"))
    assert backend.asked == 4  # A, B, C, and B again


async def test_given_a_refusal_when_it_is_asked_for_again_then_it_stands_for_a_moment(
    make: Callable[..., SecretResolver], backend: Backend, now: list[float]
) -> None:
    resolver = make()
    backend.failure = SecretNotFound("not there")
    for _ in range(3):
        with pytest.raises(SecretNotFound):
            await resolver.resolve(NAME)
    assert backend.asked == 1
    backend.failure, now[0] = None, FAILURE_SECONDS
    assert await resolver.resolve(NAME) == "NAME 2"


async def test_given_a_backend_that_hangs_when_the_time_is_over_then_the_others_are_served_and_it_is_not_asked_twice(
    make: Callable[..., SecretResolver], backend: Backend, now: list[float]
) -> None:
    resolver = make(timeout=0.05)
    backend.may_answer.clear()
    with pytest.raises(BackendUnavailable, match="env://NAME within"):
        await resolver.resolve(NAME)
    now[0] = FAILURE_SECONDS
    with pytest.raises(BackendUnavailable):
        await resolver.resolve(NAME)
    assert backend.asked == 1
    backend.may_answer.set()
    assert await resolver.resolve(parse("env://OTHER")) == "OTHER 2"


async def test_given_a_secret_when_the_resolver_is_shown_then_the_secret_is_not(
    make: Callable[..., SecretResolver],
) -> None:
    resolver = make()
    await resolver.resolve(NAME)
    assert "NAME 1" not in repr(vars(resolver))
