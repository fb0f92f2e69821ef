"""Who did what, so that it can be proven: the chain of events checked, signed, shown, taken out and put away.

The chain itself is made by `store.events`, in the transaction of each change. What is here makes it tell to who cannot
trust the database: signed checkpoints that are kept outside it, and a check that needs nothing but rows, checkpoints
and a public key.
"""
