"""Between rows and records: sealing on the way in, opening on the way out."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from broker.domain.account import State
from broker.domain.records import Account, Client, Machine, Tokens
from broker.seal.box import Seal
from broker.store.keys import StoreKeys
from broker.store.sealed import account_context
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.secret import Secret

__all__ = [
    "account_from_row",
    "client_from_row",
    "contradicts",
    "identity_of",
    "machine_from_row",
    "token_columns",
]


def identity_of(account_id: str, user_id: str) -> str | None:
    """Return the unique key of (account id, user id), or ``None`` where both are unknown."""
    return f"{account_id}/{user_id}" if account_id or user_id else None


def contradicts(row: Row[Any], tokens: Tokens) -> bool:
    """Tell whether tokens name another account or user than the row; what is unknown agrees."""
    pairs = ((row.account_id, tokens.account_id), (row.user_id, tokens.user_id))
    return any(held and named and held != named for held, named in pairs)


def token_columns(tokens: Tokens, login_id: str, generation: int, keys: StoreKeys) -> dict[str, Any]:
    """Return the columns that hold a whole set of tokens: boxes, fingerprint and times."""

    def box(secret: Secret | None, kind: str) -> bytes | None:
        if not secret:
            return None
        return keys.seal.close(secret.reveal().encode(), account_context(login_id, generation, kind))

    return {
        "login_id": login_id,
        "generation": generation,
        "access_box": box(tokens.access_token, "access"),
        "refresh_box": box(tokens.refresh_token, "refresh"),
        "id_box": box(tokens.id_token, "id"),
        "fingerprint": keys.fingerprint(tokens.refresh_token) if tokens.refresh_token else None,
        "issued_at": tokens.issued_at,
        "expires_at": tokens.expires_at,
        "refresh_after": tokens.refresh_after,
    }


def _open(seal: Seal, row: Mapping[str, Any], kind: str) -> Secret:
    box = row[f"{kind}_box"]
    if box is None:
        return Secret("")
    return Secret(seal.open(box, account_context(row["login_id"], row["generation"], kind)).decode())


def account_from_row(row: Row[Any], keys: StoreKeys) -> Account:
    """Return the account in a row.

    Where a box does not open, the account is there all the same, marked ``sealed``, without
    tokens and with the reason in ``last_error``: one damaged row must not stop the others.
    """
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented accessor
    sealed, access, refresh, identity = False, Secret(""), Secret(""), Secret("")
    try:
        access = _open(keys.seal, fields, "access")
        refresh = _open(keys.seal, fields, "refresh")
        identity = _open(keys.seal, fields, "id")
    except FetchTokenError as error:
        sealed, access, refresh, identity = True, Secret(""), Secret(""), Secret("")
        fields["last_error"] = error.message
    for column in ("access_box", "refresh_box", "id_box", "fingerprint", "identity"):
        del fields[column]
    fields["state"] = State(fields["state"])
    # The column is an administrator's word, which must outlast an adoption.
    fields["disabled"] = fields["disabled"] or fields["adopting"]
    for column in ("issued_at", "expires_at"):
        fields[column] = None if fields[column] is None else int(fields[column])
    return Account(
        **fields, sealed=sealed, access_token=access, refresh_token=refresh, id_token=identity or None
    )


def client_from_row(row: Row[Any], granted: frozenset[int], ssh_keys: frozenset[str]) -> Client:
    """Return the client in a row, with the ids of the accounts granted to it and its SSH keys."""
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented accessor
    fields["scopes"] = frozenset(fields["scopes"].split())
    return Client(**fields, accounts=granted, ssh_keys=ssh_keys)


def machine_from_row(row: Row[Any]) -> Machine:
    """Return the machine credential in a row."""
    return Machine(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented accessor
