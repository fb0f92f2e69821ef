"""Runs the migrations on the connection that `schema` hands over."""

from alembic import context

from agent_swarm.store.sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
