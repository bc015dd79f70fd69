"""How a request can fail, by phase.

::

    Unavailable              5
    ├── NotSent              the peer cannot have seen the whole request
    └── NoAnswer             the whole request was handed over, no usable head came back
        └── BadAnswer        what came back is not HTTP

Messages name host and port, never headers or bodies.
"""

from fetchtoken.domain.errors import Unavailable

__all__ = ["BadAnswer", "NoAnswer", "NotSent", "words_of"]


class NotSent(Unavailable):
    """DNS, connect, TLS or the proxy failed, or fewer bytes than the request holds were handed over."""


class NoAnswer(Unavailable):
    """Every byte was handed to the kernel and no complete response head came back."""


class BadAnswer(NoAnswer):
    """Every byte was handed to the kernel and what came back is not HTTP/1."""


def words_of(error: OSError) -> str:
    """Return what the system or OpenSSL says of an error, without numbers and source lines."""
    reason = getattr(error, "reason", None)  # of an ssl.SSLError, such as WRONG_VERSION_NUMBER
    if isinstance(reason, str) and reason:
        return reason.replace("_", " ").lower()
    if isinstance(error, TimeoutError):
        return "timed out"
    return (error.strerror or str(error)).partition(" (_ssl")[0] or type(error).__name__
