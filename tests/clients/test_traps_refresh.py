"""What the real Codex CLI makes of each answer to a refresh: facts on which the broker's answers rest."""

import gzip
import json
from dataclasses import replace

import pytest

from tests.support.codex_cli import worked
from tests.support.codex_files import access_jwt, held, id_jwt, write_codex_file
from tests.support.token_endpoint import Reply, running_endpoint
from tests.support.wait import until_sync

AGES_AGO = "2026-01-01T00:00:00Z"


def refreshed(codex, endpoint, **extra):
    """Run a turn whose refreshes go to an endpoint."""
    return codex.run(CODEX_REFRESH_TOKEN_URL_OVERRIDE=endpoint.url, **extra)


@pytest.fixture
def good(codex):
    """A token of an hour, which the backend takes."""
    token = access_jwt(3600)
    codex.backend.accept(token)
    codex.use_auth_file()
    return token


@pytest.mark.trap("T1")
def test_a_refresh_proves_itself_by_its_credential_alone(codex, good):
    """JSON with four fields; no header says who it is, and no secret but the refresh token."""
    write_codex_file(codex.home, access_jwt(-60), refresh_token="anything at all")
    with running_endpoint(lambda _: Reply(200, {"access_token": good})) as endpoint:
        assert worked(refreshed(codex, endpoint))
    [post], [headers] = endpoint.posts, endpoint.headers
    assert set(post) == {"client_id", "grant_type", "refresh_reason", "refresh_token"}
    assert post["refresh_token"] == "anything at all"
    assert headers["content-type"] == "application/json"
    assert "authorization" not in headers


@pytest.mark.trap("T4")
@pytest.mark.parametrize("more", [{}, {"id_token": None, "refresh_token": None}], ids=["absent", "null"])
def test_what_an_answer_leaves_out_is_kept(codex, good, more):
    """Credential and id token stay as they were; only the access token is new."""
    file = write_codex_file(codex.home, access_jwt(-60), refresh_token="cbr_1")
    before = held(file)
    with running_endpoint(lambda _: Reply(200, {"access_token": good, **more})) as endpoint:
        assert worked(refreshed(codex, endpoint))
    assert held(file) == {**before, "access_token": good}


@pytest.mark.trap("T5")
@pytest.mark.usefixtures("good")
@pytest.mark.parametrize("left_s", [200, -60], ids=["short", "ended"])
def test_a_token_that_soon_ends_is_asked_for_again_without_end(codex, left_s):
    """No model is ever asked: the run hangs in its own storm, which nothing but its end stops."""
    write_codex_file(codex.home, access_jwt(-60))
    short = access_jwt(left_s)
    with (
        running_endpoint(lambda _: Reply(200, {"access_token": short})) as endpoint,
        codex.started(CODEX_REFRESH_TOKEN_URL_OVERRIDE=endpoint.url) as process,
    ):
        until_sync(lambda: len(endpoint.posts) > 40)
        assert process.poll() is None
    assert codex.backend.responses == []


@pytest.mark.trap("T5")
def test_a_token_with_six_minutes_left_is_asked_for_once(codex):
    """What the broker hands out at the least ends no run."""
    token = access_jwt(360)
    codex.backend.accept(token)
    codex.use_auth_file()
    write_codex_file(codex.home, access_jwt(-60))
    with running_endpoint(lambda _: Reply(200, {"access_token": token})) as endpoint:
        assert worked(refreshed(codex, endpoint))
    assert len(endpoint.posts) == 1


REJECTED = {
    "an empty id token": ({"id_token": ""}, "invalid ID token format"),
    "an opaque id token": ({"id_token": "opaque"}, "invalid ID token format"),
    "no JSON": (b"<html>a proxy's page</html>", "OAuth token response is invalid"),
}


@pytest.mark.trap("T6")
@pytest.mark.parametrize(("answer", "said"), REJECTED.values(), ids=REJECTED)
def test_an_answer_without_shape_is_thrown_away_and_asked_for_again(codex, good, answer, said):
    """Whatever tokens it brought are lost, and the run ends after a storm."""
    file = write_codex_file(codex.home, access_jwt(-60))
    before = file.read_text()
    document = answer if isinstance(answer, bytes) else {"access_token": good, **answer}
    with running_endpoint(lambda _: Reply(200, document)) as endpoint:
        run = refreshed(codex, endpoint)
    assert run.returncode == 1
    assert said in run.stderr
    assert len(endpoint.posts) > 10
    assert file.read_text() == before


@pytest.mark.trap("T6")
def test_an_answer_may_come_compressed_where_that_was_asked_for(codex, good):
    """What a proxy in front compresses for a version that offers it, that version reads."""
    write_codex_file(codex.home, access_jwt(-60))
    document = json.dumps({"access_token": good}).encode()

    def answer(_):
        if "gzip" in endpoint.headers[-1].get("accept-encoding", ""):
            return Reply(200, gzip.compress(document), {"Content-Encoding": "gzip"})
        return Reply(200, document)

    with running_endpoint(answer) as endpoint:
        assert worked(refreshed(codex, endpoint))


@pytest.mark.trap("T7")
def test_a_redirect_is_not_followed_and_ends_the_turn(codex, good):
    """Even to the same host: Codex calls it a denied destination, and speaks of no login."""
    write_codex_file(codex.home, access_jwt(-60))
    with (
        running_endpoint(lambda _: Reply(200, {"access_token": good})) as there,
        running_endpoint(lambda _: Reply(308, {}, {"Location": there.url})) as endpoint,
    ):
        run = refreshed(codex, endpoint)
    assert (run.returncode, there.posts) == (1, [])
    assert "log out and sign in again" not in run.stderr


@pytest.mark.trap("T8")
def test_an_opaque_token_is_renewed_by_its_age_alone(codex):
    """Without a readable end it is asked for once the file is eight days old, with another reason."""
    codex.backend.accept("opaque")
    codex.use_auth_file()
    write_codex_file(codex.home, "opaque", last_refresh=AGES_AGO)
    answer = {"access_token": "opaque", "expires_in": 1}
    with running_endpoint(lambda _: Reply(200, answer)) as endpoint:
        assert worked(refreshed(codex, endpoint))
        assert endpoint.reasons == {"scheduled"}
        asked = len(endpoint.posts)
        assert worked(refreshed(codex, endpoint))
    assert len(endpoint.posts) == asked


@pytest.mark.trap("T9")
def test_tokens_of_another_account_are_taken_unseen(codex, good):
    """The file goes on naming the old account, which stands in every request beside the stranger's token."""
    file = write_codex_file(codex.home, access_jwt(-60))
    stranger = id_jwt(account="acct-2", user="user-2")
    with running_endpoint(lambda _: Reply(200, {"access_token": good, "id_token": stranger})) as endpoint:
        assert worked(refreshed(codex, endpoint))
    assert (held(file)["id_token"], held(file)["account_id"]) == (stranger, "acct-1")
    assert {seen.account_id for seen in codex.backend.responses} == {"acct-1"}


@pytest.mark.trap("T10")
@pytest.mark.parametrize(
    ("who", "ends"), [({}, 0), ({"plan": "plus"}, 0), ({"user": "user-2"}, 1)], ids=["same", "plan", "user"]
)
def test_another_user_in_mid_session_ends_the_turn(codex, good, who, ends):
    """A recovery that brings another user's id token is fatal; another plan is not."""
    old = access_jwt(1800)
    codex.backend.accept(good, elsewhere=old)
    write_codex_file(codex.home, old)
    with running_endpoint(
        lambda _: Reply(200, {"access_token": good, "id_token": id_jwt(**who)})
    ) as endpoint:
        run = refreshed(codex, endpoint)
    assert run.returncode == ends, run.stderr
    assert ("application network policy is unavailable" in run.stderr) == bool(ends)
    assert endpoint.reasons == {"unauthorized_recovery"}


@pytest.mark.trap("T2")
def test_a_variable_beats_what_the_file_says(codex, good):
    """A variable that was left in a shell sends the credential of another place there."""
    with (
        running_endpoint(lambda _: Reply(503)) as named_by_file,
        running_endpoint(lambda _: Reply(200, {"access_token": good})) as endpoint,
    ):
        issuer = named_by_file.url.removesuffix("/oauth/token")
        provenance = {"issuer": issuer, "client_id": "app_x"}
        write_codex_file(codex.home, access_jwt(-60), oauth_provenance=provenance)
        assert worked(refreshed(codex, endpoint))
        assert (named_by_file.posts, endpoint.posts[0]["client_id"]) == ([], "app_x")


@pytest.mark.trap("T3")
def test_an_empty_variable_ends_every_refresh(codex, good):
    """It counts as an address: nothing is sent anywhere."""
    file = write_codex_file(codex.home, access_jwt(-60))
    through_env = replace(codex, binary="env")
    run = through_env.do(
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE=", codex.binary, "exec", "--skip-git-repo-check", "hi"
    )
    assert run.returncode == 1
    assert "builder error" in run.stderr
    assert codex.backend.token_requests == []
    assert held(file)["access_token"] != good
