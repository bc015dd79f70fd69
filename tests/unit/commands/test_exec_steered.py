"""``exec`` leads Codex to the broker, by what lies in the very home that Codex will look into."""

import json
import sys

import pytest

from fetchtoken.codex import config
from fetchtoken.commands.steered import steer
from tests.support.command import World
from tests.support.logins import auth_document, write_auth
from tests.support.peers import Broker
from tests.support.tokens import answer, http, jwt, settings_of

SHOW = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
REFRESH, REVOKE = "CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE"
BROKER = "https://broker.example"
OTHER = "https://other.example"
REAL = "holds a login at OpenAI: Codex is not led to the broker with it"


@pytest.fixture
def world(tmp_path):
    """A machine whose token comes from a broker."""
    with Broker(http(200, answer(jwt()))) as broker:
        world = World(tmp_path)
        world.url = f"http://127.0.0.1:{broker.port}"
        world.environ |= {
            "CODEX_TOKEN_SOURCE": "remote",
            "CODEX_REMOTE_URL": world.url + "/codex/",
            "CODEX_REMOTE_API_KEY": "cbk_canary",
            "CODEX_CACHE_MAX_AGE": "0",
        }
        yield world


def led(world, *words):
    """Run a program; return where it is led, and what was said of it."""
    ran = world.process(*words, "exec", "--", *SHOW)
    assert ran.code == 0, ran.err
    seen = json.loads(ran.out)
    assert "cbk_canary" not in seen.values()
    return [seen.get(REFRESH), seen.get(REVOKE)], ran.err


def endpoints(base):
    return [f"{base}/oauth/token", f"{base}/oauth/revoke"]


def write(path, refresh, issuer=""):
    document = auth_document(jwt(), refresh=refresh)
    if issuer:
        document["tokens"]["oauth_provenance"] = {"issuer": issuer, "client_id": "app_x"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    return path


def test_a_machine_without_a_login_of_its_own(world):
    """No file, then an access-only one: what comes into it below exec comes from the broker."""
    assert led(world) == (endpoints(world.url), "")
    write_auth(world.home / ".codex/auth.json", jwt())
    assert led(world) == (endpoints(world.url), "")


def test_a_machine_credential_goes_to_its_broker(world):
    """The one that its file names, whichever is configured."""
    write(world.home / ".codex/auth.json", "cbr_x", OTHER)
    assert led(world) == (endpoints(OTHER), "")


def test_a_real_login_is_left_alone_and_that_is_said(world):
    """Neither variable, one note with the file's path, and no character of the token."""
    path = write(world.home / ".codex/auth.json", "rt_canary")
    where, said = led(world)
    assert where == [None, None]
    assert said == f"note: {path} {REAL}\n"


def test_the_home_is_the_one_that_the_program_will_see(world):
    """``CODEX_HOME`` of the environment, also a relative one; not that of our own settings files."""
    write(world.home / ".codex/auth.json", "rt_canary")
    write(world.home / "other/auth.json", "cbr_x", OTHER)
    config = ".config/codex-fetchtoken/scorpiox-env.txt"
    world.write(config, f"CODEX_HOME={world.home}/other\n", mode=0o600)
    assert led(world)[0] == [None, None]
    for home in (str(world.home / "other"), "../other"):
        world.environ["CODEX_HOME"] = home
        world.cwd = world.home / "work"
        world.cwd.mkdir(exist_ok=True)
        assert led(world) == (endpoints(OTHER), "")


def test_what_the_user_set_himself_stays(world):
    """Each variable by itself, and no note."""
    world.environ[REFRESH] = "https://proxy.example/token"
    assert led(world) == (["https://proxy.example/token", endpoints(world.url)[1]], "")
    write(world.home / ".codex/auth.json", "rt_real")
    assert led(world)[0] == ["https://proxy.example/token", None]


def test_another_source_leads_nowhere_but_by_a_credential(world):
    """A broker's URL in the environment is not asked, so it is nobody's way; a credential's own is."""
    path = write(world.home / ".codex/auth.json", "rt_real")
    assert led(world, "--source", "local") == ([None, None], "")
    del world.environ["CODEX_REMOTE_URL"]
    write(path, "cbr_x", OTHER)
    assert led(world, "--source", "local") == (endpoints(OTHER), "")


def test_a_second_source_counts(world):
    """Where the broker is one of several, it may be the one that gave the token."""
    assert led(world, "--source", "local,remote") == (endpoints(world.url), "")


def test_an_exec_in_an_exec(world):
    """The inner one judges by its own home, and takes back what the outer one set."""
    path = write(world.home / "real/auth.json", "rt_real")
    inner = (sys.executable, "-c", "from fetchtoken.entry import main; main()", "exec", "--", *SHOW)
    ran = world.process("exec", "--", "env", f"CODEX_HOME={path.parent}", *world_key(world), *inner)
    assert ran.code == 0, ran.err
    seen = json.loads(ran.out)
    assert (seen.get(REFRESH), seen.get(REVOKE)) == (None, None)
    assert REAL in ran.err


def world_key(world):
    """Return the key once more, which exec does not pass on."""
    return (f"CODEX_REMOTE_API_KEY={world.environ['CODEX_REMOTE_API_KEY']}",)


def steered(home, *, cwd="", words=(), **keys):
    """Return what a program would be given, and the notes."""
    notes = []
    environ = {"HOME": str(home), "CODEX_REMOTE_URL": BROKER, "CODEX_TOKEN_SOURCE": "remote", **keys}
    found = steer(settings_of(home, **environ), environ, str(cwd or home), notes.append, words=words)
    return [found.get(REFRESH), found.get(REVOKE)], notes


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("{", 0o600, "is not JSON, so Codex is not led to the broker"),
        ('{"tokens": {"refresh_token": 5}}', 0o600, "refresh_token is not a text, so Codex is not led"),
        ("{}", 0o644, "so Codex is not led to the broker"),
    ],
)
def test_a_file_that_cannot_be_judged_leads_nowhere(tmp_path, text, mode, says):
    """It may hold a real login; the program runs all the same, and the user is told."""
    path = tmp_path / ".codex/auth.json"
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(mode)
    where, [note] = steered(tmp_path)
    assert where == [None, None]
    assert says in note
    assert str(path) in note


@pytest.mark.parametrize("mode", ["keyring", "auto", "ephemeral"])
def test_a_login_in_another_store_leads_nowhere(tmp_path, mode):
    """It may be a real one, and is not looked into for this."""
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/config.toml").write_text(f'cli_auth_credentials_store = "{mode}"\n')
    where, [note] = steered(tmp_path)
    assert where == [None, None]
    assert f"its store {mode}, which may be one at OpenAI" in note
    assert steered(tmp_path, CODEX_TOKEN_SOURCE="local") == ([None, None], [])


@pytest.mark.parametrize("name", [REFRESH, REVOKE])
def test_a_variable_that_leads_a_real_login_to_the_broker(tmp_path, name):
    """It is the user's and stays, but a shell profile may be what is left of a setup: it is said."""
    write(tmp_path / ".codex/auth.json", "rt_real")
    said = f"{name} leads Codex to the broker, with a login at OpenAI, too: unset {name}"
    assert said in steered(tmp_path, **{name: f"{BROKER}/oauth/x"})[1]
    assert said in steered(tmp_path, CODEX_TOKEN_SOURCE="local", **{name: f"{BROKER}/oauth/x"})[1]
    assert said not in steered(tmp_path, **{name: f"{OTHER}/oauth/x"})[1]
    assert said not in steered(tmp_path, **{name: "https://["})[1]
    write(tmp_path / ".codex/auth.json", "cbr_x", BROKER)
    assert steered(tmp_path, **{name: f"{BROKER}/oauth/x"})[1] == []


@pytest.mark.parametrize("name", [REFRESH, REVOKE])
def test_a_variable_that_leads_a_credential_elsewhere(tmp_path, name):
    """Another broker, or OpenAI, would get what is none of its business: it stays, and is said."""
    said = f"{name} leads Codex elsewhere than to the broker whose credential it has: unset {name}"
    write(tmp_path / ".codex/auth.json", "cbr_x", OTHER)
    where, notes = steered(tmp_path, **{name: f"{BROKER}/oauth/x"})
    assert f"{BROKER}/oauth/x" in where
    assert notes == [said]
    assert steered(tmp_path, **{name: f"{OTHER}/oauth/x"})[1] == []
    write(tmp_path / ".codex/auth.json", "cbr_x", "https://auth.openai.com")
    assert said in steered(tmp_path, **{name: f"{BROKER}/oauth/x"})[1]
    write(tmp_path / ".codex/auth.json", "")
    assert steered(tmp_path, **{name: f"{OTHER}/oauth/x"})[1] == []


@pytest.mark.parametrize(
    ("words", "store"),
    [
        (("codex", "-c", "cli_auth_credentials_store=keyring"), "keyring"),
        (("codex", "exec", '--config=cli_auth_credentials_store = "auto"', "hi"), "auto"),
        (("codex", "--profile", "home", "exec"), "keyring"),
        (("codex", "exec", "-p", "home"), "keyring"),
        (("codex", "-phome"), "keyring"),
        (("codex", "--profile=home"), "keyring"),
        (("codex", "--profile", "work"), ""),
        (("codex", "-c", 'cli_auth_credentials_store="file"'), ""),
        (("codex", "exec", "what is cli_auth_credentials_store?"), ""),
        (("codex", "-p"), ""),
        (("codex", "-p", "../.codex/home"), ""),
    ],
)
def test_a_store_that_the_command_line_names(tmp_path, words, store):
    """By the key itself, or by a profile with a file of its own."""
    (tmp_path / ".codex").mkdir()
    for name, mode in (("home", "keyring"), ("work", "file")):
        text = f'cli_auth_credentials_store = "{mode}"\n'
        (tmp_path / f".codex/{name}.config.toml").write_text(text)
    where, notes = steered(tmp_path, words=words)
    assert where == ([None, None] if store else endpoints(BROKER))
    assert [f"its store {store}," in note for note in notes] == ([True] if store else [])


def test_exec_hands_its_words_on(world):
    """The program's own arguments count."""
    shown = (*SHOW, "-c", "cli_auth_credentials_store=keyring")
    ran = world.process("exec", "--", *shown)
    seen = json.loads(ran.out)
    assert (seen.get(REFRESH), "its store keyring," in ran.err) == (None, True)


@pytest.mark.parametrize("place", ["MANAGED", "SYSTEM"])
def test_a_store_that_the_machine_names(tmp_path, monkeypatch, place):
    """Where the user's own configuration is silent, that of the machine may have a real login elsewhere."""
    path = tmp_path / "etc.toml"
    path.write_text('cli_auth_credentials_store = "keyring"\n')
    monkeypatch.setattr(config, place, str(path))
    where, [note] = steered(tmp_path)
    assert where == [None, None]
    assert "its store keyring" in note


@pytest.mark.parametrize("level", ["trusted", "untrusted", ""])
@pytest.mark.parametrize("below", [".", "a/b"])
def test_a_store_that_a_project_names(tmp_path, level, below):
    """Codex goes by a project that it trusts and by no other: a stranger's cannot keep it from its broker."""
    project = tmp_path / "project"
    (project / below).mkdir(parents=True)
    for directory, text in (
        (project, 'cli_auth_credentials_store = "keyring"\n'),
        (tmp_path, f'[projects."{project}"]\ntrust_level = "{level}"\n' if level else ""),
    ):
        (directory / ".codex").mkdir()
        (directory / ".codex/config.toml").write_text(text)
    where, notes = steered(tmp_path, cwd=project / below)
    assert where == ([None, None] if level == "trusted" else endpoints(BROKER))
    assert len(notes) == (level == "trusted")


def test_the_users_own_directory_is_no_project(tmp_path):
    """Its configuration counts as the user's, whatever is trusted."""
    (tmp_path / ".codex").mkdir()
    text = f'cli_auth_credentials_store = "file"\n[projects."{tmp_path}"]\ntrust_level = "trusted"\n'
    (tmp_path / ".codex/config.toml").write_text(text)
    assert steered(tmp_path) == (endpoints(BROKER), [])
    (tmp_path / ".codex/config.toml").write_text(text.replace('"file"', '"auto"'))
    assert "its store auto" in steered(tmp_path)[1][0]


def test_a_configuration_that_cannot_be_read_leads_nowhere(tmp_path):
    """Nobody knows then where Codex keeps its login."""
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/config.toml").write_text("cli_auth_credentials_store = [\n")
    where, [note] = steered(tmp_path)
    assert where == [None, None]
    assert "config.toml is not TOML" in note


def test_an_empty_file_is_as_good_as_none(tmp_path):
    """Codex takes it for no login."""
    path = write_auth(tmp_path / ".codex/auth.json", jwt())
    path.write_text("")
    assert steered(tmp_path) == (endpoints(BROKER), [])


def test_a_private_authority_is_codex_s_to_trust(tmp_path):
    """Ours is not put into its environment, where it would count for OpenAI, too; how to is said."""
    (tmp_path / "ca.pem").touch()
    own = {"CODEX_REMOTE_CA_FILE": str(tmp_path / "ca.pem")}
    where, [note] = steered(tmp_path, **own)
    assert where == endpoints(BROKER)
    assert note == (
        f"Codex trusts {BROKER} only with CODEX_CA_CERTIFICATE={tmp_path}/ca.pem in its environment"
    )
    for name in ("CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"):
        assert steered(tmp_path, **own, **{name: str(tmp_path / "ca.pem")})[1] == []
    write(tmp_path / ".codex/auth.json", "cbr_x", OTHER)
    assert steered(tmp_path, **own) == (endpoints(OTHER), [])
