"""Whether a login may be taken out of an auth file: what an earlier refresh of it came to."""

from __future__ import annotations

import time

from fetchtoken.codex.local_attempt import Verdict, attempt_path, look_back
from fetchtoken.domain.errors import LoginRequired, Unavailable
from fetchtoken.domain.secret import Secret

__all__ = ["refuse_unsettled"]


def refuse_unsettled(path: str, refresh_token: Secret, *, then: str) -> None:
    """Raise where the refresh token in an auth file may be spent, or was refused.

    Args:
        path: the auth file, whose attempt file lies beside it.
        refresh_token: what it holds.
        then: what to do once it is settled, for the hint.

    Raises:
        LoginRequired: the issuer refused this very token.
        Unavailable: an exchange of it is under way, in doubt, or not committed.
    """
    past = look_back(attempt_path(path), refresh_token, now_s=time.time())
    if past.verdict is Verdict.REFUSED:
        raise LoginRequired(f"the issuer has refused the login in {path}", hint="codex-fetchtoken login")
    if past.verdict in (Verdict.COMMIT, Verdict.IN_DOUBT, Verdict.RUNNING):
        raise Unavailable(
            f"an earlier refresh of {path} is not settled yet",
            hint=f"codex-fetchtoken refresh --force, then {then}",
        )
