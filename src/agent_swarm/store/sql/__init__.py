"""The store in SQL: one set of SQLAlchemy Core statements, run by SQLite and by PostgreSQL."""
