"""Logging in: the browser's way (RFC 7636, RFC 8252) and OpenAI's own device flow.

``pkce``, ``browser``, ``device`` and ``grant`` are pure codecs: clock and randomness are arguments.
``asking``, ``callback``, ``person``, ``undisturbed`` and ``walks`` are the edge that both programs
share. A walk ends with an authorization code. It is good once, so whoever started the walk has the
place for the tokens ready before it is exchanged, and lets nothing come between.
"""
