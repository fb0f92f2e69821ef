"""Shows that the tests notice when a guard is gone: `scripts/mutate-guards`."""
