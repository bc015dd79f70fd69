"""Logins that come in, flags, names, removal."""

from dataclasses import replace

import pytest

from broker.domain.account import Event, State
from broker.domain.apikey import new_key
from broker.domain.records import Held, Spent
from fetchtoken.domain.errors import ConfigError, NotFound
from fetchtoken.domain.secret import Secret
from tests.support.records import NOW, RECORD, a_login, tokens

SOMEBODY = {"account_id": "acct-2", "user_id": "user-2"}


async def _rotate(store, account, word="1"):
    armed = await store.arm(
        account, to=State.REFRESHING, attempt_id=f"a-{word}", journal_id="j", lease_s=90, audit=RECORD
    )
    return await store.commit_tokens(armed, f"a-{word}", Event.TOKENS, tokens(word), RECORD)


async def test_a_new_account_is_active_at_generation_0(store, other):
    """What was added is there whole, for every other process too."""
    account = await store.add_account("work", a_login(), RECORD)
    assert (account.state, account.generation, account.disabled) == (State.ACTIVE, 0, False)
    assert (account.access_token, account.refresh_token, account.id_token) == (
        Secret("at-0"),
        Secret("rt-0"),
        Secret("id-0"),
    )
    assert (account.plan_type, account.source, account.expires_at) == ("pro", "import", int(NOW) + 864_000)
    assert (await other.snapshot()).accounts == (account,)


async def test_absent_tokens_stay_absent(store):
    """A login without refresh and id token is kept as access only."""
    account = await store.add_account("work", a_login(refresh_token=None, id_token=None), RECORD)
    assert not account.refresh_token
    assert account.id_token is None


async def test_two_logins_without_identity_or_refresh_token_may_stand_side_by_side(store):
    """What is unknown of both is no reason to take them for one."""
    unknown = {"account_id": "", "user_id": "", "refresh_token": None}
    await store.add_account("a", a_login("a", **unknown), RECORD)
    await store.add_account("b", a_login("b", **unknown), RECORD)
    assert len((await store.snapshot()).accounts) == 2


async def test_members_of_one_workspace_are_two_accounts(store):
    """The same account id with another user is another account."""
    await store.add_account("a", a_login("a"), RECORD)
    await store.add_account("b", a_login("b", user_id="user-2"), RECORD)
    assert len((await store.snapshot()).accounts) == 2


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("work", SOMEBODY, "already an account named work"),
        ("other", {}, "already held as work"),
        ("other", SOMEBODY | {"refresh_token": Secret("rt-0")}, "refresh token is already held as work"),
    ],
    ids=["name", "identity", "token"],
)
async def test_what_is_held_is_refused(store, name, changes, message):
    """A name, a person or a refresh token that is held already is refused, saying where."""
    await store.add_account("work", a_login(), RECORD)
    with pytest.raises(ConfigError, match=message) as caught:
        await store.add_account(name, a_login("9", **changes), RECORD)
    assert caught.value.code == "account_exists"
    assert len(await store.list_audit()) == 1


async def test_an_old_copy_is_refused(store):
    """A refresh token that was exchanged here is refused, with the account's name."""
    await _rotate(store, await store.add_account("work", a_login(), RECORD))
    with pytest.raises(ConfigError, match=r"old copy.*for work") as caught:
        await store.add_account("other", a_login("0", **SOMEBODY), RECORD)
    assert caught.value.code == "spent"


async def test_spent_tokens_are_known_after_removal(store):
    """An old copy is an old copy, even of an account that is gone."""
    account = await _rotate(store, await store.add_account("work", a_login(), RECORD))
    await store.remove_account(account.id, RECORD)
    assert await store.find_fingerprint(Secret("rt-0")) == Spent("", NOW)
    assert await store.find_fingerprint(Secret("rt-1")) is None


async def test_fingerprints_are_found(store):
    """A held, a spent and an unknown refresh token are told apart."""
    await _rotate(store, await store.add_account("work", a_login(), RECORD))
    assert await store.find_fingerprint(Secret("rt-1")) == Held("work")
    assert await store.find_fingerprint(Secret("rt-0")) == Spent("work", NOW)
    assert await store.find_fingerprint(Secret("rt-9")) is None


async def test_no_token_lies_open(store, tmp_path):
    """No byte of any token is in any file of the store."""
    account = await _rotate(store, await store.add_account("work", a_login(), RECORD))
    await store.keep_adopted(account, "/x/auth.json", '{"refresh_token": "rt-document"}')
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (b"at-0", b"rt-0", b"id-0", b"at-1", b"rt-1", b"id-1", b"rt-document"):
        assert secret not in held
    assert b"someone@example.com" in held


async def test_an_account_in_adoption_is_disabled(store):
    """It is stored disabled, cannot be armed, and can after the adoption ends."""
    account = await store.add_account("work", a_login(), RECORD, adopting=True)
    assert (account.disabled, account.adopting) == (True, True)
    arming = {"to": State.REFRESHING, "attempt_id": "a", "journal_id": "j", "lease_s": 90, "audit": RECORD}
    assert await store.arm(account, **arming) is None
    account = await store.set_flags(account.id, RECORD, disabled=False, adopting=False)
    assert await store.arm(account, **arming) is not None


async def test_a_sealed_copy_of_an_adopted_file_is_kept(store, seal, sql):
    """The document comes back byte for byte, bound to its login."""
    account = await store.add_account("work", a_login(), RECORD, adopting=True)
    await store.keep_adopted(account, "/x/auth.json", '{"a": "ü"}')
    [(path, box)] = sql("SELECT path, box FROM adopted")
    assert path == "/x/auth.json"
    assert seal.open(box, f"adopted:{account.login_id}").decode() == '{"a": "ü"}'


@pytest.mark.parametrize("state", State)
async def test_a_new_login_ends_every_state(store, sql, state):
    """A person's login makes the account active at generation 0 of a new login, without history."""
    account = await store.add_account("work", a_login(), RECORD)
    sql("UPDATE accounts SET state = ?, generation = 7, failures = 3, attempt_id = 'a', restored = 1", state)
    replaced = await store.replace_login(account.id, a_login("new"), RECORD)
    assert (replaced.state, replaced.generation, replaced.failures) == (State.ACTIVE, 0, 0)
    assert (replaced.attempt_id, replaced.restored) == (None, False)
    assert replaced.login_id != account.login_id
    assert replaced.refresh_token == Secret("rt-new")


@pytest.mark.trap("T9")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"account_id": "acct-2"}, "identity_mismatch"),
        ({"user_id": "user-2"}, "identity_mismatch"),
        ({"issued_at": int(NOW) - 1}, "older"),
        ({"refresh_token": Secret("rt-0")}, "account_exists"),
    ],
    ids=["account", "user", "older", "token"],
)
async def test_a_login_that_does_not_fit_is_refused(store, changes, code):
    """Somebody else's, an older or the very same login does not take an account's place."""
    account = await store.add_account("work", a_login(), RECORD)
    with pytest.raises(ConfigError) as caught:
        await store.replace_login(account.id, a_login("new", **changes), RECORD)
    assert caught.value.code == code
    assert (await store.snapshot()).accounts == (account,)


async def test_a_login_fills_in_a_missing_identity(store):
    """An account of unknown identity takes it from its first login that has one."""
    account = await store.add_account("work", a_login(account_id="", user_id=""), RECORD)
    replaced = await store.replace_login(account.id, a_login("new"), RECORD)
    assert replaced.identity == ("acct-1", "user-1")
    with pytest.raises(ConfigError, match="already held as work"):
        await store.add_account("twin", a_login("twin"), RECORD)


async def test_a_login_does_not_take_anothers_identity(store):
    """Filling in an identity that is held elsewhere is refused, saying where."""
    await store.add_account("known", a_login("k"), RECORD)
    account = await store.add_account("work", a_login(account_id="", user_id=""), RECORD)
    with pytest.raises(ConfigError, match="already held as known"):
        await store.replace_login(account.id, a_login("new"), RECORD)


async def test_a_login_adopted_in_place_of_another_is_disabled_meanwhile(store):
    """Adoption of a new login for a known account waits for the file to be rewritten."""
    account = await store.add_account("work", a_login(), RECORD)
    replaced = await store.replace_login(account.id, a_login("new"), RECORD, adopting=True)
    assert (replaced.disabled, replaced.adopting) == (True, True)


async def test_flags_and_name_change_alone(store):
    """What is not given stays as it is, tokens included."""
    account = await store.add_account("work", a_login(), RECORD)
    changed = await store.set_flags(account.id, RECORD, name="home", disabled=True, restored=True)
    expected = replace(account, name="home", disabled=True, restored=True, revision=changed.revision)
    assert changed == expected
    assert changed.revision > account.revision


async def test_a_taken_name_is_refused(store):
    """A rename never hides another account; to the same name it is nothing."""
    account = await store.add_account("work", a_login(), RECORD)
    await store.add_account("home", a_login("h", **SOMEBODY), RECORD)
    with pytest.raises(ConfigError, match="already an account named home"):
        await store.set_flags(account.id, RECORD, name="home")
    assert (await store.set_flags(account.id, RECORD, name="work")).name == "work"


async def test_what_was_removed_is_not_found(store):
    """Every change to a removed account says that it is gone."""
    account = await store.add_account("work", a_login(), RECORD)
    await store.remove_account(account.id, RECORD)
    for change in (
        store.set_flags(account.id, RECORD, disabled=True),
        store.replace_login(account.id, a_login("new"), RECORD),
        store.remove_account(account.id, RECORD),
    ):
        with pytest.raises(NotFound, match="was removed"):
            await change
    assert len(await store.list_audit()) == 2


async def test_removal_takes_the_grants_along(store):
    """A client loses the grant and the default with the account."""
    account = await store.add_account("work", a_login(), RECORD)
    client = await store.add_client(
        "ci", new_key("cbk", lambda n: b"x" * n), RECORD, accounts={account.id}, default_account=account.id
    )
    await store.remove_account(account.id, RECORD)
    [left] = (await store.snapshot()).clients
    assert (left.accounts, left.default_account) == (frozenset(), None)
    assert left.revision > client.revision


async def test_a_row_id_is_never_used_again(store):
    """A new account is not taken for one that was removed."""
    first = await store.add_account("work", a_login(), RECORD)
    await store.remove_account(first.id, RECORD)
    second = await store.add_account("work", a_login(), RECORD)
    assert second.id > first.id
