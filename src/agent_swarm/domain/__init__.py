"""The words and the rules: what a task is and what may happen to it.

Everything here is pure: no clock, no randomness, no I/O. Time, ids and jitter come in as arguments, so that the same
rule decides in the store, in its test oracle and in a model search.
"""
