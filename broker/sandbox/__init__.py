"""A strict issuer for trying and testing: loopback only, and stricter than the real one.

It keeps the worst rules that an authorization server may have, so that whatever survives here
survives there: a refresh token works once, a rotation is committed before its answer is sent
and stays committed when nobody receives it, and a second use revokes the whole family with
its access tokens (RFC 9700 §4.14.2). Faults are made on demand, every request is logged by
the fingerprint of its token, never by the token.

``logins``, ``tokens``, ``issuer``, ``authorizations``, ``devices``, ``pages``, ``answers``, ``faults``
and ``log`` are pure: time and randomness are arguments. ``gates``, ``routes``, ``login_routes``,
``control`` and ``server`` are the aiohttp edge.
"""
