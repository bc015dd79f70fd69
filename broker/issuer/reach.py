"""Whether the issuer and its backend can be reached: any HTTP answer says yes."""

import aiohttp

from broker.issuer.session import LIMIT_S, open_session

__all__ = ["reach"]


async def reach(url: str) -> str:
    """Ask for metadata (OpenID Connect Discovery §4); nothing of ours is sent along.

    Args:
        url: ``issuer.url`` or ``issuer.backend_url``.

    Returns:
        An empty text where an answer came, whatever it was, else why none came.
    """
    try:
        async with (
            open_session(url) as session,
            session.get(f"{url}/.well-known/openid-configuration", allow_redirects=False),
        ):
            return ""
    except TimeoutError:
        return f"no answer within {LIMIT_S:.0f} s"
    except aiohttp.ClientConnectorError as error:
        return f"cannot connect: {error.os_error.strerror or type(error.os_error).__name__}"
    except aiohttp.ClientError as error:
        return type(error).__name__
