"""Secrets: kept encrypted, or fetched from where an operator keeps them."""
