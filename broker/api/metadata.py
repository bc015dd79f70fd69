"""``GET /.well-known/oauth-authorization-server``: where the OAuth routes are (RFC 8414 §3)."""

from aiohttp import hdrs
from aiohttp.web import Response

from broker.api.call import Call
from broker.api.problems import NO_STORE, X_REQUEST_ID, ProblemError
from broker.api.redeem import AUTHORIZATION_CODE
from fetchtoken.domain.jsontext import dumps
from fetchtoken.oauth.token_exchange import TOKEN_EXCHANGE

__all__ = ["MetadataHandler"]


class MetadataHandler:
    """Answers anyone.

    Args:
        public_url: how clients reach the broker; without one nothing can be said.
    """

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    async def metadata(self, call: Call) -> Response:
        """Return the document."""
        url = self._public_url
        if not url:
            raise ProblemError("not_found", "this broker has not been told its own address")
        # No device_authorization_endpoint: who finds one speaks RFC 8628, and Codex's device login does not.
        document: dict[str, object] = {
            "issuer": url,
            "token_endpoint": f"{url}/oauth/token",
            "revocation_endpoint": f"{url}/oauth/revoke",
            "response_types_supported": [],
            "grant_types_supported": ["refresh_token", AUTHORIZATION_CODE, TOKEN_EXCHANGE],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
        }
        headers = {**NO_STORE, hdrs.CONTENT_TYPE: "application/json", X_REQUEST_ID: call.request_id}
        return Response(body=dumps(document).encode(), headers=headers)
