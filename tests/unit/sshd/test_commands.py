"""The front door's command lines: what each means, and that everything else is refused in words."""

import random
import shlex

import pytest

from broker.sshd.commands import HELP, Command, parse_command
from fetchtoken.domain.errors import ConfigError
from fetchtoken.options import FORMATS, SHELLS


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("token", Command(verb="token")),
        ("token work", Command(verb="token", account="work")),
        ("token work --format json", Command(verb="token", account="work", form="json")),
        ("token --format=json work", Command(verb="token", account="work", form="json")),
        ("token -f json --account=work", Command(verb="token", account="work", form="json")),
        ("token -fjson -awork", Command(verb="token", account="work", form="json")),
        ("token --format env --shell fish", Command(verb="token", form="env", shell="fish")),  # noqa: S604 - a field
        ("token --min-valid 864000", Command(verb="token", min_valid_s=864_000)),
        ("token --format json --format header", Command(verb="token", form="header")),
        ("  token   'work'  ", Command(verb="token", account="work")),
        ("codex-fetchtoken", Command(verb="token")),
        ("codex-fetchtoken --format json", Command(verb="token", form="json")),
        (
            "codex-fetchtoken --format json --account 'me@home' --min-valid 600",
            Command(verb="token", form="json", account="me@home", min_valid_s=600),
        ),
        ("~/.local/bin/codex-fetchtoken -f json", Command(verb="token", form="json")),
        ("'/opt/a b/codex-fetchtoken' -a work", Command(verb="token", account="work")),
        ("cat ~/.codex/auth.json", Command(verb="token", form="auth-json")),
        ('cat "$HOME/.codex/auth.json" 2>/dev/null', Command(verb="token", form="auth-json")),
        ("cat ${CODEX_HOME:-~/.codex}/auth.json", Command(verb="token", form="auth-json")),
        ("cat auth.json", Command(verb="token", form="auth-json")),
        ("accounts", Command(verb="accounts")),
        ("accounts --json", Command(verb="accounts", as_json=True)),
        ("whoami", Command(verb="whoami")),
        ("whoami --json", Command(verb="whoami", as_json=True)),
        ("", Command(verb="help")),
        ("help", Command(verb="help")),
        ("-h", Command(verb="help")),
        ("token --help", Command(verb="help")),
        ("codex-fetchtoken --help", Command(verb="help")),
    ],
)
def test_a_command_line_means(line, command):
    """Options come in every form that the command itself takes, the last one wins."""
    assert parse_command(line) == command


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ls", "no command 'ls' here"),
        ("sh -c id", "no command 'sh' here"),
        ("/bin/token", "no command '/bin/token' here"),
        ("token; id", "no command 'token;' here"),
        ("scp -t /tmp", "no command 'scp' here"),
        ("cat", "no files here but ~/.codex/auth.json"),
        ("cat /etc/passwd", "no files here but ~/.codex/auth.json"),
        ("cat ~/.codex/auth.json /etc/passwd", "no files here but ~/.codex/auth.json"),
        ("cat ~/.codex/auth.json; id", "no files here but ~/.codex/auth.json"),
        ("cat ~/.codex/auth.json.backup", "no files here but ~/.codex/auth.json"),
        ("cat 2>/dev/null", "no files here but ~/.codex/auth.json"),
        ("command -v codex-fetchtoken", "no command 'command' here"),
        ("token 'work", "quotes in the command do not match"),
        ("token work home", "'home' is one word too many"),
        ("token work; id", "'id' is one word too many"),
        ("token work;", "name 'work;' is not allowed"),
        ("token $(id)", "name '\\$\\(id\\)' is not allowed"),
        ("token Work", "account name 'Work' is not allowed"),
        ("token device", "account name 'device' is reserved"),
        ("codex-fetchtoken work", "'work' is one word too many"),
        ("codex-fetchtoken --source local", "no option '--source' here"),
        ("codex-fetchtoken -v", "no option '-v' here"),
        ("token --json", "no option '--json' here"),
        ("token --", "no option '--' here"),
        ("token --format", "--format needs a value"),
        ("token -f", "-f needs a value"),
        ("token --format xml", "--format 'xml' is not known"),
        ("token --format ''", "--format '' is not known"),
        ("token --format=", "--format '' is not known"),
        ("token --shell csh", "--shell 'csh' is not known"),
        ("token --min-valid soon", "--min-valid must be 0 to 864000 seconds"),
        ("token --min-valid -1", "--min-valid must be 0 to 864000 seconds"),
        ("token --min-valid 864001", "--min-valid must be 0 to 864000 seconds"),
        ("token --min-valid ٣", "--min-valid must be 0 to 864000 seconds"),
        ("accounts work", "accounts takes --json and nothing else"),
        ("whoami --json --json", "whoami takes --json and nothing else"),
        ("token " + "a" * 4096, "longer than 4096 characters"),
    ],
)
def test_another_line_is_refused(line, said):
    """What is wrong is said in one short line, with a hint; no line is ever given to a shell."""
    with pytest.raises(ConfigError, match=said) as caught:
        parse_command(line)
    assert caught.value.hint
    assert len(caught.value.message) < 120


def test_the_help_names_every_format_and_shell():
    """What there is stands in the help, in lines that fit."""
    assert all(word in HELP for word in (*FORMATS, *SHELLS, "accounts", "whoami", "--min-valid"))
    assert max(map(len, HELP.splitlines())) <= 80


def test_any_line_means_something_or_is_refused():
    """Over seeded lines of good and bad pieces nothing comes but a command or the declared error."""
    chance = random.Random(5)
    words = "token accounts whoami help --format json -f env -a work ' \" \\ $(id) \x00 \n é"
    pieces = [*words.split(" "), ""]
    meant = 0
    for _ in range(5000):
        line = " ".join(chance.choices(pieces, k=chance.randrange(6)))
        try:
            command = parse_command(line)
        except ConfigError:
            continue
        meant += 1
        assert command.form in FORMATS
    assert meant > 100


def test_words_that_were_quoted_for_a_shell_come_back():
    """Whatever account name a client quotes is the name that is looked up."""
    for name in ("work", "me@example.com", "a+b", "0_0.x-y"):
        assert parse_command(f"codex-fetchtoken --account {shlex.quote(name)}").account == name
        assert parse_command(f"codex-fetchtoken --account '{name}'").account == name
