"""Other holders of the login, other peers of its refresh token."""

import json

import pytest

from tests.support.laptop import EXPIRED

ONE = {"account_id": "acct-1", "user_id": "user-1"}


def refused_with_a_rival(laptop, rival):
    """Start the command, let the issuer refuse, then write the rival's file; return what it said."""
    laptop.issuer.fault("refuse-reused")
    seen = len(laptop.issuer.log())
    with laptop.start() as command:
        laptop.issuer.until_logged(seen + 1)
        rival.write(laptop.auth)
        out, err = command.communicate(timeout=60)
    return command.returncode, out, err


def test_a_refused_login_waits_for_the_other_holders_file(laptop):
    """Whoever spent the token is about to write a new file: it is used, and nothing is sent."""
    laptop.log_in(**EXPIRED, **ONE)
    rival = laptop.issuer.mint(**ONE)
    assert refused_with_a_rival(laptop, rival) == (0, rival.access_token + "\n", "")
    assert laptop.sent() == ["not processed"]
    assert laptop.run().out == rival.access_token + "\n"
    assert laptop.litter() == []


@pytest.mark.parametrize("other", [{"account_id": "acct-2"}, {"user_id": "user-2"}], ids=["account", "user"])
def test_a_login_of_somebody_else_does_not_stand_in(laptop, other):
    """Another account, or another member of the same workspace, is another login: exit 3."""
    laptop.log_in(**EXPIRED, **ONE)
    code, out, err = refused_with_a_rival(laptop, laptop.issuer.mint(**{**ONE, **other}))
    assert (code, out) == (3, "")
    assert "refused" in err
    assert laptop.sent() == ["not processed"]


def with_tokens(laptop, **tokens):
    document = laptop.log_in(**EXPIRED).document
    changed = {**document["tokens"], **tokens}
    laptop.auth.write_text(json.dumps({**document, "tokens": changed}))


def test_a_machine_credential_goes_to_the_broker_that_the_file_names(laptop):
    """One request, to that origin."""
    with_tokens(laptop, refresh_token="cbr_1")
    assert laptop.run().code == 3
    assert laptop.sent() == ["refused: invalid_grant"]


@pytest.mark.parametrize(
    ("tokens", "environ"),
    [
        ({"oauth_provenance": None}, {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "{}/oauth/token"}),
        ({}, {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "https://auth.openai.com/oauth/token"}),
        (
            {"oauth_provenance": {"issuer": "https://auth.openai.com", "client_id": "app"}},
            {"CODEX_REMOTE_URL": "{}/codex"},
        ),
        ({"oauth_provenance": None}, {"CODEX_REMOTE_URL": "{}/codex"}),
    ],
    ids=["unnamed", "override to OpenAI", "provenance OpenAI", "default"],
)
def test_a_machine_credential_goes_nowhere_else(laptop, tokens, environ):
    """Exit 8, not a request, whatever file and environment say."""
    with_tokens(laptop, refresh_token="cbr_1", **tokens)
    laptop.environ |= {key: value.format(laptop.issuer.url) for key, value in environ.items()}
    ran = laptop.run()
    assert ran.code == 8
    assert "machine credential" in ran.err
    assert "cbr_1" not in ran.err
    assert laptop.issuer.log() == []


def test_a_real_refresh_token_never_goes_to_the_broker(laptop):
    """A file that names the configured broker as its issuer, with a login of its own: exit 8."""
    laptop.log_in(**EXPIRED)
    laptop.environ["CODEX_REMOTE_URL"] = laptop.issuer.url + "/codex"
    ran = laptop.run()
    assert ran.code == 8
    assert "not sent to the broker" in ran.err
    assert laptop.issuer.log() == []


def test_the_override_is_where_it_goes(laptop):
    """The environment beats the file, as in Codex; the built-in broker URL is no obstacle."""
    with_tokens(laptop, oauth_provenance=None)
    laptop.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = laptop.issuer.token_url
    assert laptop.run().code == 0
    assert laptop.sent() == ["rotated"]
