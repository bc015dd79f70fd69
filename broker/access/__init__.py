"""Who gets which token now: the one set of rules and limits behind HTTP and SSH.

A caller is let in by :mod:`broker.access.gate`, gets its account from :mod:`broker.access.tokens`,
or a :class:`broker.access.refused.Refused` that each way in says in its own words.
"""
