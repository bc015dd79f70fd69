import json
import os
from pathlib import Path

import pytest

from fetchtoken.codex.local_attempt import attempt_path, begin
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import Token
from fetchtoken.oauth.journal import append
from fetchtoken.oauth.outcome import Answer
from fetchtoken.sources.cache import Copy, cache_file, write_copy
from tests.support.command import World
from tests.support.laptop import EXPIRED
from tests.support.logins import write_auth
from tests.support.peers import closed_port
from tests.support.tokens import jwt, settings_of


class Home(World):
    """A machine whose logins come from the strict issuer."""

    def __init__(self, root, issuer):
        super().__init__(root)
        self.issuer = issuer
        self.codex = self.home / ".codex"

    def login(self, path="auth.json", **wishes):
        login = self.issuer.mint(**wishes)
        self.write(f".codex/{path}", json.dumps(login.document), mode=0o600)
        return login

    def revoked(self, login):
        return bool(self.issuer.login(login.login_id)["revoked"])

    def revocations(self):
        return [entry for entry in self.issuer.log() if entry["route"] == "POST /oauth/revoke"]

    @property
    def files(self):
        """The names of what is left, without locks."""
        return sorted(
            path.name
            for path in self.codex.rglob("*")
            if path.is_symlink() or path.is_file()
            if path.suffix != ".lock"
        )


@pytest.fixture
def home(tmp_path, issuer):
    return Home(tmp_path, issuer)


def test_the_default_login_is_revoked_and_deleted(home):
    """The issuer knows first, then the file is gone; a second time there is nothing."""
    login = home.login()
    ran = home.run("logout")
    assert (ran.code, ran.out) == (0, "")
    assert home.revoked(login)
    assert home.files == []
    assert home.run("logout").code == 4


def test_an_account_in_use_goes_with_its_link(home):
    """By its name or as the default login; other accounts stay."""
    one, two = home.login("accounts/one.json"), home.login("accounts/two.json")
    home.run("use", "one")
    assert home.run("logout").code == 0
    assert home.files == ["two.json"]
    home.run("use", "two")
    assert home.run("logout", "two").code == 0
    assert home.files == []
    assert home.revoked(one)
    assert home.revoked(two)


def test_a_file_elsewhere_goes_with_what_leads_to_it(home):
    """A link that leads nowhere would be left otherwise."""
    login = home.login("../dotfiles/auth.json")
    (home.codex / "accounts").mkdir(parents=True)
    for link, target in (
        ("auth.json", "accounts/dot.json"),
        ("accounts/dot.json", "../../dotfiles/auth.json"),
    ):
        (home.codex / link).symlink_to(target)
    assert home.run("logout", "dot").code == 0
    assert home.files == []
    assert not (home.home / "dotfiles/auth.json").exists()
    assert home.revoked(login)


def test_keep_grant_deletes_only(home):
    """The login lives on, for whoever has a copy."""
    login = home.login()
    ran = home.run("logout", "--keep-grant")
    assert (ran.code, "; not revoked" in ran.err) == (0, True)
    assert home.files == []
    assert home.issuer.alive(login.access_token)
    assert home.revocations() == []


@pytest.mark.parametrize("fault", ["503", "500", "reset", "429-retry-after"])
def test_a_revocation_that_is_not_confirmed_deletes_nothing(home, fault):
    """Exit 5 with the way out; later it succeeds."""
    login = home.login()
    home.issuer.fault(fault, route="/oauth/revoke")
    ran = home.run("logout")
    assert (ran.code, "--keep-grant" in ran.err) == (5, True)
    assert home.files == ["auth.json"]
    assert home.run("logout").code == 0
    assert home.revoked(login)


def test_an_issuer_that_is_down(home):
    """Exit 5, and the login is as it was."""
    home.login()
    with closed_port() as port:
        home.environ["CODEX_REVOKE_TOKEN_URL_OVERRIDE"] = f"http://127.0.0.1:{port}/oauth/revoke"
        ran = home.run("logout")
    assert (ran.code, "nothing deleted" in ran.err) == (5, True)
    assert home.files == ["auth.json"]


def test_the_newest_token_is_revoked(home):
    """One that an exchange brought and that no command has written yet; its attempt file goes too."""
    login = home.login()
    status, body = home.issuer.exchange(login.refresh_token)
    path = attempt_path(str(home.codex / "auth.json"))
    fd = begin(path, Secret(login.refresh_token), replay=False)
    answer = Answer(sent=True, status=status, body=json.dumps(body).encode(), complete=True)
    append(fd, "answer", answer.to_json(), attempt="auth.json.attempt")
    os.close(fd)
    assert home.run("logout").code == 0
    assert home.revocations()[-1]["fingerprint"] == Secret(body["refresh_token"]).fingerprint()
    assert home.files == []


def test_in_doubt(home):
    """The last token that is known is revoked, and the note says so."""
    login = home.login(**EXPIRED)
    home.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = home.issuer.token_url
    home.issuer.fault("commit-then-500")
    assert home.process().code == 5
    ran = home.run("logout")
    assert (ran.code, "in doubt" in ran.err) == (0, True)
    assert home.revoked(login)
    assert home.files == []


def test_refused_before(home):
    """The issuer has said that it is invalid: a revocation that fails keeps nothing from being deleted."""
    home.login(**EXPIRED)
    home.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = home.issuer.token_url
    home.issuer.fault("refuse-expired")
    assert home.process().code == 3
    home.issuer.fault("503", route="/oauth/revoke")
    ran = home.run("logout")
    assert (ran.code, "refused before" in ran.err) == (0, True)
    assert home.files == []


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            {"auth_mode": "chatgptAuthTokens", "tokens": {"access_token": jwt(), "refresh_token": ""}},
            "no refresh",
        ),
        ({"tokens": {"access_token": jwt(), "refresh_token": ""}}, "no refresh token"),
        ({"OPENAI_API_KEY": "sk-1"}, "an API key"),
        ({"personal_access_token": "at-1"}, "a personal access token"),
    ],
)
def test_what_has_no_say_over_a_login_is_deleted_only(home, document, words):
    """Adopted and synced files, and other credentials: nothing is sent, and the note says why."""
    home.write(".codex/auth.json", json.dumps(document), mode=0o600)
    ran = home.run("logout")
    assert (ran.code, "nothing revoked" in ran.err, words in ran.err) == (0, True, True)
    assert home.files == []
    assert home.revocations() == []


def test_all(home):
    """Every login has its turn and its line; one that fails does not keep the others from theirs."""
    logins = [home.login(), home.login("accounts/one.json"), home.login("accounts/two.json")]
    home.write(".codex/accounts/cut.json", "{", mode=0o600)
    home.write(".codex/accounts/registry.json", "{}", mode=0o600)
    ran = home.run("logout", "--all")
    assert ran.code == 7
    assert "note: 1 of 4: " in ran.err
    assert all(map(home.revoked, logins))
    assert home.files == ["cut.json", "registry.json"]
    assert home.run("logout", "--all", "--keep-grant").code == 0
    assert home.files == ["registry.json"]
    ran = home.run("logout", "--all")
    assert (ran.code, "nothing to do" in ran.err) == (0, True)


def test_a_copy_of_the_login_is_named(home):
    """It has ended as well, whoever holds it."""
    login = home.login()
    home.write(".codex/accounts/copy.json", json.dumps(login.document), mode=0o600)
    assert "copy.json holds the same login" in home.run("logout").err
    assert home.files == ["copy.json"]


def test_cached_tokens_of_the_account_are_deleted(home):
    """Of the same account only, wherever they came from."""
    login = home.login()
    settings = settings_of(home.home)
    kept = []
    for number, account_id in enumerate((login.account_id, "acct-other")):
        token = Token.from_jwt(jwt(account_id=account_id))
        path = cache_file(settings, f"name{number}", None)
        write_copy(path, Copy(token, "", 0.0))
        kept.append(path)
    ran = home.run("logout")
    assert "cached tokens of the same account deleted: 1" in ran.err
    assert [Path(path).exists() for path in kept] == [False, True]
    ran = home.run("--source", "remote", "logout")
    assert (ran.code, "cached tokens deleted: 1" in ran.err) == (0, True)
    assert home.run("--source", "remote", "logout").code == 4


@pytest.mark.parametrize(
    ("refresh", "environ", "code"),
    [
        ("cbr_1", {}, 8),
        ("cbr_1", {"CODEX_REMOTE_URL": "https://broker.example.com"}, 8),
        ("rt_1", {"CODEX_REMOTE_URL": "ISSUER/codex"}, 8),
    ],
)
def test_a_token_goes_only_where_it_belongs(home, refresh, environ, code):
    """A machine credential never to an issuer, a login never to a broker; nothing is sent or deleted."""
    write_auth(home.codex / "auth.json", jwt(), refresh=refresh)
    home.environ["CODEX_REVOKE_TOKEN_URL_OVERRIDE"] = home.issuer.revoke_url
    home.environ.update({key: value.replace("ISSUER", home.issuer.url) for key, value in environ.items()})
    assert home.run("logout").code == code
    assert home.files == ["auth.json"]
    assert home.revocations() == []


def test_a_file_that_others_can_read(home):
    """Exit 8, and with --keep-grant it goes."""
    home.login()
    (home.codex / "auth.json").chmod(0o644)
    assert home.run("logout").code == 8
    assert home.files == ["auth.json"]
    assert home.run("logout", "--keep-grant").code == 0
    assert home.files == []


def test_codex_that_keeps_its_login_elsewhere(home):
    """Exit 2: Codex itself can end it."""
    home.write(".codex/config.toml", 'cli_auth_credentials_store = "keyring"')
    ran = home.run("logout")
    assert (ran.code, "hint: codex logout" in ran.err) == (2, True)


def test_contradictory_words(home):
    """A name with ``--all``, and a name that is none."""
    assert home.run("logout", "work", "--all").code == 2
    assert home.run("logout", "Not/A/Name").code == 2
