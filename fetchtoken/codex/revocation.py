"""Where a login is revoked: Codex's rule, but for one leak."""

from __future__ import annotations

from fetchtoken.formats.codex import AuthFile
from fetchtoken.net.url import parse_url
from fetchtoken.oauth.messages import ISSUER, OAUTH_CLIENT_ID

__all__ = ["revocation_endpoint"]

_PATH = "/oauth/revoke"


def revocation_endpoint(
    auth: AuthFile, *, revoke_override: str, refresh_override: str, client_id_override: str
) -> tuple[str, str]:
    """Return the URL and the OAuth client id with which a file's login is revoked.

    As Codex does: the revocation override, else the host of the refresh override, else OpenAI.
    Other than Codex, a login that names its issuer is revoked there and nowhere else.

    Args:
        auth: the file.
        revoke_override: ``CODEX_REVOKE_TOKEN_URL_OVERRIDE``, or empty.
        refresh_override: ``CODEX_REFRESH_TOKEN_URL_OVERRIDE``, or empty.
        client_id_override: ``CODEX_APP_SERVER_LOGIN_CLIENT_ID``, or empty.

    Raises:
        ConfigError: the refresh override is no URL.
    """
    client_id = auth.provenance_client_id or client_id_override or OAUTH_CLIENT_ID
    if revoke_override:
        return revoke_override, client_id
    if refresh_override:
        url = parse_url(refresh_override, "CODEX_REFRESH_TOKEN_URL_OVERRIDE")
        return f"{url.origin}{_PATH}", client_id
    return f"{auth.provenance_issuer.rstrip('/') or ISSUER}{_PATH}", client_id
