"""A guest whose agent is gone, behind a channel that stays open: whoever bears no silence goes on without it."""

import socket

import pytest

from agent_swarm.vm.errors import GuestUnreachable
from agent_swarm.vm.guest.client import Channel
from agent_swarm.vm.guest.frames import Command


def test_given_an_agent_that_is_gone_when_silence_is_not_borne_then_the_command_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    with theirs, Channel(ours, b"") as guest:
        guest.bear_silence(0.05)
        with pytest.raises(GuestUnreachable):
            guest.run(Command(argv=["true"], env={}), stdout=bytearray().extend, stderr=bytearray().extend)
