"""The durable half: SQLAlchemy Core tables and queries, migrations, the audit trail.

Every write that changes an account or a client is one transaction with its audit record and with
the change counter by which other processes notice it. The guards that make an exchange happen
exactly once are ``UPDATE … WHERE login_id AND generation AND state``: no lock is held across the
network, and nothing here depends on which database it is (see :mod:`broker.store.engine`).
"""
