"""Approving device logins in a real store: by which invites, for which accounts, after how many guesses."""

import asyncio
import os

import pytest

from broker.domain.apikey import new_key, parse_key
from broker.domain.approval import Offer, Refusal, Wish
from broker.domain.device import MOST_WRONG, DeviceState, Hashed, new_secret, new_user_code
from broker.store.approval import Approved, approve_device, deny_device
from broker.store.devices import find_device
from broker.store.enrolment import redeem, revoke_invite, waiting
from broker.store.store import Store
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.keytext import checksum
from fetchtoken.domain.secret import Secret
from tests.support.devices import Logins
from tests.support.records import NOW, RECORD

ASKED = "asked from 192.0.2.7 at 2025-11-24T16:00:00Z"


@pytest.fixture
def seal(template):
    return template.seal


@pytest.fixture
def url(template, tmp_path):
    return template.copied(tmp_path)


@pytest.fixture
async def logins(store):
    return await Logins.of(store)


@pytest.fixture
def unknown():
    """An invite code that nobody gave out."""
    return new_key("cbi", os.urandom)


async def state_of(logins, new):
    return (await find_device(logins.store, Hashed.DEVICE, new.device)).state


async def test_both_codes_right_bring_an_offer(logins):
    """Whom the machine will belong to, what may be chosen, and who asked for it when."""
    new, offer = await logins.offered()
    assert (offer.client, offer.accounts) == ("laptop", ("home", "work"))
    assert (offer.request.address, offer.request.created_at) == ("192.0.2.7", NOW)
    assert await state_of(logins, new) is DeviceState.WAITING
    assert [one.name for one in await waiting(logins.store)] == ["laptop"]


async def test_an_approval_makes_the_client_and_spends_the_invite(logins):
    """One transaction: client with the invite's grants, request approved, code used, all in the trail."""
    new, offer = await logins.offered()
    before = await logins.store.change_counter()
    done = await logins.approve(offer)
    assert await logins.store.change_counter() == before + 1
    assert (done.client.name, done.client.accounts) == (
        "laptop",
        {logins.accounts["home"], logins.accounts["work"]},
    )
    found = await find_device(logins.store, Hashed.DEVICE, new.device)
    assert (found.state, found.machine) == (DeviceState.APPROVED, "box")
    assert (found.client, found.account) == (done.client.id, logins.accounts["work"])
    assert await waiting(logins.store) == []
    assert await redeem(logins.store, logins.codes[0], Secret("n" * 64), RECORD) is None
    assert (await logins.trail())[1:] == [
        ("invite.used", "laptop", "", "ok", "for a device login"),
        ("client.added", "laptop", "", "ok", "by device login"),
        ("device.approved", "laptop", "work", "ok", f"machine box, {ASKED}"),
        ("invite.refused", "laptop", "work", "used", "test"),
    ]


async def test_the_trail_has_the_address_of_who_approved(logins):
    """Beside that of who asked."""
    await logins.approved()
    (record,) = [one for one in await logins.store.list_audit() if one.action == "device.approved"]
    assert record.peer == "10.0.0.9"


async def test_a_client_that_is_there_gets_no_other_key(logins):
    """An invite for devices changes nothing of its client."""
    await logins.client("laptop", "home", "work")
    (before,) = (await logins.store.snapshot()).clients
    code = await logins.invited(device=True)
    new, offer = await logins.offered(code)
    done = await logins.approve(offer)
    assert done.client == before
    assert await state_of(logins, new) is DeviceState.APPROVED
    assert ("client.added", "laptop", "", "ok", "by device login") not in await logins.trail()


async def test_an_invite_approves_one_login(logins):
    """The second one finds it used."""
    code = await logins.invited()
    await logins.approved(code)
    second = await logins.asked()
    assert await logins.look(second.user_code, code) is Refusal.INVITE


async def test_two_approvals_at_once_by_one_invite(logins):
    """Each has a ticket already; one is approved."""
    code = await logins.invited()
    offers = [(await logins.offered(code))[1] for _ in range(4)]
    done = await asyncio.gather(*(logins.approve(offer) for offer in offers))
    assert [isinstance(one, Approved) for one in done].count(True) == 1
    assert [one for one in done if not isinstance(one, Approved)] == [Refusal.INVITE] * 3
    assert len((await logins.store.snapshot()).clients) == 1


async def test_a_ticket_counts_once(logins):
    """Whatever came of it."""
    _, offer = await logins.offered()
    assert await logins.approve(offer, account="nobody") is Refusal.NOT_GRANTED
    assert await logins.approve(offer) is Refusal.TICKET
    assert await deny_device(logins.store, offer.ticket, RECORD) is Refusal.TICKET


async def test_a_newer_ticket_ends_the_earlier_one(logins):
    """Of two pages for one request, the one opened last counts."""
    new, first = await logins.offered()
    second = await logins.look(new.user_code, logins.codes[0])
    assert await logins.approve(first) is Refusal.TICKET
    assert isinstance(await logins.approve(second), Approved)


async def test_guessed_tickets_do_nothing(logins):
    """Neither chance nor another secret of the same request is one."""
    new, _ = await logins.offered()
    for text in (new_secret(os.urandom), new.device, new.user_code, Secret("")):
        wish = Wish(account="work", machine="box")
        assert await approve_device(logins.store, text, wish, RECORD) is Refusal.TICKET
    assert await state_of(logins, new) is DeviceState.WAITING


async def test_a_ticket_is_for_its_own_request_by_its_own_invite(logins):
    """Of two under way, each brings what it was given for; accounts of the other invite are out of reach."""
    mine, theirs = await logins.invited("mine", "home"), await logins.invited("theirs", "other")
    first, offer = await logins.offered(mine)
    second, other = await logins.offered(theirs)
    assert (offer.accounts, other.accounts) == (("home",), ("other",))
    for account in ("other", "work", "", "HOME", "home "):
        fresh = await logins.look(first.user_code, mine)
        assert await logins.approve(fresh, account=account) is Refusal.NOT_GRANTED
    assert await state_of(logins, first) is await state_of(logins, second) is DeviceState.WAITING
    assert (await logins.trail("device."))[0] == ("device.refused", "mine", "", "not_granted", ASKED)
    done = await logins.approve(other, account="other")
    assert done.client.name == "theirs"
    assert await state_of(logins, first) is DeviceState.WAITING


async def test_what_the_client_lost_meanwhile_is_not_approved(logins):
    """Between page and button: a grant that was taken away, then the client itself."""
    client = await logins.client("laptop", "home", "work")
    code = await logins.invited(device=True)
    new, offer = await logins.offered(code)
    await logins.store.change_grants(client, RECORD, remove={logins.accounts["work"]})
    assert await logins.approve(offer) is Refusal.NOT_GRANTED
    offer = await logins.look(new.user_code, code)
    assert offer.accounts == ("home",)
    await logins.store.revoke_client(client, RECORD)
    assert await logins.approve(offer, account="home") is Refusal.INVITE
    assert await logins.look(new.user_code, code) is Refusal.INVITE
    assert await waiting(logins.store) == []


async def test_a_disabled_account_is_not_offered_nor_approved(logins):
    """An invite must not be spent on what brings no token; the others can be picked."""
    code = await logins.invited()
    new, offer = await logins.offered(code)
    await logins.store.set_flags(logins.accounts["work"], RECORD, disabled=True)
    assert await logins.approve(offer) is Refusal.NOT_GRANTED
    assert (await logins.look(new.user_code, code)).accounts == ("home",)
    await logins.store.set_flags(logins.accounts["home"], RECORD, disabled=True)
    assert await logins.look(new.user_code, code) is Refusal.POWERLESS


@pytest.mark.parametrize("how", ["revoked", "expired", "joined"])
async def test_an_invite_that_ended_meanwhile_approves_nothing(url, seal, how):
    """Between page and button."""
    now = [NOW]
    opened = await Store.open(url, seal, now=lambda: now[0])
    try:
        logins = await Logins.of(opened)
        code = await logins.invited(expires_at=NOW + 60)
        new, offer = await logins.offered(code)
        if how == "revoked":
            await revoke_invite(opened, "laptop", RECORD)
        elif how == "expired":
            now[0] += 60
        else:
            assert await redeem(opened, code, Secret("n" * 64), RECORD)
        assert await logins.approve(offer) is Refusal.INVITE
        assert await state_of(logins, new) is DeviceState.WAITING
    finally:
        await opened.close()


async def test_a_request_that_expired_meanwhile_is_not_approved(url, seal):
    """Ten minutes after it was asked for; its invite stays good."""
    now = [NOW]
    opened = await Store.open(url, seal, now=lambda: now[0])
    try:
        logins = await Logins.of(opened)
        new, offer = await logins.offered()
        now[0] += 599
        fresh = await logins.look(new.user_code, logins.codes[0])
        now[0] += 1
        assert await logins.approve(fresh) is Refusal.TICKET
        assert await logins.look(new.user_code, logins.codes[0]) is Refusal.CODE
        assert [one.name for one in await waiting(opened)] == ["laptop"]
        assert isinstance(offer, Offer)
    finally:
        await opened.close()


async def test_an_approval_at_the_last_moment_leaves_time_to_fetch_it(url, seal):
    """Codex asks every few seconds."""
    now = [NOW]
    opened = await Store.open(url, seal, now=lambda: now[0])
    try:
        logins = await Logins.of(opened)
        new, offer = await logins.offered()
        now[0] += 599
        await logins.approve(offer)
        now[0] += 119
        assert (await logins.redeem(new)).made is not None
    finally:
        await opened.close()


async def test_a_denied_request_is_over_and_its_invite_is_not(logins):
    """The record has who asked, and by whose invite it was denied."""
    new, offer = await logins.offered()
    assert await deny_device(logins.store, offer.ticket, RECORD) is None
    assert await state_of(logins, new) is DeviceState.DENIED
    assert await logins.look(new.user_code, logins.codes[0]) is Refusal.CODE
    assert [one.name for one in await waiting(logins.store)] == ["laptop"]
    assert ("device.denied", "laptop", "work", "ok", ASKED) in await logins.trail()


async def test_an_invite_without_the_scope_for_tokens_offers_nothing(logins):
    """Nor does one for a client that is not there."""
    new = await logins.asked()
    assert await logins.look(new.user_code, await logins.invited(scopes={"quota"})) is Refusal.POWERLESS
    assert await logins.look(new.user_code, await logins.invited("nobody", device=True)) is Refusal.POWERLESS


async def test_without_an_invite_nothing_is_learned_of_user_codes(logins, unknown):
    """A right one and a wrong one are answered alike, by an unknown code, a mistyped one, and none."""
    new = await logins.asked()
    code = await logins.invited()
    body = f"cbi_{code.key_id}_{'0' * 22}"
    for shown in (unknown, parse_key(body + checksum(body)), None):
        for user_code in (new.user_code, new_user_code(os.urandom)):
            assert await logins.look(user_code, shown) is Refusal.INVITE


async def test_guesses_of_unknown_codes_leave_no_record(logins, unknown):
    """The trail is not for strangers to fill."""
    before = await logins.trail()
    for _ in range(20):
        await logins.look(new_user_code(os.urandom), unknown)
    assert await logins.trail() == before


async def test_five_wrong_invite_codes_end_a_request(logins, unknown):
    """A right one that comes then is too late; it is recorded once, and other requests are unharmed."""
    code = await logins.invited()
    new, other = await logins.asked(), await logins.asked()
    for _ in range(MOST_WRONG - 1):
        await logins.look(new.user_code, unknown)
    offer = await logins.look(new.user_code, code)
    assert isinstance(offer, Offer)
    assert await logins.look(new.user_code, unknown) is Refusal.INVITE
    assert await state_of(logins, new) is DeviceState.VOID
    assert await logins.approve(offer) is Refusal.TICKET
    assert await logins.look(new.user_code, code) is Refusal.CODE
    assert isinstance(await logins.look(other.user_code, code), Offer)
    assert await logins.trail("device.") == [("device.void", "", "", "wrong_codes", ASKED)]


async def test_wrong_invite_codes_sent_at_once_are_all_counted(logins, other):
    """By way of two processes."""
    new = await logins.asked()
    twin = replace_store(logins, other)
    tries = ((logins, twin)[number % 2].look(new.user_code, None) for number in range(20))
    assert set(await asyncio.gather(*tries)) == {Refusal.INVITE}
    assert await state_of(logins, new) is DeviceState.VOID
    assert len(await logins.trail("device.")) == 1


def replace_store(logins, store):
    twin = Logins(store, logins.accounts)
    twin.codes = logins.codes
    return twin


async def test_five_wrong_user_codes_hold_an_invite_for_ten_minutes(url, seal):
    """Then neither a right code nor a ticket from before counts; afterwards it approves as before."""
    now = [NOW]
    opened = await Store.open(url, seal, now=lambda: now[0])
    try:
        logins = await Logins.of(opened)
        code = await logins.invited()
        _, offer = await logins.offered(code)
        for _ in range(MOST_WRONG):
            assert await logins.look(new_user_code(os.urandom), code) is Refusal.CODE
        new = await logins.asked()
        assert await logins.look(new.user_code, code) is Refusal.HELD
        assert await logins.approve(offer) is Refusal.INVITE
        assert (await logins.trail("invite.held")) == [("invite.held", "laptop", "", "wrong_codes", "")]
        now[0] += 599
        assert await logins.look(new.user_code, code) is Refusal.HELD
        now[0] += 1
        new = await logins.asked(now_s=now[0])
        assert isinstance(await logins.look(new.user_code, code), Offer)
    finally:
        await opened.close()


async def test_a_request_of_ones_own_buys_no_more_guesses(logins):
    """Whoever shows a right user code between wrong ones is held after as many as anybody else."""
    code = await logins.invited()
    for _ in range(MOST_WRONG - 1):
        assert await logins.look(new_user_code(os.urandom), code) is Refusal.CODE
    await logins.offered(code)
    assert await logins.look(new_user_code(os.urandom), code) is Refusal.CODE
    own = await logins.asked()
    assert await logins.look(own.user_code, code) is Refusal.HELD


async def test_a_device_code_makes_no_client(logins):
    """Where a machine joins with it, it is told so; the code stays good."""
    await logins.client("laptop", "home", "work")
    code = await logins.invited(device=True)
    with pytest.raises(ConfigError, match="device logins") as caught:
        await redeem(logins.store, code, Secret("n" * 64), RECORD)
    assert caught.value.code == "device_invite"
    assert (await logins.trail())[-1][:4] == ("invite.refused", "laptop", "work", "device_invite")
    assert isinstance((await logins.offered(code))[1], Offer)


async def test_a_code_for_devices_keeps_no_name_from_a_client(logins):
    """And a name that is taken is what it wants; the error for the other kind names it."""
    await logins.invited("later", device=True)
    await logins.client("later", "home")
    with pytest.raises(ConfigError) as caught:
        await logins.invited("later")
    assert (caught.value.code, caught.value.hint) == (
        "client_exists",
        "for a device login of that client: codex-broker invite later --device",
    )


async def test_a_name_that_was_taken_meanwhile_is_not_made_again(logins, sql):
    """However it came to be there: an invite that makes a client never lets into another's."""
    new, offer = await logins.offered()
    sql("UPDATE invites SET device = 1")
    await logins.client("laptop", "home", "work")
    sql("UPDATE invites SET device = 0")
    assert await logins.approve(offer) is Refusal.NOT_GRANTED
    assert await state_of(logins, new) is DeviceState.WAITING


async def test_an_invite_that_is_forgotten_approves_nothing(logins, sql):
    """A month after its end nothing is left of it."""
    _, offer = await logins.offered()
    sql("DELETE FROM invites")
    assert await logins.approve(offer) is Refusal.INVITE
