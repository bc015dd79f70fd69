"""Where a refresh token may be sent: Codex's rule, plus one that keeps logins and brokers apart."""

from __future__ import annotations

from fetchtoken.codex.revocation import revocation_endpoint
from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.formats.codex import AuthFile
from fetchtoken.net.url import parse_url
from fetchtoken.oauth.messages import ISSUER, OAUTH_CLIENT_ID

__all__ = ["MACHINE_CREDENTIAL", "authority_of", "revoke_endpoint", "token_endpoint"]

MACHINE_CREDENTIAL = "cbr_"
"""How a broker's refresh token begins."""


def token_endpoint(
    auth: AuthFile, *, url_override: str, client_id_override: str, broker_url: str
) -> tuple[str, str]:
    """Return the URL and the OAuth client id for a file's refresh token.

    The override wins, else the file's ``oauth_provenance``, else OpenAI; the client id of the
    provenance beats the environment's. A broker's machine credential goes only to the broker
    that issued it, and a real refresh token never goes to a broker.

    Args:
        auth: the file whose refresh token is to be sent.
        url_override: ``CODEX_REFRESH_TOKEN_URL_OVERRIDE``, or empty.
        client_id_override: ``CODEX_APP_SERVER_LOGIN_CLIENT_ID``, or empty.
        broker_url: the configured ``CODEX_REMOTE_URL``, or empty.

    Raises:
        ConfigError: the URL is none.
        Unsafe: the token would go where it does not belong, or over plain http to another host.
    """
    override = "CODEX_REFRESH_TOKEN_URL_OVERRIDE" if url_override else ""
    text = url_override or f"{auth.provenance_issuer.rstrip('/') or ISSUER}/oauth/token"
    _check(auth, text, override, broker_url)
    return text, auth.provenance_client_id or client_id_override or OAUTH_CLIENT_ID


def revoke_endpoint(
    auth: AuthFile, *, url_override: str, refresh_override: str, client_id_override: str, broker_url: str
) -> tuple[str, str]:
    """Return the URL and the OAuth client id with which a file's login is revoked.

    They are :func:`fetchtoken.codex.revocation.revocation_endpoint`'s, for a token that belongs there.

    Args:
        auth: the file whose login is to end.
        url_override: ``CODEX_REVOKE_TOKEN_URL_OVERRIDE``, or empty.
        refresh_override: ``CODEX_REFRESH_TOKEN_URL_OVERRIDE``, or empty.
        client_id_override: ``CODEX_APP_SERVER_LOGIN_CLIENT_ID``, or empty.
        broker_url: the configured ``CODEX_REMOTE_URL``, or empty.

    Raises:
        ConfigError: the URL is none.
        Unsafe: the token would go where it does not belong, or over plain http to another host.
    """
    text, client_id = revocation_endpoint(
        auth,
        revoke_override=url_override,
        refresh_override=refresh_override,
        client_id_override=client_id_override,
    )
    override = "CODEX_REFRESH_TOKEN_URL_OVERRIDE" if refresh_override else ""
    _check(auth, text, "CODEX_REVOKE_TOKEN_URL_OVERRIDE" if url_override else override, broker_url)
    return text, client_id


def authority_of(url: str, *, broker_url: str, broker_ca: str, ca_file: str) -> str:
    """Return the CA file to check an endpoint with, or an empty string for the system's own.

    Args:
        url: the endpoint.
        broker_url: the configured ``CODEX_REMOTE_URL``, or empty.
        broker_ca: ``CODEX_REMOTE_CA_FILE``, or empty: for that broker and nobody else.
        ca_file: ``CODEX_CA_CERTIFICATE``, or empty.

    Raises:
        ConfigError: a URL is none.
    """
    ours = _origin(broker_url, "CODEX_REMOTE_URL") == parse_url(url).origin
    return (broker_ca if ours else "") or ca_file


def _check(auth: AuthFile, text: str, override: str, broker_url: str) -> None:
    """Raise where a file's refresh token must not be sent to a URL.

    Args:
        auth: the file.
        text: the URL.
        override: the setting from which it comes, or an empty string where the file names it.
        broker_url: the configured broker, or empty.
    """
    in_file = f"{auth.name}: oauth_provenance.issuer"
    origin = override or in_file
    url = parse_url(text, origin)
    if url.scheme not in ("http", "https"):
        raise ConfigError(f"{origin} is not an http or https URL", hint=f"unset or correct {origin}")
    if url.scheme == "http" and not url.is_local:
        raise Unsafe(f"{origin} is plain http to another host", hint="use https")
    if auth.refresh_token.reveal().startswith(MACHINE_CREDENTIAL):
        home = _origin(auth.provenance_issuer, in_file) or _origin(broker_url, "CODEX_REMOTE_URL")
        if url.origin != home or home == _origin(ISSUER, ""):
            raise Unsafe(
                f"{auth.name} holds a broker's machine credential; it is not sent to {url.peer}",
                hint="point CODEX_REMOTE_URL at the broker that issued it",
            )
    elif _origin(broker_url, "CODEX_REMOTE_URL") == url.origin:
        raise Unsafe(
            f"{auth.name} holds a real login; its refresh token is not sent to the broker at {url.peer}",
            hint="codex-broker account adopt FILE on the broker's host, or unset the override",
        )


def _origin(text: str, what: str) -> str:
    return parse_url(text, what).origin if text else ""
