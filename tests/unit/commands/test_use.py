import json

import pytest

from tests.support.command import World
from tests.support.laptop import EXPIRED
from tests.support.logins import write_auth
from tests.support.tokens import jwt

RESTART = "note: restart running Codex processes"


class Home(World):
    """A machine with accounts."""

    def __init__(self, root):
        super().__init__(root)
        self.codex = self.home / ".codex"
        self.auth = self.codex / "auth.json"

    def account(self, name, **more):
        return self.login(f"accounts/{name}.json", name=name, **more)

    def login(self, path, *, name, refresh=None, age_s=0.0, account_id=None):
        token = jwt(age_s=age_s, email=f"{name}@example.com", account_id=account_id or f"acct-{name}")
        return write_auth(self.codex / path, token, refresh=f"rt_{name}" if refresh is None else refresh)

    def held(self, path):
        return json.loads((self.codex / path).read_text())["tokens"]["refresh_token"]

    @property
    def leads_to(self):
        return str(self.auth.readlink())


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def test_without_a_login_the_account_becomes_it(home):
    """A link that stays right when the home is moved; the command and a second run agree."""
    home.account("work")
    ran = home.run("use", "work")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("note: in use now: work (work@example.com)\n" + RESTART)
    assert home.leads_to == "accounts/work.json"
    assert home.run("--min-valid", "0").code == 0
    again = home.run("use", "work")
    assert (again.code, again.err) == (0, "note: nothing to do: work is in use already\n")


def test_a_login_that_stood_there_is_moved_among_the_accounts(home):
    """Under a name from its e-mail address; nothing is copied."""
    home.account("work")
    home.login("auth.json", name="ann")
    inode = home.auth.stat().st_ino
    ran = home.run("use", "work")
    assert "note: the login that was in use is called ann now\n" in ran.err
    assert home.leads_to == "accounts/work.json"
    assert (home.codex / "accounts/ann.json").stat().st_ino == inode
    assert home.run("use", "ann").code == 0
    assert home.leads_to == "accounts/ann.json"
    assert sorted(path.name for path in home.codex.rglob("*.json")) == ["ann.json", "auth.json", "work.json"]


def test_a_name_that_is_taken_gets_a_number(home):
    """Also by another tool's file."""
    home.account("ann", account_id="acct-other", refresh="rt_other")
    home.login("auth.json", name="ann")
    assert "is called ann-2 now" in home.run("use", "ann").err
    assert (home.held("accounts/ann.json"), home.held("accounts/ann-2.json")) == ("rt_other", "rt_ann")


def test_a_link_is_turned(home):
    """From account to account nothing moves."""
    home.account("one")
    home.account("two")
    home.run("use", "one")
    ran = home.run("use", "two")
    assert "is called" not in ran.err
    assert home.leads_to == "accounts/two.json"


def test_a_link_to_elsewhere_keeps_its_place_among_the_accounts(home):
    """The file stays where its owner keeps it, and can be used again."""
    home.account("work")
    home.login("../dotfiles/auth.json", name="dot")
    home.auth.symlink_to("../dotfiles/auth.json")
    assert "is called dot now" in home.run("use", "work").err
    assert (home.codex / "accounts/dot.json").resolve() == home.home / "dotfiles/auth.json"
    assert home.run("use", "dot").code == 0
    assert home.held("auth.json") == "rt_dot"


def test_a_link_that_leads_nowhere_is_replaced(home):
    """There is nothing to lose."""
    home.account("work")
    home.auth.symlink_to("accounts/gone.json")
    assert home.run("use", "work").code == 0
    assert home.leads_to == "accounts/work.json"


def test_an_account_that_is_a_link_to_auth_json(home):
    """Somebody's own arrangement, the other way round: the login gets that name."""
    home.account("work")
    home.login("auth.json", name="ann")
    (home.codex / "accounts/mine.json").symlink_to("../auth.json")
    assert "nothing to do" in home.run("use", "mine").err
    assert "is called mine now" in home.run("use", "work").err
    assert not (home.codex / "accounts/mine.json").is_symlink()
    assert home.held("accounts/mine.json") == "rt_ann"


def test_a_hard_link_to_an_account_becomes_a_symbolic_one(home):
    """Codex would lose every refresh of a hard-linked file."""
    work = home.account("work")
    home.auth.hardlink_to(work)
    assert "is called" not in home.run("use", "work").err
    assert (home.leads_to, work.stat().st_nlink) == ("accounts/work.json", 1)


def test_a_copy_of_an_account_is_not_kept_twice(home):
    """The same refresh token in two files would end the login at the second refresh."""
    home.account("work")
    home.account("home")
    home.login("auth.json", name="work")
    assert "is called" not in home.run("use", "home").err
    assert [path for path in home.codex.rglob("*.json") if "rt_work" in path.read_text()] == [
        home.codex / "accounts/work.json"
    ]


def test_a_copy_that_was_refreshed_since_takes_its_place(home):
    """The account's file is spent by then: using it would end the login. It is put aside."""
    home.account("work", age_s=900)
    home.account("home")
    home.login("auth.json", name="work", refresh="rt_newer", age_s=10)
    ran = home.run("use", "home")
    assert "is called work now" in ran.err
    assert "an older copy of it was called work: " in ran.err
    assert home.held("accounts/work.json") == "rt_newer"
    (aside,) = (home.codex / "accounts").glob("work.json.*.backup")
    assert "rt_work" in aside.read_text()
    assert home.run("use", "work").code == 0
    assert home.held("auth.json") == "rt_newer"


def test_an_older_login_of_the_same_user_does_not_displace_the_account(home):
    """It gets a name of its own."""
    home.account("work", age_s=10)
    home.login("auth.json", name="work", refresh="rt_older", age_s=900)
    assert "is called work-2 now" in home.run("use", "work").err
    assert home.held("auth.json") == "rt_work"


def test_a_copy_that_is_in_doubt_keeps_its_doubt(home, issuer):
    """What is known of a token stays beside it, whichever file is kept."""
    home.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = issuer.token_url
    login = issuer.mint(**EXPIRED)
    for path in ("auth.json", "accounts/work.json"):
        home.write(f".codex/{path}", json.dumps(login.document), mode=0o600)
    home.account("home")
    issuer.fault("commit-then-500")
    assert home.process().code == 5
    assert home.run("use", "home").code == 0
    assert home.run("use", "work").code == 0
    ran = home.process()
    assert (ran.code, "in doubt" in ran.err) == (5, True)
    assert len(issuer.exchanges()) == 1


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"OPENAI_API_KEY": "sk-1"}, "holds an API key"),
        ({"auth_mode": "personalAccessToken", "personal_access_token": "at-1"}, "a personal access token"),
    ],
)
def test_other_credentials_are_moved_and_can_come_back(home, document, words):
    """Nothing that stands at auth.json is lost, and the command says what Codex is using."""
    home.account("work")
    home.write(".codex/auth.json", json.dumps(document), mode=0o600)
    assert "is called account now" in home.run("use", "work").err
    ran = home.run("use", "account")
    assert (ran.code, words in ran.err) == (0, True)
    assert json.loads(home.auth.read_text()) == document


def test_an_empty_file_is_replaced(home):
    """It holds nothing."""
    home.account("work")
    home.write(".codex/auth.json", "\n", mode=0o600)
    assert "is called" not in home.run("use", "work").err
    assert home.leads_to == "accounts/work.json"


@pytest.mark.parametrize("path", ["auth.json", "accounts/work.json"])
@pytest.mark.parametrize(("content", "mode", "code"), [(None, 0o644, 8), ('{"tok', 0o600, 7)])
def test_a_file_that_is_not_in_order_changes_nothing(home, path, content, mode, code):
    """Open to others, or torn: exit 8 and 7, naming the file, and everything stands as it was."""
    home.account("work")
    home.login("auth.json", name="ann")
    file = home.codex / path
    if content is not None:
        file.write_text(content)
    file.chmod(mode)
    before = {each: each.read_bytes() for each in home.codex.rglob("*.json")}
    ran = home.run("use", "work")
    assert (ran.code, str(file) in ran.err) == (code, True)
    assert {each: each.read_bytes() for each in home.codex.rglob("*.json")} == before
    assert not home.auth.is_symlink()


def test_an_unknown_account(home):
    """Exit 4, and the hint lists those that there are."""
    home.account("work")
    home.account("home")
    home.write(".codex/accounts/registry.json", "{}")
    ran = home.run("use", "nobody")
    assert (ran.code, ran.err.splitlines()[1]) == (4, "hint: use home or work")
    assert home.run("rename", "nobody", "somebody").code == 4


@pytest.mark.parametrize("name", ["Work", "device", "a/b", "registry", "1f0e.auth", "work.bak.1"])
def test_a_name_that_is_none(home, name):
    """Exit 2, for the files of other tools as well."""
    home.account("work")
    home.write(f".codex/accounts/{name}.json", "{}")
    assert home.run("use", name).code == 2
    assert home.run("rename", "work", name).code == 2


@pytest.mark.parametrize("mode", ["keyring", "ephemeral", "auto"])
def test_codex_that_keeps_its_login_elsewhere(home, mode, monkeypatch):
    """auth.json would change nothing: exit 2, naming the setting."""
    monkeypatch.setattr("fetchtoken.commands.local_files.read_keyring", lambda _: object())
    home.account("work")
    home.write(".codex/config.toml", f'cli_auth_credentials_store = "{mode}"')
    ran = home.run("use", "work")
    assert (ran.code, "cli_auth_credentials_store" in ran.err) == (2, True)
    assert not home.auth.is_symlink()


def test_auto_without_a_login_in_the_keyring_is_a_file(home, monkeypatch):
    """As Codex falls back."""
    monkeypatch.setattr("fetchtoken.commands.local_files.read_keyring", lambda _: None)
    home.account("work")
    home.write(".codex/config.toml", 'cli_auth_credentials_store = "auto"')
    assert home.run("use", "work").code == 0


def test_a_remote_source(home):
    """Exit 2: which account the broker gives is a setting."""
    home.account("work")
    ran = home.run("--source", "remote", "use", "work")
    assert (ran.code, "config set CODEX_ACCOUNT work" in ran.err) == (2, True)


def test_settings_that_still_win_are_named(home):
    """A link that this command does not read is said to be so."""
    home.account("work")
    home.environ.update(CODEX_ACCOUNT="home", CODEX_CREDENTIALS_FILE="/elsewhere/auth.json")
    err = home.run("use", "work").err
    assert "note: CODEX_ACCOUNT from environment still wins" in err
    assert "note: CODEX_CREDENTIALS_FILE from environment still wins" in err


def test_an_address_on_which_a_terminal_would_act(home):
    """Claims are written by others."""
    write_auth(home.codex / "accounts/work.json", jwt(email="\x1b[2Jx@example.com"), refresh="rt")
    assert "\x1b" not in home.run("use", "work").err


def test_a_disk_that_refuses(home, monkeypatch):
    """Exit 8 with the file, and the login stands where it stood."""
    home.account("work")
    home.login("auth.json", name="ann")

    def refuse(*_):
        raise OSError(30, "Read-only file system", "auth.json")

    monkeypatch.setattr("fetchtoken.codex.switch.os.rename", refuse)
    ran = home.run("use", "work")
    assert (ran.code, "auth.json cannot be changed: Read-only file system" in ran.err) == (8, True)
    assert home.held("auth.json") == "rt_ann"


def test_rename_carries_the_link(home):
    """The account in use stays in use."""
    home.account("work")
    home.run("use", "work")
    ran = home.run("rename", "work", "office")
    assert (ran.code, ran.err) == (0, "note: work is called office now\n")
    assert home.leads_to == "accounts/office.json"
    assert home.held("auth.json") == "rt_work"
    assert not (home.codex / "accounts/work.json").exists()


def test_rename_leaves_the_account_in_use_alone(home):
    """Another one is renamed."""
    home.account("work")
    home.account("home")
    home.run("use", "home")
    home.run("rename", "work", "office")
    assert home.leads_to == "accounts/home.json"


def test_rename_refuses_a_name_that_is_taken(home):
    """Exit 2, and both stay."""
    home.account("work")
    home.account("home")
    assert home.run("rename", "work", "home").code == 2
    assert home.run("rename", "work", "work").code == 2
    assert (home.held("accounts/work.json"), home.held("accounts/home.json")) == ("rt_work", "rt_home")


def test_rename_of_a_torn_file(home):
    """It has no content to be understood, and can be renamed."""
    home.write(".codex/accounts/work.json", "{", mode=0o600)
    assert home.run("rename", "work", "office").code == 0
    assert (home.codex / "accounts/office.json").read_text() == "{"


def test_rename_names_a_setting_that_still_has_the_old_name(home):
    """Otherwise the next resolve would find nothing."""
    home.account("work")
    home.environ["CODEX_ACCOUNT"] = "work"
    assert "note: CODEX_ACCOUNT from environment still names work" in home.run("rename", "work", "office").err
