"""Keys at work: opened at the start, used for what is stored, changed while everything goes on.

`vault` is what a server holds open, `starting` says whether it may hold it, `rotation` and `resealing` change keys,
`lost` takes away what nobody can open any more.
"""
