"""Workflows as values: what a file says, whether it can be carried out, and what its stages come to. Pure.

`reading` makes a `document` of YAML, `checking` says what is wrong with it, `expressions` and `templates` are the
small language in it, `rendering` fills a stage in, `schema` is what editors get. Nothing here knows the store.
"""
