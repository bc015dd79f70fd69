import re
import shlex
import subprocess

import pytest

from fetchtoken.codex.timer_unit import TIMER, crontab_line, is_ours, unit_texts
from tests.support.need import need_program
from tests.support.units import UNITS, read_unit

ARGV = [
    "/opt/co dex/%h/$x/codex-fetchtoken",
    "--account",
    "a@b.c",
    "sync",
    "--codex-home",
    '/h o/"q"\\é$HOME',
]
ENVIRONMENT = {"CODEX_REMOTE_URL": "https://x.example/%20 y", "CODEX_SSH_COMMAND": "a 'b' \"c\""}


def test_the_package_has_the_units_that_the_repository_shows():
    """One source: what is installed with the package is what stands in systemd/."""
    for kind in ("service", "timer"):
        assert (UNITS / f"{TIMER}.{kind}").is_symlink()
        assert (UNITS / f"{TIMER}.{kind}").resolve().parent.name == "units"


def test_all_but_the_command_stays(tmp_path):
    """The service differs in its command alone, and the timer in nothing."""
    texts = unit_texts(["/x/codex-fetchtoken", "sync"], {})
    assert list(texts) == [f"{TIMER}.service", f"{TIMER}.timer"]
    for name, text in texts.items():
        assert is_ours(text)
        (tmp_path / name).write_text(text)
        ours, packaged = read_unit(tmp_path / name), read_unit(UNITS / name)
        if name.endswith(".service"):
            assert dict(ours["Service"]).pop("ExecStart") == "/x/codex-fetchtoken sync"
            for unit in (ours, packaged):
                unit["Service"] = [pair for pair in unit["Service"] if pair[0] != "ExecStart"]
        assert ours == packaged
    assert not is_ours((UNITS / f"{TIMER}.service").read_text())


def test_systemd_takes_any_path_and_value(tmp_path):
    """Blanks, quotes, specifiers and variables in it: systemd has nothing to say."""
    analyze = need_program("systemd-analyze", "systemd")
    program = tmp_path / "co dex/100%/$x/codex-fetchtoken"
    program.parent.mkdir(parents=True)
    program.symlink_to("/bin/true")
    for name, text in unit_texts([str(program), *ARGV[1:]], ENVIRONMENT).items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [analyze, "--user", "verify", "--man=no", *map(str, tmp_path.glob(f"{TIMER}.*"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_quoting():
    """As systemd.syntax(7) and systemd.service(5) have it."""
    text = unit_texts(ARGV, ENVIRONMENT)[f"{TIMER}.service"]
    exec_start = re.search("^ExecStart=(.*)$", text, re.MULTILINE)[1]
    assert exec_start.startswith('"/opt/co dex/%%h/$x/codex-fetchtoken" --account "a@b.c" sync')
    assert exec_start.endswith(r'"/h o/\"q\"\\é$$HOME"')
    assert 'Environment="CODEX_REMOTE_URL=https://x.example/%%20 y"\n' in text


def test_a_path_with_a_line_break_is_one_word():
    """Nothing in a path begins a line of its own."""
    text = unit_texts(["/x/codex-fetchtoken", "a\nExecStart=/bin/false"], {})[f"{TIMER}.service"]
    assert text.count("\nExecStart=") == 1


def test_another_name_for_another_home():
    """A second Codex home gets units of its own."""
    assert list(unit_texts(["/x"], {}, stem="other")) == ["other.service", "other.timer"]


def as_cron_reads(command):
    """Return what a shell gets: up to a bare per cent sign, and without the backslash before others."""
    read, escaped = "", False
    for char in command:
        if char == "%" and not escaped:
            return read
        read = (read[:-1] if char == "%" else read) + char
        escaped = char == "\\" and not escaped
    return read


@pytest.mark.parametrize("environment", [{}, ENVIRONMENT])
def test_the_line_for_cron(environment):
    """A shell reads the same words from it once cron has taken the backslash before each per cent sign."""
    line = crontab_line(ARGV, environment)
    minute, hour, *_, command = line.split(None, 5)
    assert (minute, hour) == ("17", "*/3")
    words = shlex.split(as_cron_reads(command))
    assert words[-len(ARGV) :] == ARGV
    assert words[: -len(ARGV)] == (
        ["env", *(f"{k}={v}" for k, v in environment.items())] if environment else []
    )


@pytest.mark.parametrize("home", ["/a\\%b", "/a\\\\%b", "/'\\%'%", "%\\"])
def test_a_backslash_before_a_per_cent_sign(home):
    """Cron would take two of them for one of its own, and end the command there."""
    command = crontab_line(["/x", home], {}).split(None, 5)[-1]
    assert shlex.split(as_cron_reads(command)) == ["/x", home]
