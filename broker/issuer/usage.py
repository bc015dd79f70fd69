"""Whether an access token still opens the backend."""

import aiohttp
import structlog

from broker.domain.records import Account
from broker.issuer.session import open_session
from fetchtoken.domain.errors import FetchTokenError

__all__ = ["is_refused"]

_log = structlog.get_logger("broker.issuer")


async def is_refused(account: Account, backend_url: str) -> bool:
    """Ask for the account's usage with its token, as the Codex CLI does; only a 401 is a refusal.

    Args:
        account: its access token is shown to the backend.
        backend_url: ``issuer.backend_url``; a base without ``/backend-api`` has other paths.

    Returns:
        Whether it is refused; ``False`` where nobody could tell.
    """
    path = "/wham/usage" if "/backend-api" in backend_url else "/api/codex/usage"
    headers = {"Authorization": f"Bearer {account.access_token.reveal()}"}
    if account.account_id:
        headers["ChatGPT-Account-Id"] = account.account_id
    try:
        async with (
            open_session(backend_url) as session,
            session.get(f"{backend_url}{path}", headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status == 401
    except (aiohttp.ClientError, TimeoutError, FetchTokenError) as error:
        # The text of aiohttp's errors may carry headers; the class says enough.
        _log.warning("token_not_checked", account=account.name, kind=type(error).__name__)
        return False
