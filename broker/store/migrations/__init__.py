"""The schema's history, run by alembic from :mod:`broker.store.setup`, never by hand."""

HEAD = "0007"
"""The newest revision; a store that has it needs no migration and no import of alembic."""
