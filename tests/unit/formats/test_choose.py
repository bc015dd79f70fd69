import pytest

from fetchtoken.domain.secret import Secret
from fetchtoken.formats.choose import choose
from fetchtoken.formats.login import Login
from tests.support.tokens import jwt


def login(where, access, refresh="", **more):
    return Login(
        form="codex", where=where, access_token=Secret(access), refresh_token=Secret(refresh), **more
    )


def chosen(*logins):
    return [(one.login.where, [other.where for other in one.others]) for one in choose(logins)]


def test_the_newest_of_copies_is_taken():
    """By iat, whatever the order of the files; the others are told, newest first."""
    old, mid, new = (
        login(name, jwt(age_s=age), f"rt_{name}") for name, age in (("old", 90), ("mid", 50), ("new", 10))
    )
    assert chosen(old, new, mid) == [("new", ["mid", "old"])]
    assert chosen(mid, old, new) == [("new", ["mid", "old"])]


def test_of_equally_old_copies_the_one_that_can_be_refreshed():
    """An access-only copy of the same token never wins over the login itself."""
    access = jwt()
    assert chosen(login("bare", access), login("whole", access, "rt_1")) == [("whole", ["bare"])]


def test_without_times_the_last_exchange_counts():
    """Opaque tokens have no iat."""
    old = login("old", "opaque-1", account_id="acct", last_refresh=10)
    new = login("new", "opaque-2", account_id="acct", last_refresh=20)
    assert chosen(old, new) == [("new", ["old"])]


def test_members_of_one_workspace_are_not_copies():
    """The account id alone is shared; the user tells them apart."""
    auth = "https://api.openai.com/auth"
    ada = login("ada", jwt(**{auth: {"chatgpt_account_id": "team", "chatgpt_user_id": "ada"}}))
    bob = login("bob", jwt(**{auth: {"chatgpt_account_id": "team", "chatgpt_user_id": "bob"}}))
    assert chosen(ada, bob) == [("ada", []), ("bob", [])]


@pytest.mark.parametrize("account", ["", "acct-1"])
def test_one_refresh_token_is_one_login(account):
    """Whatever else the files say, or do not say, of it."""
    first = login("first", "opaque-1", "rt_1", account_id=account)
    second = login("second", "opaque-2", "rt_1")
    assert chosen(first, second) == [("first", ["second"])]


def test_what_says_nothing_of_its_user_stays_by_itself():
    """Two logins without any account are not taken for one."""
    assert chosen(login("a", "opaque-1"), login("b", "opaque-2")) == [("a", []), ("b", [])]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0), (2, 1, 0)])
def test_a_login_without_a_user_does_not_make_two_members_one(order):
    """It may be a copy of either, which makes them no copies of each other."""
    auth = "https://api.openai.com/auth"
    users: list[dict[str, str]] = [{}, {"chatgpt_user_id": "ada"}, {"chatgpt_user_id": "bob"}]
    logins = [
        login(name, jwt(age_s=age, **{auth: {"chatgpt_account_id": "team", **user}}), f"rt_{name}")
        for name, age, user in zip(("nobody", "ada", "bob"), (30, 20, 10), users, strict=True)
    ]
    newest = [where for where, _ in chosen(*(logins[index] for index in order))]
    assert {"ada", "bob"} <= set(newest)
