"""Accounts and clients as the commands show them: JSON values, never a secret."""

from collections.abc import Mapping, Sequence
from typing import Any

from broker.domain.invite import Invite
from broker.domain.records import Account, Client, LateAnswer, Machine
from broker.domain.trouble import still_safe, trouble_of
from fetchtoken.domain.instants import to_rfc3339

__all__ = ["account_detail", "account_view", "client_detail", "client_view", "invite_view", "machine_view"]


def _instant(epoch_s: float | None) -> str | None:
    return None if epoch_s is None else to_rfc3339(epoch_s)


def account_view(account: Account) -> dict[str, Any]:
    """Return the fields that ``account list`` and ``account import`` promise."""
    return {
        "account": account.name,
        "account_id": account.account_id,
        "plan_type": account.plan_type,
        "state": account.state.value,
        "disabled": account.disabled,
        "expires_at": _instant(account.expires_at),
        "refresh_after": _instant(account.refresh_after) if account.refresh_token else None,
        "source": account.source,
    }


def account_detail(account: Account, late: Sequence[LateAnswer], now_s: float) -> dict[str, Any]:
    """Return those and what a person looks at when something is wrong.

    Args:
        account: the account.
        late: its answers that came too late and lie sealed.
        now_s: epoch seconds, to say what is still served.
    """
    trouble = trouble_of(account, now_s)
    return account_view(account) | {
        "email": account.email,
        "issuer": account.issuer,
        "generation": account.generation,
        "renewable": bool(account.refresh_token),
        "adopting": account.adopting,
        "source_path": account.source_path,
        "failures": account.failures,
        "last_error": account.last_error,
        "restored": account.restored,
        "replay_used": account.replay_used,
        "late_answers": [{"generation": answer.generation, "at": _instant(answer.at)} for answer in late],
        "problem": None if trouble is None else trouble.what,
        "safe": still_safe(account, now_s) if trouble is None else trouble.safe,
        "to_do": None if trouble is None else trouble.todo,
        "created_at": _instant(account.created_at),
        "updated_at": _instant(account.updated_at),
    }


def client_view(client: Client, names: Mapping[int, str], now_s: float) -> dict[str, Any]:
    """Return what ``client list`` shows.

    Args:
        client: the client.
        names: account name by id.
        now_s: epoch seconds, to tell an expired client.
    """
    return {
        "client": client.name,
        "state": _state(client, now_s),
        "accounts": sorted(names[account] for account in client.accounts if account in names),
        "default": names.get(client.default_account or 0),
        "scopes": sorted(client.scopes),
        "expires_at": _instant(client.expires_at),
        "ssh_keys": sorted(client.ssh_keys),
    }


def invite_view(invite: Invite, names: Mapping[int, str], now_s: float) -> dict[str, Any]:
    """Return a code that waits to be used as ``client list`` shows it; it expires, not yet the client.

    Args:
        invite: the invite.
        names: account name by id.
        now_s: epoch seconds.
    """
    return {
        "client": invite.name,
        "state": ("device " if invite.device else "")
        + ("invited" if now_s < invite.expires_at else "invite expired"),
        "accounts": sorted(names[account] for account in invite.accounts if account in names),
        "default": names.get(invite.default_account or 0),
        "scopes": sorted(invite.scopes),
        "expires_at": _instant(invite.expires_at),
    }


def client_detail(client: Client, names: Mapping[int, str], now_s: float) -> dict[str, Any]:
    """Return those and when things happened."""
    return client_view(client, names, now_s) | {
        "key_id": client.key_id,
        "created_at": _instant(client.created_at),
        "revoked_at": _instant(client.revoked_at),
    }


def _state(held: Client | Machine, now_s: float) -> str:
    if held.revoked_at is not None:
        return "revoked"
    return "expired" if held.expires_at is not None and held.expires_at <= now_s else "live"


def _machine_state(machine: Machine, client: Client, now_s: float) -> str:
    """Return what a credential is worth: it counts no longer than its client, and its grant."""
    for state in (_state(machine, now_s), _state(client, now_s)):
        if state != "live":
            return state
    return "live" if machine.account in client.accounts and "token" in client.scopes else "not granted"


def machine_view(
    machine: Machine,
    client: Client,
    names: Mapping[int, str],
    uses: Mapping[int, float | None],
    now_s: float,
) -> dict[str, Any]:
    """Return a machine credential as ``client show`` lists it.

    Args:
        machine: the credential.
        client: it belongs to, with which it ends.
        names: account name by id.
        uses: its last use by row id.
        now_s: epoch seconds.
    """
    return {
        "machine": machine.id,
        "name": machine.name,
        "account": names.get(machine.account),
        "state": _machine_state(machine, client, now_s),
        "from_key": machine.from_key,
        "expires_at": _instant(machine.expires_at),
        "last_used_at": _instant(uses.get(machine.id)),
    }
