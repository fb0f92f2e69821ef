"""Writes the pages of docs/ that come from the code: one module per page, each a function without arguments."""
