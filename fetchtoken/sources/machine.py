"""A machine credential of one's own: asked for at the configured broker, and ended there.

The same key, origin, certificates and refusals as for the remote source. Whatever may have been answered
and was not heard is asked for again: the same client and machine has one credential, the newest.
"""

from __future__ import annotations

from fetchtoken.domain.digest import sha256_hex
from fetchtoken.domain.errors import ConfigError, Malformed, Unavailable, Unsafe
from fetchtoken.domain.keytext import id_of
from fetchtoken.net.client import request as http_request
from fetchtoken.net.errors import BadAnswer
from fetchtoken.net.url import Url, parse_url
from fetchtoken.oauth.messages import JSON_HEADERS, OAUTH_CLIENT_ID, revoke_body
from fetchtoken.oauth.token_exchange import exchange_body
from fetchtoken.sources.machine_answer import credential_of, problem

__all__ = ["MachineCredential", "ask_machine", "broker_base", "end_machine", "machine_name"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.secret import Secret
    from fetchtoken.domain.token import Token
    from fetchtoken.net.client import Response
    from fetchtoken.settings import Settings

_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_NAME_LONGEST = 40
_BUILT_IN = "built-in"


class MachineCredential:
    """What a broker gave a machine.

    Args:
        credential: ``cbr_…``: a refresh token that is never rotated, for this broker alone.
        expires_at: epoch seconds at which it ends.
        number: by which the broker's administrator ends it (``client revoke NAME --machine NUMBER``).
        issuer: the broker's base URL, as ``oauth_provenance.issuer`` wants it.
        token: the account's access token, with the id token, ``account_id`` and its own end.
    """

    __slots__ = ("credential", "expires_at", "issuer", "number", "token")

    def __init__(
        self, *, credential: Secret, expires_at: float, number: int, issuer: str, token: Token
    ) -> None:
        self.credential = credential
        self.expires_at = expires_at
        self.number = number
        self.issuer = issuer
        self.token = token

    def __repr__(self) -> str:
        return f"MachineCredential(number={self.number}, issuer={self.issuer!r}, token={self.token!r})"


def broker_base(text: str, what: str = "CODEX_REMOTE_URL") -> str:
    """Return a broker's URL without ``/codex`` and without a slash at its end; its OAuth routes lie below.

    Args:
        text: the base, or its ``/codex``.
        what: the setting it comes from, for messages.

    Raises:
        ConfigError: it is no URL.
    """
    base = text.rstrip("/").removesuffix("/codex").rstrip("/").removesuffix(":")
    parse_url(base, what)
    return base


def machine_name(host: str, codex_home: str) -> str:
    """Return what a broker calls one Codex home of one machine: the same at each enrolment, and no other's.

    Args:
        host: the machine's name.
        codex_home: absolute path of the directory in which the credential is to lie.
    """
    label = "".join(char if char in _NAME_LETTERS else "-" for char in host.partition(".")[0])
    return f"{label[:_NAME_LONGEST] or 'codex'}-{sha256_hex(codex_home.encode())[:8]}"


def ask_machine(settings: Settings, *, account: str, machine: str, deadline_s: float) -> MachineCredential:
    """Return a new credential of this machine for one account; its former one, if any, has ended.

    Args:
        settings: where the broker is and how it is spoken to.
        account: the account's name, or an empty string for the client's only or default one.
        machine: 1 to 64 of letters, digits, ``.``, ``_`` and ``-`` (:func:`machine_name`).
        deadline_s: the end of everything, on the monotonic clock.

    Raises:
        ConfigError: there is no broker or no key for it, or an account must be named.
        LoginRequired: the broker says that a person must log in.
        NotFound: the broker is none, or too old for this.
        Unavailable: it cannot be reached, or cannot do that now.
        Denied: it refuses the key, or the client has as many credentials as it may have.
        Malformed: it answers nonsense, or leads elsewhere.
        Unsafe: plain http to another machine, or a key file that others can read.
    """
    if settings.remote_url_origin == _BUILT_IN:
        raise ConfigError(
            "no broker is configured", hint="set CODEX_REMOTE_URL, or codex-fetchtoken join URL"
        )
    key = settings.api_key
    if key is None:
        raise ConfigError(
            "no API key is configured for the broker",
            hint="codex-fetchtoken join, or CODEX_REMOTE_API_KEY_FILE",
        )
    base = broker_base(settings.remote_url)
    body = exchange_body(key, account=account, machine=machine)
    url, response = _post(settings, base, "/oauth/token", body, deadline_s)
    if response.status != 200:
        raise problem(url.peer, response, account)
    found = credential_of(url.peer, response, account)
    return MachineCredential(
        credential=found.credential,
        expires_at=found.expires_at,
        number=found.number,
        issuer=base,
        token=found.token,
    )


def end_machine(settings: Settings, credential: Secret, *, issuer: str, deadline_s: float) -> None:
    """End a credential at the broker that gave it; one that has ended already, or is unknown there, is fine.

    Args:
        settings: how the configured broker is spoken to; another one gets no client certificate.
        credential: ``cbr_…``.
        issuer: the broker's base URL, as its file names it; an empty string for the configured one.
        deadline_s: the end of everything, on the monotonic clock.

    Raises:
        ConfigError: there is no broker, or a URL or certificate file is unusable.
        Unavailable: the broker did not confirm it; the credential may live on.
        Malformed: it answers nonsense, or leads elsewhere.
        NotFound: there is no broker at that URL.
        Denied: somebody before the broker refuses the request.
        Unsafe: this is no machine credential, or plain http to another machine.
    """
    if not id_of(credential.reveal(), "cbr"):
        raise Unsafe("this is no machine credential, so no broker gets it", hint="codex-fetchtoken logout")
    if not issuer and settings.remote_url_origin == _BUILT_IN:
        raise ConfigError("no broker is configured", hint="set CODEX_REMOTE_URL")
    base = broker_base(issuer or settings.remote_url, "the broker's URL" if issuer else "CODEX_REMOTE_URL")
    body = revoke_body(credential, hint="refresh_token", client_id=OAUTH_CLIENT_ID)
    url, response = _post(settings, base, "/oauth/revoke", body, deadline_s)
    if response.status != 200:
        raise problem(url.peer, response, "")


def _post(settings: Settings, base: str, path: str, body: bytes, deadline_s: float) -> tuple[Url, Response]:
    """Send a body to a broker and return its whole answer."""
    url = parse_url(base)
    url = url.with_path(url.path.rstrip("/") + path)
    ours = (
        settings.remote_url_origin != _BUILT_IN
        and url.origin == parse_url(settings.remote_url, "CODEX_REMOTE_URL").origin
    )
    try:
        response = http_request(
            "POST",
            url,
            headers=JSON_HEADERS,
            deadline_s=deadline_s,
            body=body,
            ca_file=(settings.ca_file if ours else "") or settings.codex_ca_certificate or None,
            client_cert=(settings.client_cert if ours else "") or None,
            client_key=(settings.client_key if ours else "") or None,
            environ=settings.environ,
        )
    except BadAnswer as error:
        raise Malformed(error.message, hint="check CODEX_REMOTE_URL") from None
    except Unavailable as error:
        error.hint = error.hint or "check CODEX_REMOTE_URL, or try again later"
        raise
    if not response.complete:
        raise Unavailable(f"{url.peer} broke off in mid-answer", hint="try again")
    return url, response
