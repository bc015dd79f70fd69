"""``codex setup`` and ``codex undo`` on one machine: what they write, refuse, and leave alone."""

import json
import os
import sys
from pathlib import Path

import pytest

from fetchtoken.codex.timer_unit import TIMER
from fetchtoken.codex.toml_text import parsed
from fetchtoken.commands import codex_steps, unattended
from tests.support.setting_up import at_desk

COMMAND = str(Path(sys.executable).parent / "codex-fetchtoken")
MINE = '# mine\nmodel = "x" # why\n\n[tui]\na = 1'
STARTED = ["daemon-reload", f"enable --now {TIMER}.timer"]
STOPPED = [f"disable --now {TIMER}.timer", "daemon-reload"]


@pytest.fixture
def desk(tmp_path):
    with at_desk(tmp_path) as desk:
        yield desk


def units(desk):
    return sorted(path.name for path in desk.units.iterdir()) if desk.units.exists() else []


# With a file.


def test_a_file_and_its_timer(desk):
    """The default: an access-only file, and a timer without a secret that keeps it fresh by this command."""
    desk.configure(MINE)
    ran = desk.setup()
    assert ran.out == ""
    assert desk.access_only()["tokens"]["access_token"] == desk.bearer
    assert units(desk) == [f"{TIMER}.service", f"{TIMER}.timer"]
    service = (desk.units / f"{TIMER}.service").read_text()
    words = f"--source remote --account work sync --adopted --codex-home {desk.codex}"
    assert f"ExecStart={COMMAND} {words}\n" in service
    assert "cbk_" not in service
    assert desk.asked == STARTED
    assert desk.config.read_text() == MINE


def test_what_the_timer_runs_works(desk):
    """The very words of the unit bring a newer token into the file."""
    desk.setup()
    service = (desk.units / f"{TIMER}.service").read_text()
    words = service.split(f"ExecStart={COMMAND} ")[1].split("\n")[0].split()
    document = desk.access_only()
    document["tokens"]["access_token"] = "old"
    desk.write(".codex/auth.json", json.dumps(document), mode=0o600)
    desk.environ = {"HOME": str(desk.home)}
    assert desk.run(*words).code == 0
    assert desk.access_only()["tokens"]["access_token"] == desk.bearer


def test_undo_of_a_file(desk):
    """Timer and units go; the login stays, with a word on how long and how to be rid of it."""
    desk.setup()
    before = desk.auth.read_bytes()
    ran = desk.undo()
    assert units(desk) == []
    assert desk.asked == STARTED + STOPPED
    assert desk.auth.read_bytes() == before
    assert "no longer kept fresh: good until" in ran.err
    assert "codex logout removes it" in ran.err


def test_no_service_manager(desk):
    """Then cron does it: the line is shown, and undo says that it is to be taken out."""
    desk.environ["PATH"] = str(desk.home)
    ran = desk.setup()
    line = f"{COMMAND} --source remote --account work sync --adopted --codex-home {desk.codex}"
    assert f"17 */3 * * *  {line}" in ran.err
    assert units(desk) == []
    assert line in desk.undo().err


def test_a_manager_that_refuses(desk, tmp_path):
    """Exit 5 with its own words; the login is there, and undo takes back what was done."""
    desk.manager(tmp_path / "refusing", fails="enable")
    ran = desk.run("codex", "setup")
    assert ran.code == 5
    assert "Failed to do that" in ran.err
    desk.access_only()
    desk.undo()
    assert units(desk) == []


@pytest.mark.parametrize(
    "document",
    [
        {"tokens": {"access_token": "x", "refresh_token": "rt_precious"}},
        {"OPENAI_API_KEY": "sk-precious"},
    ],
    ids=["login", "key"],
)
@pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "forced"])
def test_a_login_is_never_lost(desk, document, force):
    """A refresh token or a key in the way: exit 8 with the cure, whatever is forced; nothing is written."""
    text = json.dumps(document)
    desk.write(".codex/auth.json", text, mode=0o600)
    ran = desk.run("codex", "setup", *force)
    assert ran.code == 8
    assert "account adopt" in ran.err
    assert "precious" not in ran.err
    assert desk.auth.read_text() == text
    assert desk.record is None
    assert units(desk) == []


def test_another_accounts_file(desk):
    """An access-only file of another account is replaced on order only."""
    desk.setup()
    document = desk.access_only()
    document["tokens"]["account_id"] = "acct-other"
    desk.write(".codex/auth.json", json.dumps(document), mode=0o600)
    ran = desk.run("codex", "setup")
    assert ran.code == 2
    assert "acct-other" in ran.err
    desk.setup("--force")
    assert desk.access_only()["tokens"]["account_id"] == "acct-1"


@pytest.mark.parametrize("store", ["keyring", "ephemeral"])
def test_a_store_that_is_no_file(desk, store):
    """Codex would not read it: exit 2, or set to file until undo."""
    text = desk.configure(f'cli_auth_credentials_store = "{store}" # safe\n[tui]\n')
    ran = desk.run("codex", "setup")
    assert ran.code == 2
    assert f"{desk.config}: cli_auth_credentials_store is {store}" in ran.err
    assert not desk.auth.exists()
    desk.setup("--force")
    assert parsed(desk.config.read_text(), "")["cli_auth_credentials_store"] == "file"
    assert f"has again cli_auth_credentials_store = {store}" in desk.undo().err
    assert desk.config.read_text() == text


def test_a_store_that_looks_elsewhere_first(desk):
    """With auto the file counts where the keyring holds nothing, which is said."""
    desk.configure('cli_auth_credentials_store = "auto"\n')
    assert "a login in the keyring goes before auth.json" in desk.setup().err


@pytest.mark.parametrize(
    "line",
    ['forced_login_method = "api"', 'forced_chatgpt_workspace_id = ["acct-2"]'],
    ids=["method", "workspace"],
)
def test_a_login_that_codex_would_refuse(desk, line):
    """It could delete the file: exit 2 naming the key; with --force it is said."""
    text = desk.configure(line + "\n")
    ran = desk.run("codex", "setup")
    assert ran.code == 2
    assert line.split()[0] in ran.err
    assert line.split()[0] in desk.setup("--force").err
    assert desk.config.read_text() == text


def test_units_of_ones_own(desk):
    """Files of that name that setup did not write: exit 2, or put aside until undo."""
    name = f".config/systemd/user/{TIMER}.service"
    own = desk.write(name, "[Service]\nExecStart=/bin/true\n")
    ran = desk.run("codex", "setup")
    assert (ran.code, str(own) in ran.err) == (2, True)
    desk.setup("--force")
    desk.setup()
    assert COMMAND in own.read_text()
    again = f"{TIMER}.timer is stopped; if it ran before: systemctl --user enable --now {TIMER}.timer"
    assert again in desk.undo().err
    assert own.read_text() == "[Service]\nExecStart=/bin/true\n"
    assert units(desk) == [f"{TIMER}.service"]


def test_a_unit_that_was_changed_since(desk):
    """Another text in its place is somebody else's: it stays, and is named."""
    desk.setup()
    path = desk.units / f"{TIMER}.service"
    path.write_text("[Service]\nExecStart=/bin/true\n")
    assert f"{path} was changed since, and stays" in desk.undo().err
    assert units(desk) == [f"{TIMER}.service"]


def test_what_systemd_linked_goes(desk):
    """Also where no manager is left to take the timer out."""
    desk.setup()
    link = desk.units / "timers.target.wants" / f"{TIMER}.timer"
    link.parent.mkdir()
    link.symlink_to(f"../{TIMER}.timer")
    desk.environ["PATH"] = str(desk.home)
    desk.undo()
    assert not os.path.lexists(link)


def test_a_second_codex_home(desk):
    """It has a timer and a record of its own."""
    desk.setup()
    other = {**desk.environ, "CODEX_HOME": str(desk.home / "other")}
    desk.environ, first = other, desk.environ
    desk.setup()
    assert len(units(desk)) == 4
    desk.run("codex", "undo")
    assert units(desk) == [f"{TIMER}.service", f"{TIMER}.timer"]
    ran = desk.run("codex", "undo")
    assert f"{desk.codex} was: undo that with CODEX_HOME={desk.codex}" in ran.err
    desk.environ = first
    desk.undo()


def test_settings_of_this_shell_alone(desk):
    """What a timer would not find goes into the unit; a key does not: exit 2."""
    desk.environ["CODEX_REMOTE_CA_FILE"] = "ca.pem"
    desk.environ["XDG_CACHE_HOME"] = str(desk.home / "cache %")
    (desk.cwd / "ca.pem").write_text("")
    desk.setup()
    service = (desk.units / f"{TIMER}.service").read_text()
    assert f"Environment=CODEX_REMOTE_CA_FILE={desk.cwd}/ca.pem\n" in service
    assert f'Environment="XDG_CACHE_HOME={desk.home}/cache %%"\n' in service
    desk.environ["CODEX_REMOTE_API_KEY"] = "cbk_c_d"
    ran = desk.run("codex", "setup")
    assert ran.code == 2
    assert "CODEX_REMOTE_API_KEY" in ran.err
    assert "config set CODEX_REMOTE_API_KEY -" in ran.err
    assert "cbk_" not in ran.err


def test_the_proxies_of_this_shell(desk):
    """They are the timer's as well, but for one with a password, which is named."""
    desk.environ |= {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "127.0.0.1"}
    desk.environ["ALL_PROXY"] = "http://user:precious@proxy.example"
    ran = desk.setup()
    service = (desk.units / f"{TIMER}.service").read_text()
    assert 'Environment="HTTPS_PROXY=http://proxy.example:3128"\n' in service
    assert "Environment=NO_PROXY=127.0.0.1\n" in service
    assert "precious" not in service + ran.err
    assert "ALL_PROXY holds a password" in ran.err


# With a command.


def test_a_command(desk):
    """A provider with this command, the account's header, and no secret; nothing else is written."""
    desk.configure(MINE)
    desk.setup("--mode", "command")
    config = parsed(desk.config.read_text(), "")
    assert config["model_provider"] == "codex-fetchtoken"
    provider = config["model_providers"]["codex-fetchtoken"]
    assert provider["base_url"] == "https://chatgpt.com/backend-api/codex"
    assert provider["http_headers"] == {"ChatGPT-Account-Id": "acct-1"}
    assert provider["auth"]["command"] == COMMAND
    words = ["--source", "remote", "--account", "work", "--cache-max-age", "0", "--timeout", "4"]
    assert provider["auth"]["args"] == words
    assert "cbk_" not in desk.config.read_text()
    assert desk.bearer not in desk.config.read_text()
    assert not desk.auth.exists()
    ran = desk.undo()
    assert desk.config.read_text() == MINE
    assert "Codex has no login" in ran.err


def test_the_command_that_is_written_prints_the_token(desk):
    """As Codex runs it: those words, from anywhere, in an environment with a home and nothing more."""
    desk.setup("--mode", "command")
    auth = parsed(desk.config.read_text(), "")["model_providers"]["codex-fetchtoken"]["auth"]
    desk.environ, desk.cwd = {"HOME": str(desk.home)}, Path("/")
    assert desk.run(*auth["args"]).out == desk.bearer + "\n"


def test_there_was_no_config(desk):
    """The file is made, and removed again."""
    desk.setup("--mode", "command")
    assert desk.config.stat().st_mode & 0o777 == 0o600
    desk.undo()
    assert not desk.config.exists()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('model_provider = "mine"\n', "model_provider"),
        ('profile = "p"\n[profiles.p]\nmodel_provider = "mine"\n', "profiles.p.model_provider"),
        ("[model_providers.codex-fetchtoken]\nname = 'mine'\n", "model_providers.codex-fetchtoken"),
    ],
    ids=["provider", "profile", "table"],
)
def test_a_provider_of_ones_own(desk, text, key):
    """Exit 2 naming file and key; with --force it is put aside until undo."""
    desk.configure(text)
    ran = desk.run("codex", "setup", "--mode", "command")
    assert ran.code == 2
    assert f"{desk.config}: {key} is" in ran.err
    assert "--force" in ran.err
    assert desk.config.read_text() == text
    desk.setup("--mode", "command", "--force")
    desk.setup("--mode", "command", "--force")
    assert "mine" not in desk.config.read_text() or key != "model_provider"
    desk.undo()
    assert desk.config.read_text() == text


def test_profiles_that_keep_their_own_are_named(desk):
    """They would not get these tokens, which is said."""
    desk.configure('[profiles.q]\nmodel_provider = "mine"\n')
    desk.write(".codex/r.config.toml", 'model_provider = "mine"\n')
    desk.write(".codex/s.config.toml", 'model = "x"\n')
    desk.write(".codex/t.config.toml", "model =\n")
    err = desk.setup("--mode", "command").err
    assert [name for name in "qrst" if f"profile {name} keeps its own model_provider" in err] == ["q", "r"]


def test_a_proxy_that_codex_knows(desk):
    """The provider goes where Codex went before."""
    desk.configure('chatgpt_base_url = "https://proxy.example/backend-api"\n')
    desk.setup("--mode", "command")
    assert 'base_url = "https://proxy.example/backend-api/codex"' in desk.config.read_text()


def test_a_setting_that_codex_would_not_have(desk):
    """The command inherits what Codex is started with, so that is said."""
    desk.environ["CODEX_REMOTE_API_KEY"] = "cbk_c_d"
    ran = desk.setup("--mode", "command")
    assert "CODEX_REMOTE_API_KEY stands in environment only" in ran.err
    assert "cbk_" not in ran.err


@pytest.mark.parametrize("words", [[], ["--mode", "command"]], ids=["file", "command"])
def test_a_config_that_is_no_toml(desk, words):
    """Exit 2 before anything is done."""
    text = desk.configure("model = \n")
    ran = desk.run("codex", "setup", *words)
    assert ran.code == 2
    assert f"{desk.config} is not TOML" in ran.err
    assert desk.config.read_text() == text
    assert desk.record is None
    assert not desk.auth.exists()


def test_a_config_behind_a_link(desk):
    """The link stays, and what it leads to is changed and restored."""
    real = desk.write("dotfiles/config.toml", MINE)
    desk.codex.mkdir()
    desk.config.symlink_to(real)
    desk.setup("--mode", "command")
    assert desk.config.is_symlink()
    assert "codex-fetchtoken" in real.read_text()
    desk.undo()
    assert desk.config.is_symlink()
    assert real.read_text() == MINE
    assert real.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("how", ["hard link", "read-only"])
def test_a_config_that_cannot_be_replaced(desk, how):
    """Exit 8, and the file is as it was."""
    desk.configure(MINE)
    if how == "hard link":
        (desk.home / "other").hardlink_to(desk.config)
    else:
        desk.config.chmod(0o400)
    assert desk.run("codex", "setup", "--mode", "command").code == 8
    assert desk.config.read_text() == MINE
    desk.undo()


def test_an_edit_at_the_same_time(desk, monkeypatch):
    """What somebody writes between reading and replacing is there afterwards, with ours."""
    desk.configure(MINE)
    real, times = codex_steps.write_config, iter([1])

    def late(path, before, after):
        if next(times, 0):
            desk.config.write_text("late = 1\n" + MINE)
        real(path, before, after)

    monkeypatch.setattr(codex_steps, "write_config", late)
    desk.setup("--mode", "command")
    assert desk.config.read_text().startswith("late = 1\n# mine\n")
    desk.undo()
    assert desk.config.read_text() == "late = 1\n" + MINE


def test_a_file_that_never_rests(desk, monkeypatch):
    """Exit 5 after a few tries; nothing of ours is in it."""
    desk.configure(MINE)
    real, number = codex_steps.write_config, iter(range(100))

    def late(path, before, after):
        desk.config.write_text(f"n = {next(number)}\n")
        real(path, before, after)

    monkeypatch.setattr(codex_steps, "write_config", late)
    assert desk.run("codex", "setup", "--mode", "command").code == 5
    assert "fetchtoken" not in desk.config.read_text()


def test_what_was_changed_since_stays_and_is_said(desk):
    """Codex adds tables of its own, a person another provider: both stay, ours goes."""
    desk.configure(MINE)
    desk.setup("--mode", "command")
    text = desk.config.read_text().replace('model_provider = "codex-fetchtoken"', 'model_provider = "new"')
    desk.configure(text + '[projects."/x"]\ntrust_level = "trusted"\n')
    assert f"{desk.config}: model_provider was changed since, and stays" in desk.undo().err
    config = parsed(desk.config.read_text(), "")
    assert config["model_provider"] == "new"
    assert config["projects"] == {"/x": {"trust_level": "trusted"}}
    assert "model_providers" not in config


# From one to the other, and again.


@pytest.mark.parametrize("mode", ["file", "command"])
def test_twice_is_once(desk, mode):
    """The second run changes no file and forgets nothing of what the first put aside."""
    desk.configure(MINE)
    desk.setup("--mode", mode)
    files = [desk.config, *desk.units.glob("*"), *([desk.auth] if mode == "file" else [])]
    before = [(path.stat().st_ino, path.read_bytes()) for path in files]
    desk.setup("--mode", mode)
    assert [(path.stat().st_ino, path.read_bytes()) for path in files] == before
    desk.undo()
    assert desk.config.read_text() == MINE


def test_another_command_of_the_same_mode(desk):
    """What the first setup wrote is replaced, and undo still knows what stood there before that."""
    desk.configure(MINE)
    desk.setup("--mode", "command")
    desk.write(".config/codex-fetchtoken/scorpiox-env/p.txt", "CODEX_MIN_VALID=700\n")
    desk.environ["ACTIVE_PROFILE"] = "p"
    desk.setup("--mode", "command")
    assert '"--profile", "p"' in desk.config.read_text()
    desk.undo()
    assert desk.config.read_text() == MINE


def test_from_command_to_file_and_back(desk):
    """Each takes the other's place; one undo leads back to the beginning."""
    desk.configure(MINE)
    desk.setup("--mode", "command")
    desk.setup("--mode", "file")
    assert desk.config.read_text() == MINE
    assert units(desk)
    desk.setup("--mode", "command")
    assert units(desk) == []
    assert "codex-fetchtoken" in desk.config.read_text()
    desk.undo()
    assert desk.config.read_text() == MINE
    desk.access_only()


# Nothing to do, nothing changed.


def test_the_local_source(desk):
    """There Codex and this command use one login: exit 0, and why; with a mode exit 2."""
    desk.environ["CODEX_TOKEN_SOURCE"] = "local"
    ran = desk.run("codex", "setup")
    assert (ran.code, "the source is local" in ran.err, "--source remote" in ran.err) == (0, True, True)
    assert desk.run("codex", "setup", "--mode", "command").code == 2
    assert not desk.codex.exists()


def test_nothing_to_undo(desk):
    """Exit 0 and a word."""
    assert "nothing to undo" in desk.undo().err


def test_an_unknown_mode(desk):
    """Exit 2 with those that there are."""
    ran = desk.run("codex", "setup", "--mode", "magic")
    assert ran.code == 2
    assert "file" in ran.err.splitlines()[1]


@pytest.mark.parametrize("mode", ["file", "command"])
@pytest.mark.parametrize("manager", [True, False], ids=["systemd", "cron"])
def test_printing_changes_nothing(desk, mode, manager):
    """All that would be written is shown, but no token, and no file of Codex's, systemd's or ours is made."""
    desk.configure(MINE)
    if not manager:
        desk.environ["PATH"] = str(desk.home)
    ran = desk.setup("--mode", mode, "--print")
    assert desk.bearer not in ran.out + ran.err
    shown = "codex-fetchtoken]" if mode == "command" else "ExecStart=" if manager else "17 */3"
    assert shown in ran.out
    assert "# mine" not in ran.out
    assert desk.config.read_text() == MINE
    assert not desk.auth.exists()
    assert not desk.units.exists()
    assert not desk.state.exists()
    assert desk.asked == []


def test_printing_a_change_of_mode(desk):
    """Lines that would go are shown, too."""
    desk.setup("--mode", "command")
    before = desk.config.read_text()
    ran = desk.setup("--print")
    assert '-model_provider = "codex-fetchtoken"' in ran.out
    assert desk.config.read_text() == before


def test_the_path_of_the_command(tmp_path, monkeypatch):
    """The script that was called, by the name that it was called by; else the one beside the interpreter."""
    script = tmp_path / "codex-fetchtoken"
    script.touch(mode=0o755)
    assert unattended.own_path([str(script)], "") == str(script)
    assert unattended.own_path(["codex-fetchtoken"], str(tmp_path)) == str(script)
    link = tmp_path / "bin" / "codex-fetchtoken"
    link.parent.mkdir()
    link.symlink_to(script)
    assert unattended.own_path([str(link)], "") == str(link)
    assert unattended.own_path(["-c"], "") == COMMAND
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))
    with pytest.raises(unattended.ConfigError):
        unattended.own_path(["-c"], "")
