"""Canaries through a whole life: nothing is found outside the places that must hold secrets."""

import fnmatch
import json

import pytest

from tests.contract.stage import EXPIRED
from tests.security.life import PASSWORDS, Life
from tests.support.issuer import issuer_in_thread
from tests.support.programs import BROKER, FETCHTOKEN
from tests.support.wait import until_sync

pytestmark = pytest.mark.timeout(300)

TOKENS = {"access token", "id token"}

MAY_HOLD = {
    "home/.codex/auth.json": TOKENS,
    "home/local/auth.json": {"refresh token", *TOKENS},
    "home/local/auth.json.attempt": {"refresh token", *TOKENS},
    "home/synced/auth.json": TOKENS,
    "home/torn/*.json": {"refresh token", *TOKENS},
    "home/.cache/codex-fetchtoken/*.json": TOKENS,
    "home/key": {"API key"},
    "home/words": {"passphrase"},
    "home/.local/state/codex-broker/master.key": {"master key"},
    "home/restored/master.key": {"master key"},
    "codex-broker environ": set(PASSWORDS),
    "codex-fetchtoken environ": {"API key", *PASSWORDS},
    "fetchtoken.* environ": {"proxy password"},
}
"""Where what may stand: the files that are made for it, and what people put into the environment."""

PRINTS = {
    "codex-fetchtoken": TOKENS,
    "codex-fetchtoken -*": TOKENS,
    "codex-fetchtoken, held": TOKENS,
    "codex-broker client add *": {"API key"},
    "codex-broker client rotate *": {"API key"},
    "codex-broker account export *": {"refresh token", *TOKENS},
}
"""Commands whose whole point is to print a secret to stdout."""


def unexpected(hits):
    """Return the hits outside the places that may hold them."""
    return {
        hit
        for hit in hits
        if not any(
            fnmatch.fnmatch(hit.where, place) and hit.name in names for place, names in MAY_HOLD.items()
        )
    }


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    with issuer_in_thread() as issuer:
        life = Life(tmp_path_factory.mktemp("life"), issuer)
        with life.dumping():
            try:
                live(life)
            finally:
                if life.daemon.process.poll() is None:
                    life.daemon.kill()
        yield life


def live(life: Life) -> None:
    """Adopt, serve, rotate, fail, crash, recover."""
    codex = life.machine.auth_file
    codex.parent.mkdir()
    login = life.knows(life.issuer.mint(email="work@x.example"))
    login.write(codex)
    life.daemon.start("up", BUG="daemon")
    life.does(BROKER, "account", "import", str(codex))
    life.does(BROKER, "account", "adopt", str(codex), "--name", "work", "--json")
    added = life.does(BROKER, "client", "add", "laptop", "--account", "work", "--json")
    key = json.loads(added.out)["api_key"]
    life.scanner.add("API key", key)
    life.machine.write("key", key)
    life.knows_the_store()
    fetches(life, key)
    misuses(life, key)
    breaks(life)
    backs_up(life)
    crashes(life, key)
    renews_a_file(life, key)


def remote(life: Life, key: str) -> dict[str, str]:
    return {
        "CODEX_TOKEN_SOURCE": "remote",
        "CODEX_REMOTE_URL": life.daemon.url,
        "CODEX_REMOTE_API_KEY": key,
    }


def fetches(life: Life, key: str) -> None:
    """Everything that works, with the key in the environment and in a file."""
    environ = remote(life, key)
    assert life.does(FETCHTOKEN, **environ).code == 0
    filed = {**environ, "CODEX_REMOTE_API_KEY": "", "CODEX_REMOTE_API_KEY_FILE": str(life.home / "key")}
    assert life.does(FETCHTOKEN, "--format", "json", "-v", **filed).code == 0
    for form in ("env", "header", "auth-json", "opencode"):
        assert life.does(FETCHTOKEN, "--format", form, **environ).code == 0
    for words in (["status"], ["status", "--json"], ["config", "show"], ["config", "show", "--json"]):
        assert life.does(FETCHTOKEN, *words, **environ).code == 0
    for name in ("CODEX_REMOTE_API_KEY", "CODEX_SSH_PASS"):
        life.does(FETCHTOKEN, "config", "get", name, **environ)
    life.does(FETCHTOKEN, "config", "set", "CODEX_REMOTE_API_KEY", key)
    assert life.does(FETCHTOKEN, "sync", "--codex-home", str(life.home / "synced"), **environ).code == 0
    for words in (["account", "list"], ["client", "show", "laptop"], ["check"]):
        life.does(BROKER, *words, "--json")
    old = json.loads(life.does(BROKER, "client", "add", "old", "--account", "work", "--json").out)["api_key"]
    new = life.does(BROKER, "client", "rotate", "old").out.strip()
    for secret in (old, new):
        life.scanner.add("API key", secret)
    life.asks("/codex/work", old)


def misuses(life: Life, key: str) -> None:
    """Secrets where they do not belong: header, query, path, bodies, and the words of bugs."""
    bearer = life.daemon.get("/codex/work", key).document["access_token"]
    spoilt = key[:-1] + ("a" if key[-1] != "a" else "b")
    life.asks("/codex/work", spoilt)
    life.asks(f"/codex/{key}", key)
    life.asks(f"/codex/work?key={key}&access_token={bearer}&min_valid=x", key)
    headers = {"X-Request-Id": key[:60], "User-Agent": key, "Cookie": f"session={bearer}", "Referer": bearer}
    life.asks("/nowhere", "", headers=headers)
    life.asks("/codex/work", "", headers={**headers, "Authorization": f"Basic {key}"})
    life.asks("/codex/work", "", headers={"Authorization": bearer, "X-Api-Key": key})
    life.asks("/v1/whoami", key, headers=headers)
    life.hears(f"GET /codex/{key} HTTP/1.1\r\nAuthorization Bearer {bearer}\r\n{key}\r\n\r\n".encode())
    life.does(BROKER, "--verbose", "account", "show", "work")
    life.does(FETCHTOKEN, "-v", "--account", bearer[:60], **remote(life, key))
    life.does(FETCHTOKEN, "-v", **{**remote(life, key), "CODEX_REMOTE_URL": f"https://user:{key}@127.0.0.1"})
    life.does(FETCHTOKEN, "-v", **{**remote(life, key), "CODEX_REMOTE_URL": "https://127.0.0.1:9"})
    life.does(FETCHTOKEN, "-v", **remote(life, spoilt))
    life.said[:] = [(words.replace(key, "KEY").replace(bearer, "BEARER"), ran) for words, ran in life.said]


def breaks(life: Life) -> None:
    """Auth files in pieces, and an issuer that does everything wrong."""
    other = life.knows(life.issuer.mint(email="other@x.example"))
    whole = json.dumps(other.document)
    for number, text in enumerate([whole[:-9], whole.replace('"tokens"', '"tokens" x'), f"[{whole}]"]):
        path = life.machine.write(f"torn/{number}.json", text)
        life.does(FETCHTOKEN, "-v", CODEX_CREDENTIALS_FILE=str(path))
    life.does(BROKER, "--verbose", "account", "adopt", str(life.home / "torn/1.json"))
    life.does(BROKER, "account", "import", str(life.home / "torn"), "--sole-owner")
    life.does(BROKER, "account", "import", "-", stdin=whole)
    path = life.machine.write("torn/whole.json", whole)
    life.does(FETCHTOKEN, "-v", CODEX_CREDENTIALS_FILE=str(path), BUG="command")
    for fault in ("not-json", "429", "other-account", "torn"):
        spoilt(life, fault)
        life.does(BROKER, "--verbose", "account", "refresh", fault, "--force")
        life.knows_the_store()
    for fault in ("refuse-reused", "commit-then-500"):
        spoilt(life, fault, **EXPIRED)
        until_sync(lambda name=fault: held(life, name)["state"] not in ("active", "refreshing"))
    life.look("after many errors")


def spoilt(life: Life, fault: str, **age: int) -> None:
    """Have an account that is called after the fault that all its exchanges meet."""
    login = life.knows(life.issuer.mint(**age))
    life.issuer.fault(fault, times=-1, login_id=login.login_id)
    life.daemon.hold(login, fault)


def held(life: Life, name: str) -> dict[str, object]:
    return next(one for one in life.daemon.call("accounts_list") if one["account"] == name)


def backs_up(life: Life) -> None:
    """Backups without and with the key, one brought back by its passphrase, one refused."""
    passphrase = "correct horse battery staple"
    life.scanner.add("passphrase", passphrase)
    words = life.machine.write("words", passphrase)
    kept, keyed = (str(life.home / name) for name in ("store.backup", "keyed.backup"))
    restored = str(life.home / "restored")
    assert life.does(BROKER, "backup", kept).code == 0
    assert life.does(BROKER, "backup", keyed, "--with-key", "--passphrase-file", str(words)).code == 0
    assert life.does(BROKER, "restore", kept, "--home", restored).code == 2
    how = ("--home", restored, "--passphrase-file", "-")
    assert life.does(BROKER, "--verbose", "restore", keyed, *how, stdin="another passphrase").code == 2
    assert life.does(BROKER, "restore", keyed, *how, "--json", stdin=passphrase).code == 0
    life.does(BROKER, "account", "list", "--home", restored)
    life.look("after a restore")


def crashes(life: Life, key: str) -> None:
    """SIGABRT of everything, kill -9 in mid-exchange, and a recovery from the journal."""
    login = life.knows(life.issuer.mint())
    life.daemon.hold(login, "fit")
    with life.mid_exchange(login, BROKER, "account", "refresh", "fit", "--force"):
        life.look("in mid-exchange")
        life.daemon.kill()
        life.look("after kill -9 in mid-exchange")
    until_sync(lambda: not life.exchanges())
    life.look("with an answer in the journal")
    life.daemon.start("serve", BUG="daemon")
    life.knows_the_store()
    life.look("after the recovery")
    life.abort_the_daemon(login, "fit")
    life.abort_a_command(key)
    life.look("after SIGABRT")
    life.does(FETCHTOKEN, "-v", CODEX_CACHE_MAX_AGE="0", **remote(life, key))
    life.daemon.start("up")
    life.does(BROKER, "account", "replay", "not-json")
    life.does(BROKER, "account", "export", "fit", "--with-refresh-token")
    life.does(BROKER, "client", "revoke", "laptop")
    life.does(FETCHTOKEN, "-v", CODEX_CACHE_MAX_AGE="0", **remote(life, key))
    life.knows_the_store()
    life.daemon.stop()
    life.does(BROKER, "account", "list")
    life.look("at the end")


def renews_a_file(life: Life, key: str) -> None:
    """The same without a broker: a held refresh, looked at; a refresh that fails; one that is killed."""
    path = life.home / "local" / "auth.json"
    path.parent.mkdir()
    login = life.knows(life.issuer.mint(**EXPIRED))
    login.write(path)
    environ = {
        "CODEX_HOME": str(path.parent),
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE": life.issuer.token_url,
        "CODEX_REMOTE_API_KEY": key,
    }
    with life.mid_exchange(login, FETCHTOKEN, **environ):
        life.look("in mid-refresh of a file")
    life.knows_a_file(path)
    life.issuer.fault("500")
    life.does(FETCHTOKEN, "--force-refresh", "-v", **environ)
    life.does(FETCHTOKEN, "status", "--json", **environ)
    life.look("after a refresh in doubt")


def test_the_life_was_lived(life):
    """The secrets were there to be found: each place that must hold some does."""
    everything = (piece for look in life.looks.values() for piece in look)
    found = {(hit.where, hit.name) for hit in life.scanner.among(everything)}
    for place, names in {
        "home/.codex/auth.json": TOKENS,
        "home/local/auth.json": {"refresh token", *TOKENS},
        "home/key": {"API key"},
        "home/words": {"passphrase"},
        "home/.local/state/codex-broker/master.key": {"master key"},
        "home/restored/master.key": {"master key"},
    }.items():
        assert {(place, name) for name in names} <= found
    assert any(where.startswith("home/.cache") for where, _ in found)
    for module in ("fetchtoken.oauth.exchange", "fetchtoken.codex.refresh_process"):
        assert (f"{module} environ", "proxy password") in found
    printed = {name for words, ran in life.said for name in names_in(life, ran.out, words)}
    assert printed >= {"API key", "access token"}


def names_in(life, text, words):
    return {hit.name for hit in life.scanner.in_text(text, words)}


MOMENTS = [
    "after many errors",
    "after a restore",
    "in mid-exchange",
    "after kill -9 in mid-exchange",
    "with an answer in the journal",
    "after the recovery",
    "after SIGABRT",
    "at the end",
    "in mid-refresh of a file",
    "after a refresh in doubt",
]


def test_no_file_or_process_holds_what_it_must_not(life):
    """Logs, database, journal, cores, command lines, environments: at every moment of the life."""
    assert list(life.looks) == MOMENTS
    found = {moment: unexpected(life.scanner.among(look)) for moment, look in life.looks.items()}
    assert found == {moment: set() for moment in MOMENTS}


def test_no_program_says_a_secret(life):
    """Neither stdout nor stderr, but for the commands that are there to print one."""
    hits = set()
    for words, ran in life.said:
        allowed = {
            name for pattern, names in PRINTS.items() if fnmatch.fnmatch(words, pattern) for name in names
        }
        hits |= {hit for hit in life.scanner.in_text(ran.out, words) if hit.name not in allowed}
        hits |= life.scanner.in_text(ran.err, f"{words} (stderr)")
    assert hits == set()


def test_the_log_says_what_happened_without_the_secrets(life):
    """The bugs are there by their kind and place; their texts, which held secrets, are not."""
    log = life.daemon.log
    assert (log.count("RuntimeError"), "a bug at" in log) == (2, False)
    assert "Fatal Python error: Aborted" in log
    assert life.scanner.in_text(log, "log") == set()
    assert any("Fatal Python error: Aborted" in ran.err for _, ran in life.said)
