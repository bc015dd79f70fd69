"""What a restarted sandbox issuer still knows."""

import json

import pytest

from broker.sandbox.state import StateFile
from fetchtoken.domain.errors import Malformed, Unsafe
from tests.support.issuer import issuer_in_thread, start_issuer_process


def test_a_restart_keeps_families(tmp_path):
    """Good tokens stay good, spent ones spent, revoked families revoked."""
    state = tmp_path / "state.json"
    with issuer_in_thread(state_path=state) as issuer:
        one, two = issuer.mint(), issuer.mint()
        current = issuer.exchange(one.refresh_token)[1]
        issuer.revoke_login(two.login_id)
    with issuer_in_thread(state_path=state) as issuer:
        assert issuer.alive(one.access_token)
        assert issuer.alive(current["access_token"])
        assert issuer.exchange(two.refresh_token)[1]["error"]["code"] == "refresh_token_invalidated"
        assert issuer.exchange(current["refresh_token"])[0] == 200
        assert issuer.exchange(one.refresh_token)[1]["error"]["code"] == "refresh_token_reused"
        assert issuer.login(one.login_id)["generation"] == 2


def test_a_committed_rotation_survives_a_kill(tmp_path):
    """The state is durable before the answer leaves: kill -9 while it waits forgets nothing."""
    state = tmp_path / "state.json"
    with start_issuer_process(tmp_path, state=state) as (issuer, process):
        login = issuer.mint()
        issuer.fault("commit-then-reset")
        with pytest.raises(ConnectionResetError):
            issuer.exchange(login.refresh_token)
        process.kill()
        process.wait()
    with issuer_in_thread(state_path=state) as issuer:
        assert issuer.exchange(login.refresh_token)[1]["error"]["code"] == "refresh_token_reused"


def test_the_state_holds_no_token(tmp_path):
    """Tokens are kept by fingerprint, in a file for the owner only."""
    state = tmp_path / "state.json"
    with issuer_in_thread(state_path=state) as issuer:
        login = issuer.mint()
        answer = issuer.exchange(login.refresh_token)[1]
    text = state.read_text()
    tokens = [login.access_token, login.refresh_token, login.id_token]
    tokens += [answer[key] for key in ("access_token", "refresh_token", "id_token")]
    assert not [token for token in tokens if token in text]
    assert state.stat().st_mode & 0o777 == 0o600


def test_expired_access_tokens_are_forgotten(tmp_path):
    """The state grows with what may still be asked for, not with time."""
    state = tmp_path / "state.json"
    with issuer_in_thread(state_path=state) as issuer:
        login = issuer.mint(life_s=600)
        token = login.refresh_token
        for hour in range(1, 4):
            issuer.settings(offset_s=3600 * hour)
            token = issuer.exchange(token)[1]["refresh_token"]
    kept = json.loads(state.read_text())["logins"][0]
    assert len(kept["access_expiry"]) == 1
    assert len(kept["refresh_fingerprints"]) == 4


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"logins": [{"login_id": "x"}]}', '{"logins": 1}'])
def test_a_file_that_is_no_state_is_refused(tmp_path, text):
    """Somebody else's file is named, not overwritten."""
    path = tmp_path / "state.json"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(Malformed, match=r"state\.json"):
        StateFile(path).load()
    assert path.read_text() == text


def test_a_state_that_others_can_read_is_refused(tmp_path):
    """The state file is for its owner."""
    path = tmp_path / "state.json"
    path.write_text('{"logins": []}')
    path.chmod(0o644)
    with pytest.raises(Unsafe):
        StateFile(path).load()
