"""What alembic runs for each command: migrate the connection that the store passes in."""

from alembic import context

from broker.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # All or nothing, in the transaction that the store has begun: SQLite can do that too.
    transactional_ddl=True,
    # SQLite cannot change a column in place; batches copy the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
