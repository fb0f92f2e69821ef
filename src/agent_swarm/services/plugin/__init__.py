"""Swarms in the words of the Swarm plugin: another face of the same tasks, agents, messages and projects.

Nothing is kept here. A sandbox is an agent with its worker, a swarm's chat is the channel with the swarm's id, and a
status that is put is a command.
"""
