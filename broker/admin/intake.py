"""A login that wants in: what its file holds, whose it is, and whether this broker may take it. Pure."""

import re
from dataclasses import dataclass

from broker.domain.records import Account, NewLogin
from broker.domain.tokens import read_tokens
from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.domain.errors import ConfigError, Malformed
from fetchtoken.formats.detect import parse_any
from fetchtoken.formats.login import Login
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID

__all__ = ["Intake", "Terms", "free_name", "nickname", "read_logins", "refuse_older"]

_BROKERS_OWN = "cbr_"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._@+-]+")


@dataclass(frozen=True, slots=True)
class Intake:
    """A login that may come in."""

    file: Login
    """As the tool's file holds it."""
    login: NewLogin

    @property
    def identity(self) -> tuple[str, str]:
        """Whose it is: (account id, user id)."""
        return (self.login.tokens.account_id, self.login.tokens.user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what a login is judged that wants in."""

    source: str
    """``adopt``, ``import``, or ``login`` for tokens that the issuer gave just now."""
    issuer: str
    """The only issuer that this broker talks to."""
    now_s: float
    """Epoch seconds."""
    jitter: float
    """Chance for the due time, from -1 to 1."""
    part: float
    """Part of the life after which the token is due."""


def read_logins(text: str, path: str, terms: Terms, *, pending: str | None = None) -> list[Intake]:
    """Read a tool's file as logins for this broker.

    Args:
        text: the whole file.
        path: its name, for messages and for the record.
        terms: by what they are judged.
        pending: codex-multi-auth's file beside it, where there is one.

    Raises:
        NotFound: the file is empty, or holds no login.
        Malformed: it is no tool's file, or does not say whose a login is.
        LoginRequired: it holds another kind of credential.
        ConfigError: a broker's credential, or a login of another issuer.
    """
    beside = None if pending is None else pending.encode()
    return [_intake(login, path, terms) for login in parse_any(text.encode(), path, pending=beside)]


def _intake(found: Login, path: str, terms: Terms) -> Intake:
    _refuse_foreign(found, terms.issuer)
    tokens = read_tokens(
        found.access_token,
        found.refresh_token,
        found.id_token,
        now_s=terms.now_s,
        jitter=terms.jitter,
        part=terms.part,
        account_id=found.account_id,
        email=found.email,
        expires_at=found.expires_at,
        answered=terms.source == "login",
    )
    if not tokens.account_id:
        raise Malformed(
            f"{found.where} does not say which account it belongs to", hint="codex-broker account login NAME"
        )
    login = NewLogin(
        tokens=tokens,
        issuer=terms.issuer,
        client_id=found.provenance[1] or OAUTH_CLIENT_ID,
        source=terms.source,
        source_path=path,
    )
    return Intake(found, login)


def _refuse_foreign(found: Login, issuer: str) -> None:
    if found.refresh_token.reveal().startswith(_BROKERS_OWN):
        raise ConfigError(
            f"{found.where} holds a broker's credential ({_BROKERS_OWN}…), not a login",
            hint="give the file that a login wrote",
        )
    named = {found.provenance[0]}
    for token in (found.access_token, found.id_token):
        named.add(Claims(decode_claims(token.reveal()) or {}).iss)
    for other in sorted(named - {""}):
        if other.rstrip("/") != issuer:
            raise ConfigError(
                f"{found.where} holds a login of {other[:200]}, this broker's issuer is {issuer}",
                hint="a login is never sent to another issuer: use a broker whose issuer.url is that one",
                code="foreign_issuer",
            )


def refuse_older(intake: Intake, held: Account, path: str) -> None:
    """Raise where the broker holds a newer login of the same account.

    Raises:
        ConfigError: by ``iat``, the file is older than what is held.
    """
    came, has = intake.login.tokens.issued_at, held.issued_at
    if came is not None and has is not None and came < has:
        raise ConfigError(
            f"{path} is an old copy: account {held.name} holds a newer login of the same user",
            hint=f"leave it; codex-broker account show {held.name} tells how that account is",
        )


def nickname(email: str, account_id: str) -> str:
    """Return a name for an account: the part before the ``@``, else a piece of its id."""
    base = _NOT_IN_NAMES.sub("-", email.partition("@")[0].lower()).strip("-._@+")
    return base[:48] or "account-" + _NOT_IN_NAMES.sub("-", account_id.lower())[:12].strip("-._@+")


def free_name(wanted: str, taken: set[str]) -> str:
    """Return ``wanted``, or ``wanted-2``, ``wanted-3``, … where it is taken or reserved."""
    name, number = wanted, 1
    while name in taken or name == "device":
        number += 1
        name = f"{wanted}-{number}"
    return name
