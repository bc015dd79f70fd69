"""What ``~/.ssh/config`` adds to what the settings say, and how a jump host is written."""

from pathlib import Path

import pytest

from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.secret import Secret
from fetchtoken.ssh.route import hop_of, itinerary
from fetchtoken.ssh.target import GLOBAL_KNOWN_HOSTS, Place, Target, place_of


def target(home: Path, config: str = "", **more: object) -> Target:
    (home / ".ssh").mkdir(exist_ok=True)
    (home / ".ssh/config").write_text(config)
    given = {"host": "box", "port": 0, "user": "", "peer": "box", "home": str(home), "environ": {}, **more}
    return Target(**given)  # type: ignore[arg-type]


def place(home: Path, config: str = "", **more: object) -> Place:
    return place_of(target(home, config, **more))


def test_without_a_configuration_a_host_is_what_its_name_says(tmp_path: Path):
    """Port 22, the usual known_hosts files, nobody on the way."""
    found = place_of(Target("box", 0, "", "box", str(tmp_path), {}))
    assert (found.host, found.port, found.known_as) == ("box", 22, ("box", 22))
    assert (found.jumps, found.proxy_command) == ((), "")
    assert found.known_hosts == (f"{tmp_path}/.ssh/known_hosts", GLOBAL_KNOWN_HOSTS)
    assert (found.agent, found.only_these, found.key_files) == ("", False, ())


def test_an_alias_says_where_the_host_is(tmp_path: Path):
    """Host name, port and the name under which it is known come from the file."""
    found = place(tmp_path, "Host box\n  HostName box.example\n  Port 2222\n  HostKeyAlias the-box\n")
    assert (found.host, found.port, found.known_as) == ("box.example", 2222, ("the-box", 22))


def test_settings_go_before_the_file(tmp_path: Path):
    """A port of the settings wins."""
    assert place(tmp_path, "Host *\n  Port 2222\n", port=23).port == 23


def test_jump_hosts_come_in_order(tmp_path: Path):
    """A list is kept, ``none`` is none."""
    assert place(tmp_path, "ProxyJump a,me@b:2222\n").jumps == ("a", "me@b:2222")
    assert place(tmp_path, "ProxyJump none\n").jumps == ()


def test_a_proxy_command_has_its_tokens_replaced(tmp_path: Path):
    """Host, port and user stand where their tokens were."""
    found = place(tmp_path, "ProxyCommand nc %h %p 2>/dev/null\n", port=2222)
    assert found.proxy_command == "nc box 2222 2>/dev/null"


def test_known_hosts_files_can_be_named(tmp_path: Path):
    """By the file; the settings' own file stands alone; ``none`` does not mean: trust everybody."""
    named = place(tmp_path, "UserKnownHostsFile ~/one /two\nGlobalKnownHostsFile /three\n")
    assert named.known_hosts == (f"{tmp_path}/one", "/two", "/three")
    assert place(tmp_path, "UserKnownHostsFile /one\n", known_hosts="/mine").known_hosts == ("/mine",)
    assert place(tmp_path, "UserKnownHostsFile none\n").known_hosts[0] == f"{tmp_path}/.ssh/known_hosts"
    assert place(tmp_path, "StrictHostKeyChecking no\n").known_hosts[0] == f"{tmp_path}/.ssh/known_hosts"


def test_only_keys_that_exist_are_offered(tmp_path: Path):
    """The usual names, or those of the file, or the one of the settings alone."""
    (tmp_path / ".ssh").mkdir()
    for name in ("id_rsa", "id_ed25519", "mine"):
        (tmp_path / ".ssh" / name).write_text("")
    ssh = f"{tmp_path}/.ssh"
    assert place(tmp_path).key_files == (f"{ssh}/id_ed25519", f"{ssh}/id_rsa")
    found = place(tmp_path, "IdentityFile ~/.ssh/mine\nIdentityFile /gone\nIdentitiesOnly yes\n")
    assert (found.key_files, found.only_these) == ((f"{ssh}/mine",), True)
    assert place(tmp_path, "IdentityFile none\n").key_files == ()
    alone = place(tmp_path, "IdentityFile ~/.ssh/mine\n", key="/k")
    assert (alone.key_files, alone.only_these) == (("/k",), True)


@pytest.mark.parametrize(
    ("config", "agent"),
    [("", "/env"), ("IdentityAgent /file\n", "/file"), ("IdentityAgent none\n", "")],
)
def test_the_agent_is_the_one_that_is_named(tmp_path: Path, config: str, agent: str):
    """By the file before the environment; ``none`` is none."""
    assert place(tmp_path, config, environ={"SSH_AUTH_SOCK": "/env"}).agent == agent


def test_a_file_without_sense_is_exit_2(tmp_path: Path):
    """The file is named, and how to look at it."""
    with pytest.raises(ConfigError, match=r"^~/\.ssh/config: ") as caught:
        place(tmp_path, "Port twenty-two\n")
    assert "ssh -G" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("jump", "", "jump", 0),
        ("me@jump", "me", "jump", 0),
        ("me@corp@jump:2222", "me@corp", "jump", 2222),
        ("ssh://me@jump:2222", "me", "jump", 2222),
        ("[::1]:2222", "", "::1", 2222),
        ("[::1]", "", "::1", 0),
        ("::1", "", "::1", 0),
    ],
)
def test_a_jump_host_is_read(tmp_path: Path, text: str, user: str, host: str, port: int):
    """User, host and port in every spelling; the target's key and password are not its own."""
    whole = target(tmp_path, key="/key", password=Secret("hunter2"), user="target-user")
    hop = hop_of(whole, text)
    assert (hop.user, hop.host, hop.port, hop.key, hop.password) == (user, host, port, "", None)


@pytest.mark.parametrize("text", ["", "me@", "jump:0", "jump:x", "-oProxyCommand=x", "a;b@jump", "$(x)"])
def test_a_jump_host_that_is_none(tmp_path: Path, text: str):
    """Exit 2, and what was meant is named."""
    with pytest.raises(ConfigError, match=r"^ProxyJump in ~/\.ssh/config: "):
        hop_of(target(tmp_path), text)


def way(home: Path, config: str, **more: object) -> list[str]:
    return [leg.target.host for leg in itinerary(target(home, config, **more))]


@pytest.mark.parametrize(
    ("config", "hosts"),
    [
        ("", ["box"]),
        ("Host box\n  ProxyJump a,b\n", ["a", "b", "box"]),
        ("Host box\n  ProxyJump a\nHost a\n  ProxyJump b\n", ["b", "a", "box"]),
        ("Host box\n  ProxyJump a,b\nHost b\n  ProxyJump c\n", ["a", "b", "box"]),
        ("Host *\n  ProxyJump a\n", ["a", "box"]),
        ("Host *\n  ProxyJump box\n", ["box"]),
    ],
)
def test_the_way_leads_over_jump_hosts(tmp_path: Path, config: str, hosts: list[str]):
    """Their own jump hosts count for the first; one that all hosts shall use is reached straight."""
    assert way(tmp_path, config) == hosts


def test_a_circle_ends(tmp_path: Path):
    """Two hosts that lead to each other are exit 2."""
    with pytest.raises(ConfigError, match="more than 8 hosts"):
        way(tmp_path, "Host box\n  ProxyJump a\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
