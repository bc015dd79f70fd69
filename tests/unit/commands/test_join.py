"""``join`` against brokers that answer as the test wants: what is sent, kept, changed and said."""

import json
import os
import stat
from io import TextIOWrapper

import pytest

from fetchtoken.commands import join as command
from fetchtoken.domain.keytext import ID_BYTES, SECRET_BYTES, key_text
from fetchtoken.net.url import parse_url
from fetchtoken.options import Options
from fetchtoken.settings import load
from fetchtoken.settings.apikey import KEYRING_SERVICE, joined_file, origin_of
from tests.support.command import World
from tests.support.logins import write_auth
from tests.support.peers import Broker, Peer, closed_port, hang, read_request, reset
from tests.support.tokens import answer, http, jwt


def made(kind):
    return key_text(kind, os.urandom(ID_BYTES), os.urandom(SECRET_BYTES[kind]))


CODE, KEY = (key_text(kind, b"\1" * ID_BYTES, b"\2" * SECRET_BYTES[kind]) for kind in ("cbi", "cbk"))
USER = ".config/codex-fetchtoken/scorpiox-env.txt"


def granted(**changes):
    return http(200, {"api_key": KEY, "client": "laptop", "accounts": ["work"]} | changes)


def token():
    return http(200, answer(jwt()), ETag='"1"')


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def keys_of(world):
    """Return what lies in the directory of keys, by name."""
    directory = world.home / ".config/codex-fetchtoken/keys"
    return {path.name: path for path in directory.glob("*") if path.name != ".lock"}


def user_file(world):
    path = world.home / USER
    return path.read_text() if path.exists() else ""


def joined(world, *answers, words=(), stdin="", code=CODE):
    """Join a broker that gives these answers; return what the command did and the broker."""
    with Broker(*answers) as broker:
        url = f"http://127.0.0.1:{broker.port}"
        ran = world.run("join", url, "--code", code, *words, stdin=stdin)
    return ran, broker


def test_a_code_becomes_a_key_and_settings_and_then_a_token(world):
    """What is written is what a plain resolve needs, and it says what it got."""
    ran, broker = joined(world, granted(), token())
    assert (ran.code, ran.out) == (0, ""), ran
    origin = f"http://127.0.0.1:{broker.port}"
    path = world.home / joined_file(str(world.home / ".config/codex-fetchtoken"), origin)
    assert path.read_text() == KEY + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert user_file(world) == f"CODEX_REMOTE_URL={origin}\nCODEX_TOKEN_SOURCE=remote\n"
    assert list(keys_of(world)) == [path.name]
    assert "joined" in ran.err
    assert "as laptop, granted work" in ran.err
    assert "prints the token of work" in ran.err
    assert f"Authorization: Bearer {KEY}" in broker.head(1)
    assert KEY not in ran.err + ran.out
    assert CODE not in ran.err + ran.out


def test_what_is_sent_is_the_code_a_nonce_and_this_machine_s_name(world):
    """As JSON, to ``/join``, with nothing of the machine's but its name."""
    _, broker = joined(world, granted(), token())
    head, _, data = broker.requests[0].decode().partition("\r\n\r\n")
    assert head.startswith("POST /join HTTP/1.1\r\n")
    assert "Authorization" not in head
    sent = json.loads(data)
    assert sent.keys() - {"name"} == {"code", "nonce"}
    assert sent["code"] == CODE
    assert len(bytes.fromhex(sent["nonce"])) == 32


@pytest.mark.parametrize("ending", ["", "/", "/codex", "/codex/"])
def test_the_url_may_be_the_base_or_its_codex_path(world, ending):
    """As ``CODEX_REMOTE_URL`` may; the base is what is written."""
    with Broker(granted(), token()) as broker:
        base = f"http://127.0.0.1:{broker.port}/team"
        assert world.run("join", base + ending, "--code", CODE).code == 0
    assert broker.head(0)[0] == "POST /team/join HTTP/1.1"
    assert f"CODEX_REMOTE_URL={base}\n" in user_file(world)


def test_the_code_comes_from_standard_input(world):
    """So that no list of processes shows it."""
    ran, broker = joined(world, granted(), token(), code="-", stdin=f" {CODE}\n")
    assert ran.code == 0
    assert CODE in broker.requests[0].decode()


def test_a_terminal_is_asked_without_echo(world, monkeypatch):
    """Where no code is given, a person types it."""
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or CODE + " ")

    class Terminal(TextIOWrapper):
        def isatty(self):
            return True

    monkeypatch.setattr("tests.support.command.TextIOWrapper", Terminal)
    with Broker(granted(), token()) as broker:
        ran = world.run("join", f"http://127.0.0.1:{broker.port}")
    assert (ran.code, asked) == (0, ["invite code: "])


def test_the_nonce_is_kept_until_there_is_an_answer(world):
    """A lost answer, an answer that broke off, and the one that came: the same nonce each time."""

    def lost(peer, connection):
        peer.requests.append(read_request(connection))
        reset(connection)

    with Peer(lost) as peer:
        url = f"http://127.0.0.1:{peer.port}"
        first = world.run("join", url, "--code", CODE)
        peer.script = Broker.serve
        peer.answers = [granted()[:-5], granted(), token()]
        second = world.run("join", url, "--code", CODE)
        third = world.run("join", url, "--code", CODE)
    assert [ran.code for ran in (first, second, third)] == [5, 5, 0]
    assert "again, within ten minutes" in first.err
    assert "again, within ten minutes" in second.err
    nonces = [json.loads(sent.partition(b"\r\n\r\n")[2])["nonce"] for sent in peer.requests[:3]]
    assert len(set(nonces)) == 1
    assert not [name for name in keys_of(world) if name.endswith(".nonce")]


def test_another_code_has_another_nonce(world):
    """An earlier attempt is not forgotten by one with a newer code."""
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}"
        for code in (CODE, made("cbi"), CODE):
            assert world.run("join", url, "--code", code).code == 5
    assert len(keys_of(world)) == 2


def test_nonces_of_long_ago_are_swept(world):
    """After a day nobody asks for that answer any more."""
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}"
        world.run("join", url, "--code", CODE)
        (old,) = keys_of(world).values()
        os.utime(old, (1, 1))
        world.run("join", url, "--code", made("cbi"))
    assert old.name not in keys_of(world)


def _nonsense():
    return {
        "a page": http(200, b"<html>welcome</html>"),
        "an empty object": http(200, {}),
        "a list": http(200, []),
        "a huge answer": http(200, b" " * 70_000),
        "a key of another grammar": granted(api_key="sk-live-0123456789"),
        "a key with a typo": granted(api_key=KEY[:-1] + ("0" if KEY[-1] != "0" else "1")),
        "a machine credential": granted(api_key=key_text("cbr", b"1" * ID_BYTES, b"2" * SECRET_BYTES["cbr"])),
        "a key that is a number": granted(api_key=7),
        "a client with control characters": granted(client="lap\x1b]0;top\x07"),
        "a client that is no name": granted(client="../../etc"),
        "a client that is a list": granted(client=["laptop"]),
        "accounts that are no list": granted(accounts="work"),
        "an account with a line break": granted(accounts=["wo\nrk"]),
        "a redirect": http(302, {}, Location="https://elsewhere.example/join"),
        "not found": http(404, {}),
        "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
        "nesting": http(200, b"[" * 50_000),
    }


@pytest.mark.parametrize("what", _nonsense())
def test_a_hostile_answer_is_7_and_stores_nothing(world, what):
    """Neither key nor settings, and nothing of it is repeated."""
    world.write(USER, "CODEX_MIN_VALID=700\n", mode=0o600)
    ran, broker = joined(world, _nonsense()[what])
    assert (ran.code, ran.out) == (7, ""), ran
    assert user_file(world) == "CODEX_MIN_VALID=700\n"
    assert [name for name in keys_of(world) if not name.endswith(".nonce")] == []
    assert "\x1b" not in ran.err
    assert "elsewhere.example" not in ran.err
    assert len(broker.requests) == 1


@pytest.mark.parametrize(
    ("sent", "code", "hint"),
    [
        (http(401, {"code": "invalid_token"}), 6, "a new one"),
        (http(403, {}), 6, "a new one"),
        (http(429, {}, Retry_After="7"), 5, "in 7 s"),
        (http(503, {}), 5, "ten minutes"),
        (http(500, {}, Retry_After="soon"), 5, "ten minutes"),
    ],
    ids=range(5),
)
def test_a_refusal_changes_nothing(world, sent, code, hint):
    """What was there stands, and the hint says what to do."""
    ran, _ = joined(world, sent)
    assert ran.code == code
    assert hint in ran.err.splitlines()[-1]
    assert user_file(world) == ""


@pytest.mark.parametrize(
    "code", ["", "hello", CODE[:-1], CODE[:20] + "!" + CODE[21:], KEY, "cbi_" + "0" * 40], ids=range(6)
)
def test_a_mistyped_code_is_2_before_anything_is_sent(world, code):
    """Typos are told from guesses here; the text is not shown."""
    with Broker(granted()) as broker:
        ran = world.run("join", f"http://127.0.0.1:{broker.port}", "--code", code)
    assert ran.code == 2
    assert broker.requests == []
    assert not code or code not in ran.err


def test_another_origin_keeps_the_old_key_and_the_change_is_told(world):
    """Each broker has its own key; the settings name the newer one."""
    _, first = joined(world, granted(), token())
    ran, second = joined(world, granted(api_key=made("cbk")), token(), code=made("cbi"))
    assert len(keys_of(world)) == 2
    assert f"CODEX_REMOTE_URL=http://127.0.0.1:{second.port} (was http://127.0.0.1:{first.port})" in ran.err
    world.environ["CODEX_REMOTE_URL"] = f"http://127.0.0.1:{first.port}"
    settings = command_settings(world)
    assert settings.api_key.reveal() == KEY


def test_the_same_origin_gets_the_new_key(world):
    """Joined again, the key is another and the settings need no change."""
    newer = made("cbk")
    with Broker(granted(), token(), granted(api_key=newer), token()) as broker:
        url = f"http://127.0.0.1:{broker.port}"
        assert world.run("join", url, "--code", CODE).code == 0
        before = user_file(world)
        ran = world.run("join", url, "--code", made("cbi"))
    assert ran.code == 0
    assert user_file(world) == before
    (path,) = keys_of(world).values()
    assert path.read_text() == newer + "\n"


def command_settings(world):
    return load(Options(), world.environ, str(world.cwd))


def test_what_still_wins_is_told(world):
    """Higher tiers and the environment go on counting, and the command says so."""
    world.write(".claude/scorpiox-env.txt", "CODEX_TOKEN_SOURCE=local\n")
    ran, _ = joined(world, granted(), token())
    assert ran.code == 0
    assert "CODEX_TOKEN_SOURCE from ~/.claude".replace("~", str(world.home)) in ran.err
    assert "does not ask this broker yet" in ran.err
    world.environ |= {"CODEX_TOKEN_SOURCE": "remote", "CODEX_REMOTE_API_KEY": "cbk_mine"}
    ran, _ = joined(world, granted(), token(), code=made("cbi"))
    assert "CODEX_REMOTE_API_KEY from environment still wins" in ran.err


def test_a_source_list_that_asks_the_broker_first_stays(world):
    """Whoever wants the local login when the broker is down keeps that."""
    world.write(USER, "CODEX_TOKEN_SOURCE=remote,local\n", mode=0o600)
    assert joined(world, granted(), token())[0].code == 0
    assert "CODEX_TOKEN_SOURCE=remote,local\n" in user_file(world)


def test_a_key_in_a_file_is_not_sent_to_the_joined_broker(world):
    """It belongs to another broker; the environment's is meant for this call."""
    world.write(USER, "CODEX_REMOTE_API_KEY=cbk_old\nCODEX_REMOTE_URL=https://old.example\n", mode=0o600)
    _, broker = joined(world, granted(), token())
    assert f"Authorization: Bearer {KEY}" in broker.head(1)
    assert command_settings(world).api_key.reveal() == KEY
    world.environ["CODEX_REMOTE_API_KEY"] = "cbk_now"
    assert command_settings(world).api_key.reveal() == "cbk_now"


def test_setting_a_key_beside_a_joined_one_is_told(world):
    """``config set`` says that it does not count for this broker."""
    joined(world, granted(), token())
    ran = world.run("config", "set", "CODEX_REMOTE_API_KEY", "-", stdin="cbk_other\n")
    assert "from join" in ran.err
    assert "still wins" in ran.err


def test_a_local_login_stays_and_is_mentioned(world):
    """It is not touched, and the note says how it is used."""
    path = world.home / ".codex/auth.json"
    write_auth(path, jwt(), refresh="rt_1")
    before = path.read_bytes()
    ran, _ = joined(world, granted(), token())
    assert path.read_bytes() == before
    assert "--source local uses it" in ran.err


def test_an_account_can_be_chosen(world):
    """``--account`` becomes the setting; one that is not granted is told."""
    ran, broker = joined(world, granted(accounts=["a", "work"]), token(), words=("--account", "work"))
    assert ran.code == 0
    assert "CODEX_ACCOUNT=work\n" in user_file(world)
    assert broker.head(1)[0].startswith("GET /codex/work?")
    ran, _ = joined(world, granted(), token(), words=("--account", "other"), code=made("cbi"))
    assert "names other, which is not granted" in ran.err


def test_a_broker_without_a_token_now_is_joined_all_the_same(world):
    """The code is used up; what is wrong with the account is said."""
    ran, _ = joined(world, granted(), http(503, {"code": "login_required"}))
    assert ran.code == 0
    assert "no token yet" in ran.err


def test_plain_http_to_another_machine_is_8_before_anything_is_written(world):
    """The code would be shown to the network."""
    ran = world.run("join", "http://broker.example", "--code", CODE)
    assert (ran.code, keys_of(world)) == (8, {})


@pytest.mark.parametrize("what", ["directory", "settings"])
def test_what_cannot_be_written_is_8_and_named(world, what):
    """A file in the way of the keys stops it before the code is sent; the settings' one after, repeatably."""
    base = world.home / ".config/codex-fetchtoken"
    base.mkdir(parents=True)
    if what == "directory":
        (base / "keys").write_text("in the way")
    else:
        (base / "scorpiox-env.txt").symlink_to(base / "nowhere" / "file")
    ran, broker = joined(world, granted(), granted(), token())
    assert ran.code == 8
    assert str(base) in ran.err
    assert len(broker.requests) == (0 if what == "directory" else 1)


def test_a_broker_that_hangs_ends_within_the_deadline(world, monkeypatch):
    """With the hint that the same command may be repeated."""
    monkeypatch.setattr(command, "TIMEOUT_S", 0.3)
    with Peer(hang) as peer:
        ran = world.run("join", f"http://127.0.0.1:{peer.port}", "--code", CODE)
    assert ran.code == 5
    assert "ten minutes" in ran.err


RING = """
import json, os, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

FILE = pathlib.Path(os.environ["HOME"]) / "ring.json"

class Ring(KeyringBackend):
    priority = 1

    def _all(self):
        if "RING_LOCKED" in os.environ:
            raise KeyringLocked("a message that may quote what it likes")
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def get_password(self, service, username):
        return self._all().get(f"{service} {username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps(self._all() | {f"{service} {username}": password}))

    def delete_password(self, service, username):
        raise AssertionError("nobody deletes")
"""


@pytest.fixture
def ring(world):
    """A machine with a keyring that works."""
    world.write("plugins/ring.py", RING)
    world.environ |= {"PYTHONPATH": str(world.home / "plugins"), "PYTHON_KEYRING_BACKEND": "ring.Ring"}
    return world


def test_the_key_is_kept_in_a_keyring_that_works(ring):
    """The file says only that it is there; a resolve finds it."""
    with Broker(granted(), token(), token()) as broker:
        url = f"http://127.0.0.1:{broker.port}"
        ran = ring.process("join", url, "--code", CODE)
        assert "the API key is in the keyring" in ran.err
        assert ring.process("--no-cache").code == 0
        locked = dict(ring.environ)
        ring.environ["RING_LOCKED"] = "1"
        refused = ring.process("--no-cache")
        ring.environ = locked
        ring.environ["PYTHONPATH"] = str(ring.write("bare/keyring.py", "raise ImportError\n").parent)
        missing = ring.process("--no-cache")
    (path,) = keys_of(ring).values()
    assert path.read_text() == "keyring\n"
    assert json.loads((ring.home / "ring.json").read_text()) == {f"{KEYRING_SERVICE} {url}": KEY}
    assert f"Authorization: Bearer {KEY}" in broker.head(2)
    assert (refused.code, missing.code) == (5, 2)
    assert "unlock" in refused.err
    assert "pip install" in missing.err


def test_a_keyring_that_does_not_work_is_no_obstacle(ring):
    """The key goes into a file then."""
    ring.environ["RING_LOCKED"] = "1"
    with Broker(granted(), token()) as broker:
        assert ring.process("join", f"http://127.0.0.1:{broker.port}", "--code", CODE).code == 0
    (path,) = keys_of(ring).values()
    assert path.read_text() == KEY + "\n"


@pytest.mark.parametrize(
    "url",
    [
        "https://b.example",
        "https://B.Example:443/codex",
        "HTTPS://b.example:0443",
        "https://b.example:8443/x/",
        "http://127.0.0.1",
        "http://localhost:7455/codex",
        "https://[2001:DB8::1]",
        "https://[2001:db8::1]:8443/codex",
        "https://b.example:",
        "unix:/run/broker.sock",
        "unix:///run/broker.sock:/codex",
    ],
)
def test_the_light_origin_is_the_parsed_one(url):
    """A key belongs to the same origin whichever way it is found."""
    assert origin_of(url) == parse_url(url).origin
