"""Accounts, clients and time as the broker understands them: pure, standard library only, no I/O."""
