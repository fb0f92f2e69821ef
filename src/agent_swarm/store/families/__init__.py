"""Small records that are kept under keys: one module per family, with its operations."""
