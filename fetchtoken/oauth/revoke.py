"""Tell an issuer that a login is over (RFC 7009)."""

from __future__ import annotations

import time
from collections.abc import Mapping

from fetchtoken.domain.errors import Unavailable
from fetchtoken.domain.secret import Secret
from fetchtoken.net.client import request
from fetchtoken.oauth.messages import JSON_HEADERS, error_code, revoke_body

__all__ = ["LIMIT_S", "revoke"]

LIMIT_S = 10.0
"""As the Codex CLI waits for a revocation."""

_INVALID = frozenset(
    {"invalid_token", "refresh_token_expired", "refresh_token_invalidated", "refresh_token_reused"}
)
"""``invalid_grant`` is not among them: it may mean another client's token (RFC 7009 §2.1), which lives on."""


def revoke(
    url: str, refresh_token: Secret, *, client_id: str, ca_file: str, environ: Mapping[str, str]
) -> bool:
    """Revoke a refresh token, and with it its login.

    Args:
        url: the issuer's revocation endpoint.
        refresh_token: the one that is good now, or the newest that is known.
        client_id: the OAuth client that the login belongs to.
        ca_file: PEM file of the only authorities to trust, or an empty text.
        environ: where proxies are looked up.

    Returns:
        Whether it was revoked now; ``False`` where the issuer says that it was invalid already.

    Raises:
        Unavailable: the issuer did not confirm; the login may live on.
        ConfigError: the URL or a certificate file is unusable.
        Unsafe: plain http to another machine.
    """
    answer = request(
        "POST",
        url,
        headers=JSON_HEADERS,
        body=revoke_body(refresh_token, hint="refresh_token", client_id=client_id),
        deadline_s=time.monotonic() + LIMIT_S,
        ca_file=ca_file or None,
        environ=environ,
    )
    if 200 <= answer.status < 300:
        return True
    if answer.status in (400, 401, 403) and error_code(answer.body) in _INVALID:
        return False
    raise Unavailable(
        f"the issuer answered {answer.status} to the revocation", hint="end the session at the issuer"
    )
