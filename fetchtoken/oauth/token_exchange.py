"""The messages of RFC 8693 as a broker speaks them: an API key for a machine credential. Pure."""

from __future__ import annotations

from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.secret import Secret

__all__ = ["ACCESS_TOKEN", "REFRESH_TOKEN", "TOKEN_EXCHANGE", "exchange_body"]

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
"""What an API key is to whoever holds it: an opaque access token of the broker's."""
REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"  # noqa: S105 - the name of a type


def exchange_body(api_key: Secret, *, account: str, machine: str) -> bytes:
    """Return the JSON body of a request.

    Args:
        api_key: whose client the credential shall belong to.
        account: the account's name, or an empty string for the client's only or default one.
        machine: what the machine is called; a former credential by that name ends.
    """
    fields = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": api_key.reveal(),
        "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": REFRESH_TOKEN,
        "machine_name": machine,
    }
    return dumps(fields | ({"audience": account} if account else {})).encode()
