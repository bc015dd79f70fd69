"""A login that wants in: what its file holds, whose it is, and whether this broker may take it. Pure."""

import re
from dataclasses import dataclass

from broker.domain.records import Account, NewLogin
from broker.domain.tokens import read_tokens
from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.domain.errors import ConfigError, Malformed
from fetchtoken.formats.codex import AuthFile, check_login, parse_auth_file
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID

__all__ = ["Intake", "free_name", "nickname", "read_login", "refuse_older"]

_BROKERS_OWN = "cbr_"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._@+-]+")


@dataclass(frozen=True, slots=True)
class Intake:
    """A file that may come in."""

    auth: AuthFile
    login: NewLogin

    @property
    def identity(self) -> tuple[str, str]:
        """Whose it is: (account id, user id)."""
        return (self.login.tokens.account_id, self.login.tokens.user_id)


def read_login(  # noqa: PLR0913 - a file, and what it is judged by
    text: str, path: str, *, source: str, issuer: str, now_s: float, jitter: float, part: float
) -> Intake:
    """Read an auth file as a login for this broker.

    Args:
        text: the whole file.
        path: its name, for messages and for the record.
        source: ``adopt``, ``import``, or ``login`` for tokens that the issuer gave just now.
        issuer: the only issuer that this broker talks to.
        now_s: epoch seconds.
        jitter: chance for the due time, from -1 to 1.
        part: part of the life after which the token is due.

    Raises:
        NotFound: the file is empty.
        Malformed: it is no auth file, or does not say whose it is.
        LoginRequired: it holds another kind of credential.
        ConfigError: a broker's credential, or a login of another issuer.
    """
    auth = parse_auth_file(text, path)
    check_login(auth)
    _refuse_foreign(auth, path, issuer)
    tokens = read_tokens(
        auth.access_token,
        auth.refresh_token,
        auth.id_token,
        now_s=now_s,
        jitter=jitter,
        part=part,
        account_id=auth.account_id,
        answered=source == "login",
    )
    if not tokens.account_id:
        raise Malformed(
            f"{path} does not say which account it belongs to", hint="codex-broker account login NAME"
        )
    login = NewLogin(
        tokens=tokens,
        issuer=issuer,
        client_id=auth.provenance_client_id or OAUTH_CLIENT_ID,
        source=source,
        source_path=path,
    )
    return Intake(auth, login)


def _refuse_foreign(auth: AuthFile, path: str, issuer: str) -> None:
    if auth.refresh_token.reveal().startswith(_BROKERS_OWN):
        raise ConfigError(
            f"{path} holds a broker's credential ({_BROKERS_OWN}…), not a login",
            hint="give the file that a login wrote",
        )
    named = {auth.provenance_issuer}
    for token in (auth.access_token, auth.id_token):
        named.add(Claims(decode_claims(token.reveal()) or {}).iss)
    for other in sorted(named - {""}):
        if other.rstrip("/") != issuer:
            raise ConfigError(
                f"{path} holds a login of {other[:200]}, this broker's issuer is {issuer}",
                hint="a login is never sent to another issuer: use a broker whose issuer.url is that one",
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
