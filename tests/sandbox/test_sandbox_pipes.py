"""The pipes to a process, closed in every order."""

import asyncio
import os
from typing import Any

import pytest

from agent_swarm.sandbox.pipes import InputPipe

pytestmark = pytest.mark.anyio


async def opened() -> tuple[int, InputPipe]:
    """The reading end, and the pipe over the other one."""
    reader, writer = os.pipe()
    return reader, await InputPipe.open(writer)


async def settle() -> None:
    """Let everything that is due on the loop happen."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("steps", ["close abort", "abort abort", "gone abort", "gone close abort", "abort close"])
async def test_given_a_pipe_when_it_is_closed_in_any_order_then_it_is_closed_once(steps: str) -> None:
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    reader, pipe = await opened()
    for step in steps.split():
        match step:
            case "close":
                pipe.close()
            case "abort":
                pipe.abort()
            case "gone":
                os.close(reader)
                transport: Any = pipe._transport
                transport._read_ready()  # as the loop calls it when it sees that nobody reads any more
    await settle()
    if "gone" not in steps:
        os.close(reader)
    assert raised == []


async def test_given_data_that_nobody_read_when_the_pipe_is_aborted_after_closing_then_it_is_closed_once() -> None:
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    reader, pipe = await opened()
    writing = asyncio.create_task(pipe.write(b"x" * 1_000_000))
    await settle()
    pipe.close()
    pipe.abort()
    await settle()
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    await writing
    assert raised == []
