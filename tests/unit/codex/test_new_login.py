"""A new login takes its place: what must be true before its code is spent, and what is kept."""

import errno
import json
import os
import signal
import threading

import pytest

from fetchtoken.codex.local_attempt import attempt_path, begin
from fetchtoken.codex.new_login import check_place, place_login
from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.errors import ConfigError, Denied, Malformed, Unavailable, Unsafe
from fetchtoken.domain.secret import Secret
from fetchtoken.files.reserved import Reserved
from fetchtoken.formats.codex import parse_auth_file
from fetchtoken.oauth.journal import append
from fetchtoken.oauth.login.grant import NewTokens
from fetchtoken.oauth.login.undisturbed import undisturbed
from fetchtoken.oauth.outcome import Answer

NOW = 1_800_000_000


def jwt(account="acct", user="user", exp=NOW + 864_000):
    auth = {"chatgpt_account_id": account, "chatgpt_user_id": user}
    return unsigned_jwt({"email": f"{user}@example.com", "exp": exp, "https://api.openai.com/auth": auth})


def tokens(account="acct", user="user"):
    fresh = Secret(jwt(account, user))
    return NewTokens(fresh, Secret("rt_new"), fresh, account, user, f"{user}@example.com", "pro")


def document(account="acct", user="user", **other):
    token = jwt(account, user, other.pop("exp", NOW + 864_000))
    held = {"id_token": token, "access_token": token, "refresh_token": "rt_old", "account_id": account}
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {**held, **other.pop("tokens", {})},
        **other,
    }


@pytest.fixture
def home(tmp_path):
    (tmp_path / "accounts").mkdir()
    return tmp_path


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    path.chmod(0o600)
    return path


def place(path, home, *, redeem=tokens, force=False, provenance=None):
    return place_login(str(path), str(home), redeem, force=force, owner_id="o" * 43, provenance=provenance)


def test_a_first_login_is_a_file_of_codexs(home):
    """Codex's own fields, 0600, and nothing beside it but the lock."""
    path = home / "auth.json"
    placed = place(path, home)
    auth = parse_auth_file(path.read_text(), str(path))
    assert (auth.kind, auth.account_id, auth.refresh_token.reveal()) == ("chatgpt", "acct", "rt_new")
    assert auth.last_refresh is not None
    assert auth.document["tokens"]["login_owner_id"] == "o" * 43
    assert "oauth_provenance" not in auth.document["tokens"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert placed.replaced is None
    assert sorted(each.name for each in home.iterdir()) == [
        "accounts",
        "auth.json",
        "auth.json.lock",
        "auth.lock",
    ]


def test_a_login_of_another_issuer_names_it(home):
    """So that whoever refreshes the file asks the right one."""
    place(home / "auth.json", home, provenance=("http://127.0.0.1:1", "app_x"))
    held = json.loads((home / "auth.json").read_text())["tokens"]
    assert held["oauth_provenance"] == {"issuer": "http://127.0.0.1:1", "client_id": "app_x"}


def test_a_named_account_makes_its_directory(tmp_path):
    """0700, like the Codex home that may be missing too."""
    path = tmp_path / "codex" / "accounts" / "work.json"
    place(path, tmp_path / "codex")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700


def test_what_nobody_here_knows_is_kept(home):
    """Unknown keys stay; what belonged to the old login, or was another credential, goes."""
    before = document(
        mine={"a": 1},
        personal_access_token="at-x",
        tokens={
            "mine": 2,
            "oauth_provenance": {"issuer": "https://x", "client_id": "y"},
            "login_owner_id": "z",
        },
    )
    path = write(home / "auth.json", {**before, "OPENAI_API_KEY": "sk-old"})
    placed = place(path, home, force=True)
    after = json.loads(path.read_text())
    assert after["mine"] == {"a": 1}
    assert after["tokens"]["mine"] == 2
    assert after["OPENAI_API_KEY"] is None
    assert "personal_access_token" not in after
    assert "oauth_provenance" not in after["tokens"]
    assert after["tokens"]["login_owner_id"] == "o" * 43
    assert placed.replaced.refresh_token.reveal() == "rt_old"


@pytest.mark.parametrize(
    ("value", "words", "hint"),
    [
        (document(), "the login of user@example.com", "--force"),
        (document(exp=NOW - 10), "the login of user@example.com", "--force"),
        (
            {
                **document(),
                "auth_mode": "chatgptAuthTokens",
                "tokens": {**document()["tokens"], "refresh_token": ""},
            },
            "the token of a broker",
            "account login",
        ),
        (document(tokens={"refresh_token": "cbr_x"}), "this machine's credential", "account login"),
        ({"OPENAI_API_KEY": "sk-x"}, "another kind of login", "--force"),
        ({"personal_access_token": "at-x"}, "another kind of login", "--force"),
    ],
    ids=["live", "expired", "access-only", "machine", "api-key", "pat"],
)
def test_what_is_worth_keeping_needs_an_order(home, value, words, hint):
    """Without --force it is named and stays; with it, it goes."""
    path = write(home / "auth.json", value)
    before = path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        check_place(str(path), force=False, now_s=NOW)
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert path.read_bytes() == before
    assert check_place(str(path), force=True, now_s=NOW) is not None


def test_a_dead_login_makes_way(home):
    """Expired and without a refresh token, or with one that the issuer refused: nobody misses it."""
    dead = document(exp=NOW - 10, tokens={"refresh_token": ""})
    assert check_place(str(write(home / "auth.json", dead)), force=False, now_s=NOW)
    path = write(home / "accounts" / "work.json", document(exp=NOW - 10))
    fd = begin(attempt_path(str(path)), Secret("rt_old"), replay=False)
    append(fd, "sending", {}, attempt="x")
    body = b'{"error":"invalid_grant"}'
    append(fd, "answer", Answer(sent=True, status=400, body=body, complete=True).to_json(), attempt="x")
    os.close(fd)
    assert check_place(str(path), force=False, now_s=NOW)


@pytest.mark.parametrize("value", ["", "{}", " \n"])
def test_an_empty_file_is_no_login(home, value):
    """Nothing is there to keep."""
    path = write(home / "auth.json", value)
    assert place(path, home).tokens.email == "user@example.com"


def test_what_is_no_auth_file_is_left_alone(home):
    """Perhaps somebody can still mend it, so not even --force replaces it."""
    path = write(home / "auth.json", '{"tokens": ')
    with pytest.raises(Malformed):
        place(path, home, force=True)


@pytest.mark.parametrize(
    "error", [Denied("no", hint="x"), Unavailable("gone", hint="x"), KeyboardInterrupt()]
)
def test_without_tokens_the_old_file_stands(home, error):
    """Whatever ends the exchange of the code leaves the old login byte for byte, and no litter."""
    path = write(home / "auth.json", document())
    before = path.read_bytes()

    def redeem():
        raise error

    with pytest.raises(type(error)):
        place(path, home, redeem=redeem, force=True)
    assert path.read_bytes() == before
    assert [each.name for each in home.iterdir() if each.name.endswith(".tmp")] == []


def test_nothing_is_spent_where_the_file_cannot_be_replaced(home):
    """A hard link, a read-only file: the code is not even sent."""
    path = write(home / "auth.json", document())
    os.link(path, home / "other")
    with pytest.raises(Unsafe, match="hard-linked"):
        place(path, home, redeem=lambda: pytest.fail("sent"), force=True)
    (home / "other").unlink()
    path.chmod(0o400)
    with pytest.raises(Unsafe, match="read-only"):
        place(path, home, redeem=lambda: pytest.fail("sent"), force=True)


def test_nothing_is_spent_while_others_hold_the_locks(home, monkeypatch):
    """Codex, or a refresh of ours, is at work on the file."""
    import fcntl

    monkeypatch.setattr("fetchtoken.codex.new_login._LOCKS_S", 0.0)
    with (home / "auth.json.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="locked"):
            place(home / "auth.json", home, redeem=lambda: pytest.fail("sent"))


def test_nothing_is_spent_on_a_full_disk(home, monkeypatch):
    """The space is set aside first."""

    def full(_fd, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fetchtoken.files.reserved.write_all", full)
    with pytest.raises(Unsafe, match="No space left"):
        place(home / "auth.json", home, redeem=lambda: pytest.fail("sent"))
    assert [each.name for each in home.iterdir() if each.name.endswith(".tmp")] == []


def test_the_space_takes_the_login_when_the_disk_has_filled_up(home):
    """What was set aside holds it: nothing more is asked of the disk."""
    spare = Reserved(str(home / "x"))
    (name,) = [each for each in home.iterdir() if each.name.endswith(".tmp")]
    assert name.stat().st_size == 65536
    spare.put(b"content")
    spare.discard()
    spare.discard()
    assert (home / "x").read_bytes() == b"content"


def test_a_link_to_the_same_accounts_file_is_followed(home):
    """``auth.json`` stays a link, and the account's own file gets the login."""
    target = write(home / "accounts" / "work.json", document())
    (home / "auth.json").symlink_to("accounts/work.json")
    placed = place(home / "auth.json", home, force=True)
    assert (home / "auth.json").is_symlink()
    assert json.loads(target.read_text())["tokens"]["refresh_token"] == "rt_new"
    assert (placed.replaced is not None, placed.unlinked) == (True, "")


def test_a_link_to_another_accounts_file_is_replaced_itself(home):
    """That account keeps its login; ``auth.json`` becomes a file of its own."""
    target = write(home / "accounts" / "work.json", document("other", "bob", mine=1))
    before = target.read_bytes()
    (home / "auth.json").symlink_to("accounts/work.json")
    placed = place(home / "auth.json", home, force=True)
    assert not (home / "auth.json").is_symlink()
    assert target.read_bytes() == before
    assert (placed.replaced, placed.unlinked) == (None, str(target))
    assert "mine" not in json.loads((home / "auth.json").read_text())


def test_a_login_that_came_meanwhile_is_seen(home):
    """Between the first look and the locks somebody else logged in: theirs stands."""
    path = home / "auth.json"
    assert check_place(str(path), force=False, now_s=NOW) is None
    write(path, document(exp=4_000_000_000))
    with pytest.raises(ConfigError):
        place(path, home, redeem=lambda: pytest.fail("sent"))


@pytest.fixture
def interruptible():
    """Have Ctrl-C end this process as it does a command, whatever the run around the test made of it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("interruptible")
def test_signals_wait_until_the_login_is_written():
    """Ctrl-C and SIGTERM in between are told to wait; afterwards they work as before."""
    told = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with undisturbed(told.append):
        for number in numbers:
            signal.raise_signal(number)
    assert len(told) == 3
    assert [signal.getsignal(number) for number in numbers] == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_terminal_that_is_gone_ends_nothing():
    """SIGHUP comes when nobody can be told any more: the login is written down all the same."""

    def nobody_listens(_text):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    done = []
    with undisturbed(nobody_listens):
        signal.raise_signal(signal.SIGHUP)
        done.append("written")
    assert done == ["written"]


def test_other_threads_are_not_asked():
    """Signals are the main thread's; a library in another one goes on."""
    done = []

    def work():
        with undisturbed(done.append):
            done.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["worked"]
