"""Keeping accounts fresh: one exchange per rotation, recovery after a crash, what is due when.

The order of things, for one exchange: journal file, intent in the store, exchange process, raw
answer in the journal, tokens in the store, tokens in memory, journal file gone. A crash between
any two of them leaves what :mod:`broker.refresh.recovery` needs to go on.
"""
