"""The demo: a small swarm that builds something real, and proof that it did what it promised."""
