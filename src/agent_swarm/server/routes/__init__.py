"""The REST routes, one file per subject; each has `routes(context)`: what answers where, and who may call it."""
