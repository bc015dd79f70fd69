"""Revoke a login upstream (RFC 7009), as the Codex CLI does at logout."""

import aiohttp

from broker.domain.records import Account
from broker.issuer.session import open_session
from fetchtoken.domain.errors import Unavailable
from fetchtoken.oauth.messages import JSON_HEADERS, revoke_body

__all__ = ["revoke_login"]


async def revoke_login(account: Account) -> None:
    """Tell the issuer that nobody may use this login any more: refresh and access token.

    Args:
        account: its refresh token is named, or its access token where it has none.

    Raises:
        Unavailable: the issuer did not confirm; the login may live on.
    """
    held = account.refresh_token
    body = revoke_body(
        held or account.access_token,
        hint="refresh_token" if held else "access_token",
        client_id=account.client_id,
    )
    hint = "try again, or remove it without --revoke: the login then lives on at the issuer"
    url = f"{account.issuer}/oauth/revoke"
    try:
        async with (
            open_session(url) as session,
            session.post(url, data=body, headers=JSON_HEADERS, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        # The text of aiohttp's errors may carry headers; the class says enough.
        raise Unavailable(
            f"{account.issuer} could not be asked to revoke {account.name}: {type(error).__name__}",
            hint=hint,
        ) from None
    if not 200 <= status < 300:
        raise Unavailable(f"{account.issuer} answered {status} to revoking {account.name}", hint=hint)
