"""desplega-ai/agent-swarm: one SQLite file, secrets under one key."""
