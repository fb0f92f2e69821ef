"""Where the swarm's state lives: tables, statements, migrations, and the batches that write them.

`operations` are values that say what to do, `base` is the contract of a store, `memory` the oracle, `sql` the real
thing.
"""
