"""A small HTTP/1.1 client that knows how far a request got.

One request, one connection, no redirects, no retries, one deadline. It exists because a refresh
token may be sent once only: the caller must know whether the request left this machine, and no
library says so. It is also light: plain HTTP costs one C module, TLS costs ``ssl``.
"""
