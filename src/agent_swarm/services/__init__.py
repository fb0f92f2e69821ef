"""One function per feature: what a face asks for becomes an operation to apply, or an answer made of one read.

Decisions live here and in `domain`; faces parse, call and render, and every face calls the same function.
"""
