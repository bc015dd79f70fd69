import json
import os
from pathlib import Path

import pytest

from fetchtoken.codex.local_attempt import begin
from fetchtoken.domain.secret import Secret
from fetchtoken.formats.codex import ACCESS_ONLY
from fetchtoken.logins import reading
from fetchtoken.oauth.journal import append
from tests.support.command import World
from tests.support.tokens import jwt
from tests.support.tool_files import ABLE, TOOLS, put, tool_document

ADA = "ada@example.com"
PLACES = {
    "codex": ".codex/auth.json",
    "cliproxy": ".ccs/cliproxy/auth/codex-ada.json",
    "opencode": ".local/share/opencode/auth.json",
    "codex-lb": "export.json",
    "llm-interactive-proxy": "var/openai_codex_oauth_accounts/proxy-name.json",
    "codex-multi-auth": ".codex/multi-auth/openai-codex-accounts.json",
    "blob": "blob.json",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def fresh(**claims) -> str:
    return jwt(**{"email": ADA, **claims})


def imports(world: World, *words: str, stdin: str = "") -> list[dict]:
    ran = world.run("import", *words, "--json", stdin=stdin)
    assert ran.code == 0, ran
    return json.loads(ran.out)


def held(world: World, name: str = "ada") -> dict:
    path = world.home / ".codex" / "accounts" / f"{name}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    return json.loads(path.read_text())


@pytest.mark.parametrize("form", TOOLS)
def test_a_login_of_every_tool_comes_in(world: World, form: str):
    """Its tokens stand in a Codex file of the account's own, the source as it was, the holder named."""
    access = fresh()
    source = put(world.home / PLACES[form], tool_document(form, access, "rt_1"))
    before = source.read_bytes()
    ran = world.run("import", str(source))
    name = "proxy-name" if form == "llm-interactive-proxy" else "ada"
    assert (ran.code, ran.out) == (0, f"imported {name}\n"), ran
    document = held(world, name)
    assert (document["auth_mode"], document["tokens"]["access_token"]) == ("chatgpt", access)
    assert (document["tokens"]["refresh_token"], document["tokens"]["account_id"]) == ("rt_1", "acct-1")
    assert source.read_bytes() == before
    assert f"still holds the refresh token of {name} ({source})" in ran.err
    assert ("--neutralise" in ran.err) == (form in ABLE)
    assert access not in ran.out + ran.err
    assert world.run("--account", name).out == access + "\n"


@pytest.mark.parametrize("form", ABLE)
def test_a_neutralised_source_keeps_an_access_token_only(world: World, form: str):
    """One program can refresh from then on; the tool's other keys stay, and again there is nothing to do."""
    access = fresh()
    source = put(world.home / PLACES[form], tool_document(form, access, "rt_1"))
    before = json.loads(source.read_text())
    (imported,) = imports(world, str(source), "--neutralise")
    assert imported["neutralised"] == [str(source)]
    assert held(world, imported["account"])["tokens"]["refresh_token"] == "rt_1"
    after = source.read_text()
    assert "rt_1" not in after
    assert access in after
    assert source.stat().st_mode & 0o777 == 0o600
    for key in ("proxy_url", "anthropic", "token_type"):
        assert json.loads(after).get(key) == before.get(key)
    assert list(source.parent.glob("*.json*")) == [
        path for path in source.parent.glob("*.json*") if path.name in (source.name, source.name + ".lock")
    ]
    (again,) = imports(world, str(source), "--neutralise")
    assert (again["changed"], again["neutralised"]) == (False, [])
    assert source.read_text() == after


@pytest.mark.parametrize("form", sorted(set(TOOLS) - set(ABLE)))
def test_a_format_without_an_access_only_form_is_not_neutralised(world: World, form: str):
    """Exit 2 before anything is written, with the reason and what to do instead."""
    source = put(world.home / PLACES[form], tool_document(form, fresh(), "rt_1"))
    ran = world.run("import", str(source), "--neutralise")
    assert ran.code == 2
    assert "cannot be made access-only" in ran.err
    assert "import it without --neutralise; " in ran.err
    assert not (world.home / ".codex" / "accounts").exists()


def test_the_newest_of_several_copies_is_taken(world: World):
    """By iat; the others are listed with their tools, and neutralised, too, where that is asked for."""
    old, new = fresh(age_s=500), fresh(age_s=100)
    tools = world.home / "tools"
    put(tools / "a.json", tool_document("codex", old, "rt_old"))
    newest = put(tools / "ccs" / "codex-b.json", tool_document("cliproxy", new, "rt_new"))
    put(tools / "c" / "auth.json", tool_document("opencode", old, "rt_old"))
    (imported,) = imports(world, str(tools))
    assert (imported["source"], imported["format"]) == (str(newest), "cliproxy")
    assert imported["duplicates"] == [str(tools / "a.json"), str(tools / "c" / "auth.json")]
    assert held(world)["tokens"]["refresh_token"] == "rt_new"
    (again,) = imports(world, str(tools), "--neutralise")
    assert sorted(again["neutralised"]) == sorted(
        map(str, (tools / "a.json", newest, tools / "c" / "auth.json"))
    )
    assert all("rt_" not in path.read_text() for path in tools.rglob("*.json"))


def test_neighbours_in_a_directory_are_passed_over(world: World):
    """Registries, backups, locks and files of other programs; another provider's login is told."""
    home = world.home / ".codex"
    put(home / "auth.json", tool_document("codex", fresh(), "rt_1"))
    key = put(
        home / "accounts" / "YWNjdC0y.auth.json", tool_document("codex", fresh(account_id="acct-2"), "rt_2")
    )
    for name in (
        "accounts/registry.json",
        "accounts/auth.json.bak.20260101",
        "accounts/x.bak.json",
        "version.json",
    ):
        put(home / name, {"version": 3, "accounts": [], "active_account_id": "x"})
    put(home / "accounts" / "x.refresh.lock", {})
    put(home / "claude.json", {"type": "claude", "access_token": "x"})
    ran = world.run("import", str(home))
    assert (ran.code, ran.out) == (0, "imported ada\nimported ada-2\n"), ran
    assert ran.err.count("skipped") == 1
    assert f"skipped {home}/claude.json: holds a login of claude, not a ChatGPT login" in ran.err
    assert key.exists()


def test_a_directory_is_read_as_deep_as_tools_lay_it_out(world: World):
    """Its own files and those of the directories right in it, no deeper, no link followed out of it."""
    for place in ("a.json", "one/b.json", "one/two/c.json"):
        account = "acct-" + Path(place).stem
        login = tool_document("codex", fresh(account_id=account), "rt_" + account, account_id=account)
        put(world.home / "tools" / place, login)
    outside = world.home / "outside"
    put(outside / "d.json", tool_document("codex", fresh(account_id="acct-d"), "rt_d"))
    (world.home / "tools" / "link").symlink_to(outside)
    assert [one["account_id"] for one in imports(world, str(world.home / "tools"))] == ["acct-a", "acct-b"]


def test_ccs_names_and_paused_accounts_are_known(world: World):
    """The nickname of its list, and the directory that means disabled."""
    root = world.home / ".ccs" / "cliproxy"
    put(root / "auth-paused" / "codex-x.json", tool_document("cliproxy", fresh(), "rt_1"))
    accounts = {"id": {"nickname": "John", "tokenFile": "codex-x.json"}}
    put(root / "accounts.json", {"version": 1, "providers": {"codex": {"accounts": accounts}}})
    ran = world.run("import", str(root))
    assert ran.out == "imported john\n"
    assert "note: john was disabled in CCS\n" in ran.err


@pytest.mark.parametrize(
    "list_", ["{", "[]", '{"providers": 7}', '{"providers":{"codex":{"accounts":{"a":1}}}}']
)
def test_a_broken_list_of_names_stops_nothing(world: World, list_: str):
    """A name is only a help."""
    root = world.home / ".ccs" / "cliproxy"
    put(root / "auth" / "codex-x.json", tool_document("cliproxy", fresh(), "rt_1"))
    (root / "accounts.json").write_text(list_)
    assert world.run("import", str(root / "auth" / "codex-x.json")).out == "imported ada\n"


def test_a_scorpiox_accounts_name_stays(world: World):
    """The file's own name, unless it is taken by somebody else's account."""
    source = put(world.home / "old" / "accounts" / "boss.json", tool_document("codex", fresh(), "rt_1"))
    assert imports(world, str(source))[0]["account"] == "boss"
    other = put(
        world.home / "other" / "accounts" / "boss.json",
        tool_document("codex", fresh(account_id="acct-2", email="eve@example.com"), "rt_2"),
    )
    assert imports(world, str(other))[0]["account"] == "eve"


def test_an_account_of_ones_own_is_not_imported_into_itself(world: World):
    """By its own name or by a link to it: it is there already, and never made access-only."""
    own = put(world.home / ".codex" / "accounts" / "work.json", tool_document("codex", fresh(), "rt_1"))
    link = world.home / ".codex" / "auth.json"
    link.symlink_to(own)
    before = own.read_bytes()
    for source in (own, link, own.parent.parent):
        (imported,) = imports(world, str(source), "--neutralise")
        assert (imported["account"], imported["changed"], imported["neutralised"]) == ("work", False, [])
    assert own.read_bytes() == before


def test_newer_replaces_older_and_never_the_other_way_round(world: World):
    """Exit 2 for an old copy; among several it is left alone with a note."""
    older, newer = (
        put(world.home / f"{age}" / "auth.json", tool_document("codex", fresh(age_s=age), f"rt_{age}"))
        for age in (500, 100)
    )
    imports(world, str(older))
    assert imports(world, str(newer))[0]["changed"]
    assert held(world)["tokens"]["refresh_token"] == "rt_100"
    ran = world.run("import", str(older))
    assert ran.code == 2
    assert f"{older} is an old copy: account ada holds a newer login of the same user" in ran.err
    put(older.parent / "b.json", tool_document("codex", fresh(account_id="acct-2"), "rt_b"))
    ran = world.run("import", str(older.parent))
    assert (ran.code, ran.out) == (0, "imported ada-2\n")
    assert "note: left alone: " in ran.err
    assert held(world)["tokens"]["refresh_token"] == "rt_100"


def test_a_refresh_token_is_never_replaced_by_an_access_token_alone(world: World):
    """Exit 8, since the login would be lost; an older one is simply nothing new."""
    imports(world, str(put(world.home / "a.json", tool_document("codex", fresh(age_s=100), "rt_1"))))
    ran = world.run("import", str(put(world.home / "b.json", tool_document("codex", fresh()))))
    assert ran.code == 8
    assert "which would be lost" in ran.err
    (same,) = imports(world, str(put(world.home / "c.json", tool_document("codex", fresh(age_s=300)))))
    assert not same["changed"]
    assert held(world)["tokens"]["refresh_token"] == "rt_1"


def test_access_only_logins_come_in_and_say_so(world: World):
    """No refresh token: the file is Codex's access-only form, and the note says when it ends."""
    ran = world.run("import", str(put(world.home / "a.json", tool_document("opencode", fresh()))))
    assert "note: ada has no refresh token: it ends 20" in ran.err
    assert held(world)["auth_mode"] == ACCESS_ONLY


@pytest.mark.parametrize("name", ["Work", "device", "x.auth", "registry"])
def test_a_name_that_cannot_be_an_account(world: World, name: str):
    """Exit 2: not allowed, or another tool's file."""
    source = put(world.home / "a.json", tool_document("codex", fresh(), "rt_1"))
    assert world.run("import", str(source), "--name", name).code == 2
    assert not (world.home / ".codex" / "accounts").exists()


def test_a_name_belongs_to_one_user(world: World):
    """Exit 2 for another account's name, for a second name of one user, for one name for several."""
    a = put(world.home / "in" / "a.json", tool_document("codex", fresh(), "rt_1"))
    b = put(world.home / "in" / "b.json", tool_document("codex", fresh(account_id="acct-2"), "rt_2"))
    assert imports(world, str(a), "--name", "work")[0]["account"] == "work"
    taken = world.run("import", str(b), "--name", "work")
    assert (taken.code, "work.json holds another account" in taken.err) == (2, True)
    second = world.run("import", str(a), "--name", "other")
    assert (second.code, "belongs to the same user as account work" in second.err) == (2, True)
    several = world.run("import", str(a.parent), "--name", "one")
    assert (several.code, "--name fits one login" in several.err) == (2, True)


def test_standard_input_is_a_source(world: World):
    """Whole files come by it; what has no place cannot be made access-only."""
    text = json.dumps(tool_document("codex-lb", fresh(), "rt_1"))
    ran = world.run("import", "-", stdin=text)
    assert (ran.code, ran.out) == (0, "imported ada\n")
    assert "codex-lb still holds the refresh token of ada (standard input)" in ran.err
    assert "--neutralise" not in ran.err
    assert world.run("import", "-", "--neutralise", stdin=text).code == 2


@pytest.mark.parametrize(
    ("document", "code", "says"),
    [
        ({"OPENAI_API_KEY": "sk-1"}, 3, "an API key"),
        ({"type": "gemini", "access_token": "x"}, 3, "a login of gemini"),
        ({"tokens": {"access_token": "opaque", "refresh_token": "rt_1"}}, 2, "which account it belongs to"),
        ({"name": "x"}, 7, "no login file of a tool known here"),
    ],
)
def test_what_is_no_login_ends_with_its_kind(world: World, document: dict, code: int, says: str):
    """By name of the file, and nothing is written."""
    ran = world.run("import", str(put(world.home / "x.json", document)))
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert not (world.home / ".codex" / "accounts").exists()


def test_a_torn_file_among_others_stops_before_anything_is_written(world: World):
    """It may be somebody's login, so a person must look."""
    put(world.home / "in" / "a.json", tool_document("codex", fresh(), "rt_1"))
    put(world.home / "in" / "b.json", {}).write_text('{"tokens": {"acc')
    ran = world.run("import", str(world.home / "in"))
    assert (ran.code, f"{world.home}/in/b.json is not JSON" in ran.err) == (7, True)
    assert not (world.home / ".codex" / "accounts").exists()


def test_a_login_that_others_can_read_is_unsafe(world: World):
    """Given by name or met in a directory; other files' modes do not matter."""
    source = put(world.home / "in" / "a.json", tool_document("codex", fresh(), "rt_1"))
    source.chmod(0o640)
    put(world.home / "in" / "package.json", {"name": "x"}).chmod(0o644)
    for place in (source, source.parent):
        ran = world.run("import", str(place))
        assert (ran.code, f"hint: chmod 600 {source}" in ran.err) == (8, True)


@pytest.mark.parametrize("words", [["nothing.json"], ["empty"]])
def test_nothing_there_is_not_found(world: World, words: list[str]):
    """Exit 4 for no file, and for a directory without logins."""
    (world.home / "project" / "empty").mkdir()
    assert world.run("import", *words).code == 4


def test_a_hard_linked_source_is_not_neutralised(world: World):
    """Exit 8 before anything is stored: its other name would keep the refresh token."""
    source = put(world.home / "a.json", tool_document("cliproxy", fresh(), "rt_1"))
    (world.home / "b").hardlink_to(source)
    assert world.run("import", str(source), "--neutralise").code == 8
    assert not list((world.home / ".codex").glob("accounts/*.json"))


def test_an_unsettled_source_is_not_neutralised(world: World):
    """Its token may be spent: an attempt that ended without an answer lies beside it."""
    source = put(world.home / "a.json", tool_document("codex", fresh(), "rt_1"))
    attempt = begin(str(source) + ".attempt", Secret("rt_1"), replay=False)
    append(attempt, "sending", {}, attempt="a.json.attempt")
    os.close(attempt)
    before = source.read_bytes()
    ran = world.run("import", str(source), "--neutralise")
    assert (ran.code, "is not settled yet" in ran.err) == (5, True)
    assert source.read_bytes() == before


def test_a_second_place_of_the_refresh_token_is_noticed(world: World):
    """A rewritten file that still held it would be no neutralised one."""
    document = {
        **tool_document("cliproxy", fresh(), "rt_secret-1"),
        "backup": {"refresh_token": "rt_secret-1"},
    }
    source = put(world.home / "a.json", document)
    ran = world.run("import", str(source), "--neutralise")
    assert (ran.code, "in a second place" in ran.err) == (8, True)
    assert json.loads(source.read_text()) == document


def test_a_file_that_keeps_changing_is_tried_later(world: World, monkeypatch):
    """Exit 5: what is read must stand still for two readings."""
    source = put(world.home / "a.json", tool_document("codex", fresh(), "rt_1"))
    texts = iter(range(10_000))

    def changing(*_, **__):
        document = tool_document("codex", fresh(), f"rt_{next(texts)}")
        return json.dumps(document).encode()

    monkeypatch.setattr(reading, "read_bytes", changing)
    ran = world.run("import", str(source))
    assert (ran.code, "is being written" in ran.err) == (5, True)


def test_a_file_in_the_middle_of_a_write_is_read_again(world: World, monkeypatch):
    """Tools that truncate and write are met halfway; half a file is no error yet."""
    source = put(world.home / "a.json", tool_document("codex", fresh(), "rt_1"))
    whole = source.read_bytes()
    seen = iter([b"", whole[:50], *[whole] * 100])
    monkeypatch.setattr(reading, "read_bytes", lambda *_, **__: next(seen))
    assert world.run("import", str(source)).code == 0


def test_unwritable_accounts_lose_nothing(world: World):
    """Exit 8, the source as it was."""
    source = put(world.home / "a.json", tool_document("codex", fresh(), "rt_1"))
    before = source.read_bytes()
    put(world.home / ".codex" / "accounts", "a file where a directory belongs")
    ran = world.run("import", str(source), "--neutralise")
    assert ran.code == 8
    assert source.read_bytes() == before
