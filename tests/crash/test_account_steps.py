"""``use``, ``rename`` and ``logout`` killed before each of their steps: no login is lost, none left half."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fetchtoken.codex.local_attempt import attempt_path, begin
from fetchtoken.domain.secret import Secret
from tests.support.command import World
from tests.support.logins import write_auth
from tests.support.tokens import jwt

CASES = {
    "use work, in the place of a login": ("use", "work"),
    "use work, in the place of a newer generation of it": ("use", "work"),
    "use work, in the place of a link": ("use", "work"),
    "use work, in the place of a link to elsewhere": ("use", "work"),
    "rename work, not in use": ("rename", "work", "office"),
    "rename work, in use": ("rename", "work", "office"),
    "rename work, a link": ("rename", "work", "office"),
}


def in_doubt(path: Path, refresh: str) -> None:
    """Leave an attempt file that says: made, and nothing more is known."""
    os.close(begin(attempt_path(str(path)), Secret(refresh), replay=False))


def made(root: Path, case: str) -> Path:
    """Return a home as the case wants it."""
    home = root / "template"
    codex = home / ".codex"
    auth, work, home_login = codex / "auth.json", codex / "accounts/work.json", codex / "accounts/home.json"
    write_auth(work, jwt(age_s=500, email="w@example.com"), refresh="rt_work")
    in_doubt(work, "rt_work")
    if case.endswith("place of a login"):
        write_auth(auth, jwt(account_id="acct-2", email="ann@example.com"), refresh="rt_ann")
        in_doubt(auth, "rt_ann")
    elif "newer generation" in case:
        write_auth(auth, jwt(age_s=10, email="w@example.com"), refresh="rt_newer")
        in_doubt(auth, "rt_newer")
    elif case.endswith("place of a link"):
        write_auth(home_login, jwt(account_id="acct-2"), refresh="rt_home")
        auth.symlink_to("accounts/home.json")
    elif "elsewhere" in case:
        write_auth(
            home / "dotfiles/auth.json", jwt(account_id="acct-2", email="d@example.com"), refresh="rt_dot"
        )
        auth.symlink_to("../dotfiles/auth.json")
    elif case.endswith("a link"):
        work.rename(home / "real.json")
        work.with_name("work.json.attempt").rename(home / "real.json.attempt")
        work.symlink_to("../../real.json")
    if case.startswith("rename") and "not in use" not in case:
        auth.symlink_to("accounts/work.json")
    return home


def held(home: Path) -> dict[str, list[Path]]:
    """Return the real files that hold each refresh token; backups that were put aside do not count."""
    found: dict[str, list[Path]] = {}
    for path in home.rglob("*.json"):
        if not path.is_symlink():
            found.setdefault(json.loads(path.read_text())["tokens"]["refresh_token"], []).append(path)
    return found


def doubts(home: Path) -> dict[str, bool]:
    """Return for each refresh token whether an attempt file lies beside its file."""
    return {
        token: any(Path(attempt_path(str(path))).exists() for path in paths)
        for token, paths in held(home).items()
    }


def killed_and_whole(template: Path, out: Path, *words: str, **environ: str) -> tuple[list[Path], Path]:
    """Return the homes in which a command was killed, step by step, and the one where it was not."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.file_steps", template, out, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr
    *killed, whole = sorted(out.iterdir())
    assert len(killed) + 1 == int(done.stdout) >= 2
    return killed, whole


@pytest.mark.parametrize("case", CASES)
def test_a_kill_before_any_step_loses_no_login_and_the_next_run_finishes(tmp_path, case):
    """No token is gone or twice there, doubts stay beside theirs, and the next run comes to the same end."""
    words = CASES[case]
    template = made(tmp_path, case)
    before, before_doubts = set(held(template)), doubts(template)
    killed, whole = killed_and_whole(template, tmp_path / "out", *words)
    wanted, wanted_doubts = set(held(whole)), doubts(whole)
    for home in killed:
        now = held(home)
        assert set(now) | set(asides(home)) >= before, home
        assert all(len({path.stat().st_ino for path in paths}) == 1 for paths in now.values()), home
        assert [token for token, doubt in doubts(home).items() if doubt < before_doubts[token]] == [], home
        world = World(tmp_path / "again" / home.name)
        world.environ["HOME"] = str(home)
        ran = world.run(*words)
        if ran.code == 4 and words[0] == "use":
            assert "rt_work" in asides(home), home  # an older copy, put aside; its successor is in use still
            continue
        assert ran.code == 0 or (ran.code == 4 and words[0] == "rename"), (home, ran)  # moved by then
        assert set(held(home)) == wanted, home
        assert doubts(home) == wanted_doubts, home
        assert os.path.realpath(home / ".codex/auth.json").removeprefix(str(home)) == os.path.realpath(
            whole / ".codex/auth.json"
        ).removeprefix(str(whole))


def asides(home: Path) -> list[str]:
    """Return the tokens of the files that were put aside."""
    return [json.loads(path.read_text())["tokens"]["refresh_token"] for path in home.rglob("*.backup")]


@pytest.mark.parametrize("words", [("logout",), ("logout", "work"), ("logout", "work", "--keep-grant")])
def test_a_logout_that_is_killed_is_finished_by_the_next(tmp_path, issuer, words):
    """Until its file is gone the login has its doubt and can be found; then nothing leads to it."""
    template = tmp_path / "template"
    work = template / ".codex/accounts/work.json"
    login = issuer.mint()
    work.parent.mkdir(parents=True)
    login.write(work)
    in_doubt(work, login.refresh_token)
    (template / ".codex/auth.json").symlink_to("accounts/work.json")
    revoke = {"CODEX_REVOKE_TOKEN_URL_OVERRIDE": issuer.revoke_url}
    killed, whole = killed_and_whole(template, tmp_path / "out", *words, **revoke)
    for home in killed:
        file = home / ".codex/accounts/work.json"
        assert not file.is_file() or Path(f"{file}.attempt").exists()
        had = file.is_file()
        world = World(tmp_path / "again" / home.name)
        world.environ.update(HOME=str(home), **revoke)
        assert world.run("logout", "work", *words[2:]).code == (0 if had else 4)
    for home in (*killed, whole):
        left = [path.name for path in home.rglob("*") if path.is_symlink() or path.suffix == ".json"]
        assert left == [], home
    assert bool(issuer.login(login.login_id)["revoked"]) is ("--keep-grant" not in words)
