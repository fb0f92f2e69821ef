"""Adapters around agent CLIs: how to start one, feed it, read its stream, interrupt it and resume it."""
