"""The history: signed checkpoints, tampering of every kind, archives, several servers."""
