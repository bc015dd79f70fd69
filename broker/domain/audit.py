"""The words of the audit trail."""

from enum import StrEnum

__all__ = ["Action"]


class Action(StrEnum):
    """What was done; the prefix names what it was done to."""

    TOKEN_SERVED = "token.served"  # noqa: S105 - the name of an action
    """An access token left for a client."""
    ACCOUNT_ADDED = "account.added"
    ACCOUNT_ADOPTING = "account.adopting"
    """Stored disabled, before its file is rewritten."""
    ACCOUNT_ADOPTED = "account.adopted"
    ACCOUNT_LOGIN = "account.login"
    """A new login for an account already held."""
    ACCOUNT_RENAMED = "account.renamed"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    ACCOUNT_REMOVED = "account.removed"
    ACCOUNT_BLIND = "account.blind_replay"
    """A replay was ordered past a journal that could not be read: none follows by itself."""
    ACCOUNT_ATTEMPT = "account.attempt"
    """An intent became durable."""
    ACCOUNT_REPLAY = "account.replay"
    """The intent of a replay became durable."""
    ACCOUNT_ROTATED = "account.rotated"
    ACCOUNT_SETTLED = "account.settled"
    """An attempt ended without tokens."""
    ACCOUNT_OTHER_HOLDER = "account.other_holder"
    """Refused at the first sending as used before: somebody else exchanged it."""
    ACCOUNT_LOST = "account.lost"
    """Our own replay was refused: this loss is ours."""
    ACCOUNT_EXPORTED = "account.exported"
    """The refresh token left, and is never exchanged here again."""
    ACCOUNT_ORPHAN = "account.orphan"
    """A late token answer was kept sealed beside the account."""
    ACCOUNT_IDENTITY_ALARM = "account.identity_alarm"
    """A token answer names another account or user than the row; it was kept all the same."""
    CLIENT_ADDED = "client.added"
    CLIENT_CHANGED = "client.changed"
    CLIENT_ROTATED = "client.rotated"
    CLIENT_REVOKED = "client.revoked"
    AUDIT_RESUMED = "audit.resumed"
    """The trail can be written again; ``detail`` says how many records were refused meanwhile."""
