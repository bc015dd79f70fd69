"""``codex setup --mode endpoint`` and its undo, with a real broker: no credential is lost or left behind."""

import json
import os
import time
from itertools import count

import pytest

from fetchtoken.codex.locks import auth_locks
from fetchtoken.commands import codex_machine
from tests.support.daemon import ask, running_daemon
from tests.support.issuer import issuer_in_thread
from tests.support.peers import closed_port
from tests.support.setting_up import Desk

MODE = ("--mode", "endpoint")
MINE = '# mine\nmodel = "x"\n'
_numbers = count(1)


class Machine(Desk):
    """A desk with a client of its own at a real broker."""

    def __init__(self, root, daemon):
        super().__init__(root)
        self.daemon = daemon
        self.client = f"client-{next(_numbers)}"
        self.ask(daemon.url, daemon.add_client(self.client, "work"))

    @property
    def tokens(self):
        return json.loads(self.auth.read_text())["tokens"]

    def refresh(self, credential):
        """Do as Codex does with its refresh token; return the status."""
        fields = {"grant_type": "refresh_token", "refresh_token": credential, "client_id": "app_x"}
        headers = {"Content-Type": "application/json"}
        body = json.dumps(fields).encode()
        return ask(self.daemon.url, "/oauth/token", method="POST", body=body, headers=headers).status


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with (
        issuer_in_thread() as issuer,
        running_daemon(tmp_path_factory.mktemp("endpoint"), issuer.url) as daemon,
    ):
        daemon.hold(issuer.mint(email="work@x.example"), "work")
        yield daemon


@pytest.fixture
def desk(tmp_path, daemon):
    return Machine(tmp_path, daemon)


def test_a_credential_in_the_place_of_the_refresh_token(desk):
    """A login at the broker by its provenance, with the variables for a shell, and nowhere else."""
    desk.configure(MINE)
    ran = desk.setup(*MODE)
    document = json.loads(desk.auth.read_text())
    assert document["auth_mode"] == "chatgpt"
    tokens = document["tokens"]
    assert tokens["oauth_provenance"] == {
        "issuer": desk.daemon.url,
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
    }
    assert tokens["account_id"]
    assert desk.refresh(tokens["refresh_token"]) == 200
    assert desk.auth.stat().st_mode & 0o777 == 0o600
    assert ran.out.splitlines() == [
        f"export CODEX_REFRESH_TOKEN_URL_OVERRIDE='{desk.daemon.url}/oauth/token'",
        f"export CODEX_REVOKE_TOKEN_URL_OVERRIDE='{desk.daemon.url}/oauth/revoke'",
    ]
    assert "cbr_" not in ran.out + ran.err + desk.record.read_text()
    assert desk.config.read_text() == MINE
    assert desk.asked == []


def test_undo(desk):
    """The credential is refused from then on, and the file is access-only with a token that lives."""
    desk.setup(*MODE)
    credential = desk.tokens["refresh_token"]
    ran = desk.undo()
    assert desk.refresh(credential) == 401
    tokens = desk.access_only()["tokens"]
    assert "oauth_provenance" not in tokens
    assert tokens["access_token"] == desk.run().out.strip()
    assert "is revoked at" in ran.err
    assert "good until" in ran.err
    assert "cbr_" not in ran.err


def test_again(desk):
    """The same once more brings a new credential, and the former one ends: the way to renew it."""
    desk.setup(*MODE)
    first = desk.tokens["refresh_token"]
    desk.setup(*MODE)
    assert desk.refresh(first) == 401
    assert desk.refresh(desk.tokens["refresh_token"]) == 200


def test_under_another_name(desk):
    """A machine that gets another name keeps one credential."""
    desk.setup(*MODE, "--name", "one")
    first = desk.tokens["refresh_token"]
    desk.setup(*MODE, "--name", "two.b_c-D")
    assert desk.refresh(first) == 401
    assert desk.refresh(desk.tokens["refresh_token"]) == 200


@pytest.mark.parametrize("mode", ["file", "command"])
def test_to_another_mode(desk, mode):
    """The credential ends, the file is access-only, and undo of the other mode knows of no machine."""
    desk.configure(MINE)
    desk.setup(*MODE)
    credential = desk.tokens["refresh_token"]
    desk.setup("--mode", mode)
    assert desk.refresh(credential) == 401
    desk.access_only()
    desk.setup(*MODE)
    assert desk.refresh(desk.tokens["refresh_token"]) == 200
    assert desk.config.read_text() == MINE
    desk.undo()
    assert desk.config.read_text() == MINE


def test_an_access_only_file_is_replaced(desk):
    """What no one could refresh gives way; keys that nobody here knows stay."""
    desk.run("sync")
    document = json.loads(desk.auth.read_text())
    desk.write(".codex/auth.json", json.dumps({**document, "strange": 1}), mode=0o600)
    desk.setup(*MODE)
    assert json.loads(desk.auth.read_text())["strange"] == 1
    assert desk.refresh(desk.tokens["refresh_token"]) == 200


@pytest.mark.parametrize("issuer", ["", "https://other.example"])
@pytest.mark.parametrize("token", ["rt_precious", "cbr_"])
def test_a_login_is_never_lost(desk, issuer, token):
    """A real login, and a credential of another broker: exit 8 before the broker is asked for one."""
    desk.setup(*MODE)
    made = desk.tokens["refresh_token"]
    desk.undo()
    tokens = {"id_token": "a.b.c", "access_token": "x", "account_id": "y"}
    tokens["refresh_token"] = made if token == "cbr_" else token
    if issuer:
        tokens["oauth_provenance"] = {"issuer": issuer, "client_id": "c"}
    text = json.dumps({"tokens": tokens})
    desk.write(".codex/auth.json", text, mode=0o600)
    ran = desk.run("codex", "setup", *MODE)
    assert ran.code == 8
    assert "refresh token" in ran.err
    assert desk.auth.read_text() == text
    assert desk.record is None


def test_a_login_of_ones_own_since(desk):
    """Somebody logged in anew: undo leaves that login, and names the machine that the broker may list."""
    desk.setup(*MODE, "--name", "box")
    own = json.dumps({"tokens": {"id_token": "a.b.c", "access_token": "x", "refresh_token": "rt_own"}})
    desk.write(".codex/auth.json", own, mode=0o600)
    ran = desk.undo()
    assert desk.auth.read_text() == own
    assert "may still list machine box" in ran.err
    assert "holds a login of its own" in ran.err


@pytest.fixture
def since(desk):
    """A setup, and a device login at the same broker after it; give both credentials."""
    desk.setup(*MODE, "--name", "box")
    ours = desk.tokens["refresh_token"]
    wishes = {"name": f"{desk.client}-b", "accounts": ["work"], "scopes": ["token"], "machine": True}
    theirs = desk.daemon.call("client_add", **wishes)["refresh_token"]
    desk.auth.write_text(desk.auth.read_text().replace(ours, theirs))
    return ours, theirs


def test_a_login_at_the_same_broker_since(desk, since):
    """It is not ours to end: undo leaves it in the file, and calls nothing revoked that lives."""
    _, theirs = since
    ran = desk.undo()
    assert desk.tokens["refresh_token"] == theirs
    assert desk.refresh(theirs) == 200
    assert "is revoked" not in ran.err
    assert "may still list machine box" in ran.err
    assert "holds a login of its own" in ran.err


def test_another_mode_after_a_login_at_the_same_broker(desk, since):
    """A file of ours would take its place: exit 8, and it goes on."""
    _, theirs = since
    ran = desk.run("codex", "setup", "--mode", "file")
    assert ran.code == 8
    assert desk.tokens["refresh_token"] == theirs
    assert desk.refresh(theirs) == 200


@pytest.mark.parametrize("step", ["undo", "file"])
def test_the_variables_in_a_profile(desk, step):
    """What stands in a shell's profile is out of reach, and would lead a new login to the broker."""
    desk.setup(*MODE)
    ran = desk.undo() if step == "undo" else desk.setup("--mode", "file")
    assert f"out of your shell profile: a new login would go to {desk.daemon.url}" in ran.err


def test_a_file_that_cannot_be_replaced(desk):
    """A new credential would end the former one and get nowhere: exit 8, and the former one goes on."""
    desk.setup(*MODE)
    os.link(desk.auth, desk.codex / "backup.json")
    ran = desk.run("codex", "setup", *MODE)
    assert ran.code == 8
    assert "is hard-linked" in ran.err
    assert desk.refresh(desk.tokens["refresh_token"]) == 200


def test_undo_while_the_broker_is_down(desk):
    """All else is undone, exit 5 says that the credential lives on, and the same again ends it."""
    desk.setup(*MODE)
    credential = desk.tokens["refresh_token"]
    record = json.loads(desk.record.read_text())
    with closed_port() as port:
        dead = f"http://127.0.0.1:{port}"
        desk.auth.write_text(desk.auth.read_text().replace(desk.daemon.url, dead))
        desk.record.write_text(json.dumps({**record, "issuer": dead}))
        ran = desk.run("codex", "undo")
    assert ran.code == 5
    assert "the same again" in ran.err
    assert f"where that is gone for good: rm '{desk.record}'" in ran.err
    assert "cbr_" not in ran.err
    desk.access_only()
    assert desk.refresh(credential) == 200
    record = json.loads(desk.record.read_text())
    desk.record.write_text(json.dumps({**record, "issuer": desk.daemon.url}))
    desk.undo()
    assert desk.refresh(credential) == 401


def test_a_token_of_another_account_does_not_come_into_the_file(desk, monkeypatch):
    """Where the source gives another account's token by now, the file keeps its own."""
    desk.setup(*MODE)
    before = desk.tokens
    real = codex_machine.access_only_document
    seen = []
    monkeypatch.setattr(
        codex_machine, "access_only_document", lambda token, **w: seen.append(token) or real(token, **w)
    )
    text = desk.auth.read_text().replace(before["account_id"], "acct-older")
    desk.auth.write_text(text)
    desk.undo()
    assert [token.account_id for token in seen] == ["acct-older"]


@pytest.mark.parametrize("step", ["record", "file"])
def test_a_credential_that_cannot_be_written_is_ended(desk, monkeypatch, step):
    """A full disk at that moment: exit 8, and the broker takes the new credential no more."""
    made = []
    real_ask, real_replace = codex_machine.ask_machine, codex_machine.replace_file

    def asked(*words, **more):
        made.append(real_ask(*words, **more))
        if step == "record":
            monkeypatch.setattr("fetchtoken.codex.setup_record.replace_file", full)
        return made[0]

    def full(path, *_, **__):
        raise OSError(28, os.strerror(28), path)

    monkeypatch.setattr(codex_machine, "ask_machine", asked)
    if step == "file":
        monkeypatch.setattr(codex_machine, "replace_file", full)
    ran = desk.run("codex", "setup", *MODE)
    assert ran.code == 8
    assert desk.refresh(made[0].credential.reveal()) == 401
    assert not desk.auth.exists()
    assert real_replace is not full
    monkeypatch.undo()
    desk.undo()


def test_killed_between_the_credential_and_the_file(desk, monkeypatch):
    """The record knows the credential: undo ends it, and so does the next setup."""

    class Killed(BaseException):
        pass

    made = []
    real = codex_machine.ask_machine
    monkeypatch.setattr(codex_machine, "ask_machine", lambda *w, **m: made.append(real(*w, **m)) or made[-1])

    def killed(*_, **__):
        raise Killed

    for after in ("undo", "setup"):
        with monkeypatch.context() as patch:
            patch.setattr(codex_machine, "replace_file", killed)
            patch.setattr(codex_machine, "_end", killed)
            with pytest.raises(Killed):
                desk.run("codex", "setup", *MODE)
        credential = made[-1].credential.reveal()
        assert desk.refresh(credential) == 200
        desk.undo() if after == "undo" else desk.setup(*MODE)
        assert desk.refresh(credential) == 401
    assert desk.refresh(desk.tokens["refresh_token"]) == 200


def test_codexs_locks_are_respected(desk, monkeypatch):
    """While Codex writes nothing is asked for: exit 5, and the broker lists no machine."""
    monkeypatch.setattr(codex_machine, "_LOCKS_S", 0.1)
    desk.codex.mkdir()
    with auth_locks(str(desk.auth), str(desk.codex), time.monotonic() + 5):
        assert desk.run("codex", "setup", *MODE).code == 5
    assert desk.daemon.call("client_show", name=desk.client)["machines"] == []
    assert not desk.auth.exists()


@pytest.mark.parametrize("key", ["CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE"])
def test_variables_that_lead_elsewhere(desk, key):
    """They go before what the file says, so the credential would go there: exit 2."""
    desk.environ[key] = "https://elsewhere.example/oauth"
    ran = desk.run("codex", "setup", *MODE)
    assert ran.code == 2
    assert f"unset {key}" in ran.err
    assert not desk.auth.exists()


def test_a_private_authority(desk):
    """Codex itself has to trust the broker's certificate, so the variable for that is shown, too."""
    desk.write("ca 'x'.pem", "")
    desk.environ["CODEX_REMOTE_CA_FILE"] = str(desk.home / "ca 'x'.pem")
    line = desk.setup(*MODE, "--print").out.splitlines()[-1]
    assert line == f"export CODEX_CA_CERTIFICATE='{desk.home}/ca '\\''x'\\''.pem'"


@pytest.mark.parametrize(
    ("environ", "words", "says"),
    [
        ({"CODEX_TOKEN_SOURCE": "ssh", "CODEX_SSH_HOST": "x"}, MODE, "the source is ssh"),
        ({"CODEX_REMOTE_URL": "unix:/run/b.sock"}, MODE, "unix: URL"),
        ({}, (*MODE, "--name", "a b"), "--name"),
        ({}, (*MODE, "--name", "x" * 65), "--name"),
        ({}, ("--name", "x"), "--name does nothing"),
    ],
    ids=["ssh", "socket", "name", "long name", "name of a file"],
)
def test_what_cannot_be(desk, environ, words, says):
    """Exit 2 with a hint, before anything is asked or written."""
    desk.environ |= environ
    ran = desk.run("codex", "setup", *words)
    assert ran.code == 2
    assert says in ran.err
    assert desk.record is None


def test_the_broker_of_several_sources(desk):
    """With ssh before it, the broker is asked all the same."""
    desk.environ |= {"CODEX_TOKEN_SOURCE": "ssh,remote", "CODEX_SSH_HOST": "nowhere.invalid"}
    desk.setup(*MODE)
    assert desk.refresh(desk.tokens["refresh_token"]) == 200


def test_printing(desk):
    """The file without its secrets, the variables, and no credential made."""
    ran = desk.setup(*MODE, "--print")
    assert '"refresh_token": "(hidden)"' in ran.out
    assert f"export CODEX_REVOKE_TOKEN_URL_OVERRIDE='{desk.daemon.url}/oauth/revoke'" in ran.out
    assert desk.daemon.call("client_show", name=desk.client)["machines"] == []
    assert not desk.codex.exists()


def test_a_store_that_is_no_file(desk):
    """As for a file: exit 2, or set until undo."""
    text = desk.configure('cli_auth_credentials_store = "ephemeral"\n')
    assert desk.run("codex", "setup", *MODE).code == 2
    desk.setup(*MODE, "--force")
    desk.undo()
    assert desk.config.read_text() == text


def test_from_one_broker_to_another(desk, tmp_path):
    """A former broker's credential goes to that broker only, and gives way to the new one's."""
    desk.setup(*MODE)
    first = desk.tokens["refresh_token"]
    (tmp_path / "other").mkdir()
    with issuer_in_thread() as issuer, running_daemon(tmp_path / "other", issuer.url) as other:
        other.hold(issuer.mint(email="work@x.example"), "work")
        desk.ask(other.url, other.add_client("laptop", "work"))
        desk.setup(*MODE, "--force")
        assert desk.tokens["oauth_provenance"]["issuer"] == other.url
        assert desk.refresh(first) == 401
        desk.undo()
