"""Copying a database whole, to another of either kind: all of it and verified, or nothing that looks like it.

`database` says in which order, `fitting` finds what the target could not hold, `rows` moves rows in chunks, `checking`
reads the copy back.
"""
