"""The contracts in docs/contract/: what programs of others rely on, and what may change about it."""
