"""What the host and the agent in a guest say to each other; `agent/` holds the agent itself, in C."""
