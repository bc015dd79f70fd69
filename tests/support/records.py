"""Accounts, clients, tokens and stores for tests of the broker's inside; no issuer, no network."""

import os
from pathlib import Path
from typing import Any

from broker.domain.account import State
from broker.domain.records import Account, AuditRecord, Client, Machine, NewLogin, Tokens
from broker.seal.box import Seal
from broker.seal.keyring import Keyring
from fetchtoken.domain.secret import Secret

__all__ = [
    "NOW",
    "RECORD",
    "a_client",
    "a_login",
    "a_machine",
    "an_account",
    "new_seal",
    "store_url",
    "tokens",
]

NOW = 1_764_000_000.0
"""2025-11-24T16:00:00Z."""

RECORD = AuditRecord(at=NOW, action="account.added", account="work", peer="uid 0", detail="test")


def an_account(**changes: Any) -> Account:
    """Return an active account at generation 3, with the fields that matter to a test changed."""
    known = {
        "id": 1,
        "name": "work",
        "account_id": "acct-1",
        "user_id": "user-1",
        "email": "",
        "plan_type": "pro",
        "issuer": "https://auth.openai.com",
        "client_id": "app_x",
        "login_id": "login-1",
        "generation": 3,
        "state": State.ACTIVE,
        "disabled": False,
        "restored": False,
        "adopting": False,
        "sealed": False,
        "replay_used": False,
        "source": "import",
        "source_path": "",
        "attempt_id": None,
        "journal_id": None,
        "lease_until": None,
        "not_before_s": 0.0,
        "failures": 0,
        "last_error": "",
        "issued_at": int(NOW),
        "expires_at": int(NOW) + 864_000,
        "refresh_after": NOW + 518_400,
        "created_at": NOW,
        "updated_at": NOW,
        "revision": 1,
        "access_token": Secret("at"),
        "refresh_token": Secret("rt"),
        "id_token": None,
    }
    return Account(**(known | changes))


def a_client(**changes: Any) -> Client:
    """Return a client with one grant, with the fields that matter to a test changed."""
    known = {
        "id": 1,
        "name": "ci",
        "key_id": "key-1",
        "key_hash": b"hash",
        "scopes": frozenset({"token"}),
        "accounts": frozenset({1}),
        "default_account": None,
        "expires_at": None,
        "revoked_at": None,
        "created_at": NOW,
        "updated_at": NOW,
        "revision": 1,
    }
    return Client(**(known | changes))


def a_machine(**changes: Any) -> Machine:
    """Return a machine credential of that client for that account, with the fields that matter changed."""
    known = {
        "id": 1,
        "client": 1,
        "account": 1,
        "name": "laptop",
        "key_id": "machine-1",
        "key_hash": b"hash",
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
        "created_at": NOW,
        "revision": 1,
    }
    return Machine(**(known | changes))


def tokens(word: str = "0", **changes: Any) -> Tokens:
    """Return a set of opaque tokens named by a word: ``at-WORD``, ``rt-WORD``, ``id-WORD``."""
    known = {
        "access_token": Secret(f"at-{word}"),
        "refresh_token": Secret(f"rt-{word}"),
        "id_token": Secret(f"id-{word}"),
        "account_id": "acct-1",
        "user_id": "user-1",
        "email": "someone@example.com",
        "plan_type": "pro",
        "issued_at": int(NOW),
        "expires_at": int(NOW) + 864_000,
        "refresh_after": NOW + 518_400,
    }
    return Tokens(**(known | changes))


def a_login(word: str = "0", **changes: Any) -> NewLogin:
    """Return a login with the tokens of a word; ``changes`` go to the tokens."""
    return NewLogin(
        tokens=tokens(word, **changes),
        issuer="https://auth.openai.com",
        client_id="app_x",
        source="import",
        source_path="/home/someone/.codex/auth.json",
    )


def new_seal() -> Seal:
    """Return a seal with one new key."""
    return Seal(Keyring.new(os.urandom, "test.key"))


def store_url(directory: Path) -> str:
    """Return the URL of a store in a directory."""
    return f"sqlite:///{directory}/broker.db"
