"""Where a login is revoked."""

import json

import pytest

from fetchtoken.codex.revocation import revocation_endpoint
from fetchtoken.formats.codex import parse_auth_file

THERE = {"issuer": "https://issuer.example/", "client_id": "app_there"}


@pytest.mark.parametrize(
    ("provenance", "revoke", "refresh", "client", "found"),
    [
        (None, "", "", "", ("https://auth.openai.com/oauth/revoke", "app_EMoamEEZ73f0CkXaXp7hrann")),
        (None, "", "", "app_env", ("https://auth.openai.com/oauth/revoke", "app_env")),
        (THERE, "", "", "app_env", ("https://issuer.example/oauth/revoke", "app_there")),
        (THERE, "", "http://127.0.0.1:9/x/token", "", ("http://127.0.0.1:9/oauth/revoke", "app_there")),
        (
            THERE,
            "https://r.example/gone",
            "http://127.0.0.1:9/t",
            "",
            ("https://r.example/gone", "app_there"),
        ),
    ],
    ids=["openai", "client", "provenance", "refresh", "revoke"],
)
def test_the_endpoint(provenance, revoke, refresh, client, found):
    """Overrides first, as in Codex; then, other than in Codex, the issuer that the file names."""
    tokens = {"refresh_token": "rt", "oauth_provenance": provenance}
    auth = parse_auth_file(json.dumps({"tokens": tokens}), "auth.json")
    assert found == revocation_endpoint(
        auth, revoke_override=revoke, refresh_override=refresh, client_id_override=client
    )
