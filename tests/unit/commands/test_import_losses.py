"""No import costs the only refresh token of a login: by a newer copy, a crash, another command."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from fetchtoken.files.lock import open_locked
from tests.support.command import Ran, World
from tests.support.tokens import AUTH, jwt
from tests.support.tool_files import put, tool_document

ADA = "ada@example.com"
_PATIENCE_S = 20.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def fresh(**claims) -> str:
    return jwt(**{"email": ADA, **claims})


def held(world: World, name: str = "ada") -> dict:
    return json.loads((world.home / ".codex" / "accounts" / f"{name}.json").read_text())


def left_by(world: World) -> list[str]:
    accounts = world.home / ".codex" / "accounts"
    return sorted(path.name for path in accounts.glob("*.json*") if not path.name.endswith(".lock"))


def test_an_older_copy_with_the_only_refresh_token_is_not_neutralised(world: World):
    """Exit 8: the newest copy holds an access token only, so the login would be nowhere."""
    tools = world.home / "tools"
    put(tools / "a.json", tool_document("codex", fresh(age_s=10)))
    whole = put(tools / "b.json", tool_document("codex", fresh(age_s=500), "rt_only"))
    before = whole.read_bytes()
    ran = world.run("import", str(tools), "--neutralise")
    assert ran.code == 8
    assert f"{whole} holds the refresh token" in ran.err
    assert whole.read_bytes() == before
    assert left_by(world) == []
    assert world.run("import", str(whole), "--neutralise").code == 0
    assert held(world)["tokens"]["refresh_token"] == "rt_only"


def test_among_several_users_only_that_login_is_left_alone(world: World):
    """The others come in; a note names the file."""
    tools = world.home / "tools"
    put(tools / "a.json", tool_document("codex", fresh(age_s=10)))
    whole = put(tools / "b.json", tool_document("codex", fresh(age_s=500), "rt_only"))
    eve = fresh(account_id="acct-2", email="eve@example.com")
    put(tools / "c.json", tool_document("codex", eve, "rt_eve", account_id="acct-2"))
    ran = world.run("import", str(tools), "--neutralise")
    assert (ran.code, ran.out) == (0, "imported eve\n"), ran
    assert "left alone: " in ran.err
    assert "rt_only" in whole.read_text()


def test_what_cannot_be_rendered_is_known_before_the_first_file_is_rewritten(world: World):
    """Exit 8 with every source as it was, and nothing put by that could be used beside them."""
    access = fresh()
    tools = world.home / "tools"
    first = put(tools / "a.json", tool_document("codex", access, "rt_secret-1"))
    twice = {**tool_document("cliproxy", access, "rt_secret-1"), "backup": "rt_secret-1"}
    put(tools / "b.json", twice)
    before = first.read_bytes()
    ran = world.run("import", str(tools), "--neutralise")
    assert (ran.code, "in a second place" in ran.err) == (8, True), ran
    assert first.read_bytes() == before
    assert left_by(world) == []


def test_a_newer_login_that_was_put_by_is_not_forgotten_for_an_older_copy(world: World):
    """What a stopped run put by may be in no other file any more."""
    waiting = put(
        world.home / ".codex" / "accounts" / "ada.json.import",
        tool_document("codex", fresh(age_s=10), "rt_new"),
    )
    older = put(world.home / "b.json", tool_document("codex", fresh(age_s=500), "rt_old"))
    ran = world.run("import", str(older))
    assert (ran.code, ran.out) == (0, "imported ada\n"), ran
    assert held(world)["tokens"]["refresh_token"] == "rt_new"
    assert not waiting.exists()
    assert "rt_old" in older.read_text(), "nobody asked to neutralise it"


def test_what_was_put_by_for_another_user_of_that_name_stays(world: World):
    """The name was given away meanwhile; the login is not."""
    waiting = put(
        world.home / ".codex" / "accounts" / "ada.json.import",
        tool_document("codex", fresh(account_id="acct-2"), "rt_other", account_id="acct-2"),
    )
    accounts = waiting.parent
    put(accounts / "ada.json", tool_document("codex", fresh(age_s=500), "rt_old"))
    newer = put(world.home / "b.json", tool_document("codex", fresh(age_s=10), "rt_new"))
    assert world.run("import", str(newer)).code == 0
    assert held(world)["tokens"]["refresh_token"] == "rt_new"
    assert "rt_other" in waiting.read_text()


@pytest.mark.parametrize("words", [[], ["--neutralise"]])
def test_an_account_made_meanwhile_is_not_overwritten(world: World, words: list[str]):
    """Another command took the name between our look and our lock: exit 5, and both logins are there."""
    source = put(world.home / "a" / "auth.json", tool_document("codex", fresh(), "rt_1"))
    account = world.home / ".codex" / "accounts" / "ada.json"
    account.parent.mkdir(parents=True, mode=0o700)
    lock = open_locked(f"{account}.lock", time.monotonic() + _PATIENCE_S)
    done: list[Ran] = []
    importing = threading.Thread(target=lambda: done.append(world.run("import", str(source), *words)))
    importing.start()
    _wait_until_held(Path(f"{source}.lock"))
    other = fresh(account_id="acct-2")
    put(account, tool_document("codex", other, "rt_other", account_id="acct-2"))
    os.close(lock)
    importing.join(_PATIENCE_S)
    assert done[0].code == 5, done
    assert "import it again" in done[0].err
    assert held(world)["tokens"]["refresh_token"] == "rt_other"
    assert "rt_1" in source.read_text()
    assert left_by(world) == ["ada.json"]
    assert world.run("import", str(source), *words).out == "imported ada-2\n"


def _wait_until_held(lock: Path) -> None:
    """Return once somebody else holds a lock: by then the command knows where the login shall go."""
    import fcntl

    end_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end_s:
        if lock.exists():
            with lock.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
        time.sleep(0.01)
    pytest.fail(f"nobody took {lock}")


def test_a_login_that_does_not_name_its_user_replaces_none_that_does(world: World):
    """A workspace has many members: exit 8, for the one that is held would be lost."""
    put(
        world.home / ".codex" / "accounts" / "ada.json",
        tool_document("codex", fresh(age_s=500), "rt_ada"),
    )
    nobody = fresh(age_s=10, **{AUTH: {"chatgpt_account_id": "acct-1"}})
    source = put(world.home / "b.json", tool_document("codex", nobody, "rt_nobody"))
    ran = world.run("import", str(source))
    assert (ran.code, "does not say which user" in ran.err) == (8, True), ran
    assert held(world)["tokens"]["refresh_token"] == "rt_ada"


def test_other_keys_of_a_neutralised_codex_file_stay(world: World):
    """Its API key, and what nobody here knows; not what belonged to the login."""
    document = tool_document("codex", fresh(), "rt_1") | {"OPENAI_API_KEY": "sk-1", "note": {"a": 1}}
    document["tokens"]["oauth_provenance"] = {"issuer": "https://issuer.example", "client_id": "app"}
    source = put(world.home / "a.json", document)
    assert world.run("import", str(source), "--neutralise").code == 0
    after = json.loads(source.read_text())
    assert (after["OPENAI_API_KEY"], after["note"]) == ("sk-1", {"a": 1})
    assert sorted(after["tokens"]) == ["access_token", "account_id", "id_token", "refresh_token"]
