"""The unit files: accepted by systemd, closed as tightly as is promised, and right in what matters."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.need import need_program
from tests.support.programs import program
from tests.support.units import UNITS, read_unit

SERVICES = sorted(UNITS.glob("*.service"))
ALL = sorted(path for path in UNITS.iterdir() if path.suffix in (".service", ".socket", ".timer"))
LIMIT_S = 60


def run(*words: str) -> str:
    analyze = need_program("systemd-analyze", "systemd")
    done = subprocess.run(
        [analyze, *words],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={"HOME": "/nobody"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def service(name: str) -> dict[str, str]:
    """Return the last value of each key in ``[Service]``."""
    return dict(read_unit(UNITS / f"{name}.service")["Service"])


def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    """Every key and value is known, and what units name of each other is there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("codex-broker", "codex-fetchtoken"):
        (programs / name).symlink_to("/bin/true")
    for unit in ALL:
        text = re.sub(r"(/opt/codex-broker/bin|%h/\.local/bin)/", f"{programs}/", unit.read_text())
        (tmp_path / unit.name).write_text(text)
    run("verify", "--man=no", *(str(tmp_path / unit.name) for unit in ALL))


@pytest.mark.parametrize("name", ["codex-broker", "codex-broker-backup"])
def test_the_exposure(name: str) -> None:
    """At most 1.5 of 10, by systemd's own account."""
    said = run("security", "--offline=yes", "--no-pager", str(UNITS / f"{name}.service"))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= 1.5


def test_what_keeps_exchanges_alive() -> None:
    """Neither a stop nor the kernel's want of memory takes an exchange process along."""
    broker = service("codex-broker")
    wanted = {"KillMode": "process", "OOMPolicy": "continue", "TimeoutStopSec": "45", "Restart": "always"}
    assert {key: broker[key] for key in wanted} == wanted
    assert service("codex-fetchtoken-refresh")["KillMode"] == "process"


def test_the_home_and_the_key() -> None:
    """The home is the service's own and closed; the key is root's and passed as a credential."""
    broker = service("codex-broker")
    assert broker["Type"] == "notify"
    assert (broker["StateDirectory"], broker["StateDirectoryMode"]) == ("codex-broker", "0700")
    assert broker["LoadCredential"] == "master.key:/etc/codex-broker/master.key"
    assert int(broker["WatchdogSec"]) >= 10


@pytest.mark.parametrize(
    "unit", [unit for unit in ALL if unit.suffix == ".timer"], ids=lambda unit: unit.stem
)
def test_timers_are_spread_and_catch_up(unit: Path) -> None:
    """Not all machines of a team at the same minute, and a laptop that slept does it when it wakes."""
    timer = dict(read_unit(unit)["Timer"])
    assert timer["Persistent"] == "true"
    assert timer["RandomizedDelaySec"]
    assert unit.with_suffix(".service").exists()
    run("calendar", timer["OnCalendar"])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_command_lines_in_units_are_the_programs_own(unit: Path) -> None:
    """Each command, and each option with it, is one that the program's help shows."""
    words = [word.strip("\"'") for word in service(unit.stem)["ExecStart"].split()]
    at = next(number for number, word in enumerate(words) if "/bin/codex-" in word)
    name, command, *rest = words[at:]
    done = subprocess.run(
        [program(Path(name).name), command, "--help"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    for option in (word for word in rest if word.startswith("--")):
        assert f"{option} " in done.stdout
