"""From copies to logins, risks and what happens next, by table."""

import pytest

from fetchtoken.commands.doctor_facts import Check, Copy
from fetchtoken.commands.doctor_rules import SEVERITY, groups, worst
from fetchtoken.formats.places import TOOLS

NOW_S = 1_800_000_000.0
DAY_S = 86_400


FIRST = "aaaa"
OURS = "scorpiox code or codex-fetchtoken"


def copy(tool: str = "Codex", token: str = FIRST, **more) -> Copy:
    place = next(one for one in TOOLS if one.name == tool)
    given = {
        "place": f"/home/ada/{tool}",
        "form": place.form,
        "refreshes": place.refreshes,
        "stop": place.stop,
        "account_id": "acct-1",
        "user_id": "user-1",
        "issued_at": int(NOW_S) - DAY_S,
        "expires_at": int(NOW_S) + 9 * DAY_S,
    }
    return Copy(**{**given, "tool": tool, "token": token, **more})


SHARED = "the second to refresh is refused"
OLDER = "has a newer token of the same user"


@pytest.mark.parametrize(
    ("copies", "risks", "codes"),
    [
        ([copy()], [""], [0]),
        ([copy(), copy("opencode")], [SHARED], [3]),
        ([copy(), copy("opencode", disabled=True)], [""], [0]),
        ([copy(), copy("opencode", token="")], ["", ""], [0, 0]),
        ([copy(), copy(place="/srv/other/auth.json")], ["2 files of Codex hold one"], [3]),
        ([copy(token="cb", held_by_broker=True)], [""], [0]),
        (
            [copy(token="cb", held_by_broker=True), copy("opencode", token="cb", held_by_broker=True)],
            [""],
            [0],
        ),
        ([copy(), copy("opencode", "bbbb", issued_at=1)], ["", OLDER], [0, 3]),
        ([copy(), copy("opencode", "bbbb", issued_at=1, user_id="")], ["", OLDER], [0, 3]),
        ([copy(), copy("opencode", "bbbb", issued_at=1, user_id="user-2")], ["", ""], [0, 0]),
        ([copy(), copy("opencode", "bbbb", issued_at=1, account_id="acct-2")], ["", ""], [0, 0]),
        ([copy(account_id=""), copy("opencode", "bbbb", issued_at=1, account_id="")], ["", ""], [0, 0]),
        ([copy(), copy("opencode", "bbbb", issued_at=1, disabled=True)], ["", ""], [0, 0]),
        ([copy(token="")], [""], [0]),
        ([copy(token="", expires_at=int(NOW_S))], ["the token is expired"], [3]),
        ([copy(token="", expires_at=int(NOW_S) + 359)], ["the token is expired"], [3]),
        ([copy(token="", expires_at=None)], [""], [0]),
        ([copy(expires_at=int(NOW_S) - 1)], [""], [0]),
    ],
)
def test_the_risk_of_each_login(copies, risks, codes):
    """Two programs that refresh one token, an older token beside a newer one, one that nobody renews."""
    found = groups(copies, NOW_S)
    assert [group.code for group in found] == codes
    for group, risk in zip(found, risks, strict=True):
        assert risk in group.risk
        assert bool(group.risk) == bool(risk)


@pytest.mark.parametrize(
    ("tools", "at_s", "who"),
    [
        (["Codex"], 9 * DAY_S - 300, "Codex refreshes"),
        (["opencode"], 9 * DAY_S, "opencode refreshes"),
        (["opencode", "Codex"], 9 * DAY_S - 300, "Codex refreshes, and every other copy is dead"),
        (["Codex", "CLIProxyAPI"], None, "CLIProxyAPI refreshes, and every other copy is dead"),
        (["CCS"], None, "CCS refreshes"),
    ],
)
def test_what_happens_next_and_when(tools, at_s, who):
    """The first that refreshes by what is known of it; where one's habit is not known, no time is made up."""
    (group,) = groups([copy(tool) for tool in tools], NOW_S)
    assert group.breaks == who
    assert group.breaks_at == (None if at_s is None else NOW_S + at_s)


@pytest.mark.parametrize(
    ("copies", "to_do"),
    [
        (
            [copy(rewritable=True), copy("opencode", rewritable=True)],
            "import /home/ada/opencode --neutralise",
        ),
        ([copy("CCS", rewritable=True), copy("opencode", rewritable=True)], "import /home/ada/CCS"),
        ([copy(), copy("CCS", rewritable=True, place="/a b/c")], "import '/a b/c' --neutralise"),
        ([copy(), copy("codex-lb"), copy("CCS", rewritable=True)], "import /home/ada/CCS --neutralise"),
        ([copy(), copy("codex-lb")], "delete the account in codex-lb"),
        ([copy(), copy(rewritable=True, place="/b/auth.json")], "import /b/auth.json --neutralise"),
        ([copy(), copy(OURS, place="/home/ada/.codex/accounts/work.json")], "codex-fetchtoken use work"),
        ([copy(), copy(OURS), copy("CCS", rewritable=True)], "import /home/ada/CCS --neutralise"),
        ([copy(OURS), copy(OURS, place="/b.json", rewritable=True)], "remove the account there"),
    ],
)
def test_one_thing_to_do(copies, to_do):
    """Other tools give the login up, by themselves where we cannot make them; then Codex gets a link."""
    (group,) = groups(copies, NOW_S)
    assert to_do in group.to_do


def test_the_newest_copy_stands_first_and_older_ones_are_stale():
    """By ``iat``, else by the last exchange."""
    old, new = copy(issued_at=5), copy("opencode", issued_at=9)
    unknown = copy("CCS", issued_at=None, last_refresh=7.0)
    (group,) = groups([old, unknown, new], NOW_S)
    assert group.copies == [new, unknown, old]
    assert group.stale == [unknown.place, old.place]


def test_who_it_is_comes_from_whichever_copy_says_it():
    """A copy without an e-mail is named by another's."""
    (group,) = groups([copy(email=""), copy("opencode", email="ada@example.com", issued_at=1)], NOW_S)
    assert group.who == "ada@example.com"


@pytest.mark.parametrize("code", SEVERITY)
def test_the_most_pressing_finding_gives_the_exit_code(code):
    """Whatever comes first: the order is of codes, and of equal ones the first found counts."""
    lesser = SEVERITY[SEVERITY.index(code) :]
    checks = [Check(f"x:{one}", ok=False, detail=f"d{one}", code=one, hint=f"h{one}") for one in lesser[::-1]]
    assert worst([], checks) == (code, f"d{code}", f"h{code}")


def test_nothing_wrong_is_0():
    """What is fine, or not known, is no finding."""
    assert worst(groups([copy()], NOW_S), [Check("clock", ok=None, detail="unknown")]) == (0, "", "")


def test_every_exit_code_of_a_finding_has_a_rank():
    """All of the contract's codes for errors, but that of a bug."""
    assert sorted(SEVERITY) == [2, 3, 4, 5, 6, 7, 8]
