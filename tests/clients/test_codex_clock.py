"""The real Codex CLI on a machine whose clock is ahead: each token that it gets has ended, so it asks on."""

import json

import pytest

from tests.support.backend import REPLY
from tests.support.daemon import running_daemon
from tests.support.issuer import issuer_in_thread
from tests.support.wait import until_sync

AHEAD_S = 20 * 86_400
LIMIT = 200
"""What one machine credential may ask for at once."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A broker and an issuer that live twenty days ago, which makes this machine's clock run ahead."""
    with issuer_in_thread() as issuer:
        issuer.settings(offset_s=-AHEAD_S)
        wishes = {"CODEX_BROKER_CLOCK_OFFSET": str(-AHEAD_S)}
        with running_daemon(tmp_path_factory.mktemp("past"), issuer.url, **wishes) as found:
            found.hold(issuer.mint(), "work")
            yield found


def requests(daemon):
    """Return the request lines of the token endpoint, and the warnings about who asked there."""
    lines = [json.loads(line) for line in daemon.log.splitlines() if line.startswith("{")]
    asked = [line["status"] for line in lines if line.get("route") == "/oauth/token"]
    return asked, [line for line in lines if line["event"] == "asked_without_end"]


@pytest.mark.trap("T42")
def test_it_is_stopped_by_a_limit_and_works(daemon, codex):
    """Without the limit it would never reach the model; with it, it goes on with the token that it has."""
    client = {"name": f"ahead-{codex.home.parents[1].name}"[:60].rstrip("-_"), "scopes": ["token"]}
    made = daemon.call("client_add", **client, accounts=["work"], machine=True)
    document = daemon.get("/codex", made["api_key"]).document
    codex.backend.accept(document["access_token"])
    codex.use_auth_file()
    tokens = {**document["tokens"], "refresh_token": made["refresh_token"]}
    file = codex.home / "auth.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({**document, "auth_mode": "chatgpt", "tokens": tokens}))
    before, warned = (len(found) for found in requests(daemon))
    run = codex.run(CODEX_REFRESH_TOKEN_URL_OVERRIDE=f"{daemon.url}/oauth/token")
    assert (run.returncode, run.stdout.strip()) == (0, REPLY), run.stderr
    until_sync(lambda: len(requests(daemon)[1]) > warned)
    asked, warnings = requests(daemon)
    assert asked[before:].count(200) >= LIMIT
    assert 0 < asked[before:].count(429) < LIMIT
    assert warnings[-1]["client"] == client["name"]
