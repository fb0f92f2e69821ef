"""The kill switch of a running server: what it knows of it, whom it refuses, and the flags it follows."""
