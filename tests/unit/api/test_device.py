"""Device logins as Codex sees them: a user code, the asking, and the credential at the end."""

import asyncio
import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_network

import pytest

from broker.access.limits import Rate
from broker.domain.account import State
from broker.domain.device import DeviceState, Hashed
from broker.store.approval import deny_device
from broker.store.devices import find_device
from fetchtoken.domain.claims import decode_claims
from fetchtoken.domain.errors import Unavailable
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.secret import Secret
from tests.support.records import NOW, RECORD
from tests.unit.api.logins import ADDRESS, CALLBACK, POLL, USER_CODE, LoginWorld, user_code_of
from tests.unit.api.world import DAY, WIDE, problem, running


def read(response):
    assert response.status == 200, response.content_bytes
    assert response.headers["Cache-Control"] == "no-store"
    return json.loads(response.content_bytes)


def told(response):
    """Return OAuth's word, and what Codex shows to the person."""
    document = json.loads(response.content_bytes)
    return response.status, document["error"], document["error_description"]


@pytest.mark.trap("T43")
async def test_codex_gets_what_it_can_read(broker):
    """The interval is text, and the user code is there once: a second name for it ends Codex's login."""
    kept = read(await broker.post(USER_CODE, {"client_id": "app_x", "later": 1}))
    assert kept == {
        "device_auth_id": kept["device_auth_id"],
        "user_code": kept["user_code"],
        "interval": "5",
        "expires_in": 600,
        "expires_at": to_rfc3339(NOW + 600),
    }
    found = await find_device(broker.store, Hashed.DEVICE, Secret(kept["device_auth_id"]))
    assert (found.address, found.client_id, found.state) == ("127.0.0.1", "app_x", DeviceState.WAITING)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"client_id": ""},
        {"client_id": 7},
        {"client_id": "x" * 256},
        {"client_id": "a\nb"},
        {"client_id": "ä"},
    ],
)
async def test_who_says_nothing_sane_of_itself_gets_no_code(broker, sent):
    """The client id goes onto a page that a person reads."""
    response = await broker.post(USER_CODE, sent)
    assert (response.status, problem(response)) == (400, "invalid_request")
    assert (await broker.post(USER_CODE, {"client_id": "app_x"}, form=True)).status == 400


async def test_a_broker_without_an_address_of_its_own_has_no_device_login(served):
    """Codex takes 404 for a server where it is not enabled."""
    async with served(public_url="") as world:
        response = await world.post(USER_CODE, {"client_id": "app_x"})
        assert (response.status, problem(response)) == (404, "not_found")
        assert (await world.get("/codex/device", key="")).status == 404
        assert (await world.post("/codex/device", {"user_code": "x"}, form=True)).status == 404


async def test_an_address_has_ten_that_wait_and_others_are_unharmed(served):
    """The eleventh is told when to come again; an IPv6 host is its whole network."""
    async with served(behind_proxy=[ip_network("127.0.0.0/8")]) as world:
        for number in range(10):
            await world.begin(X_Forwarded_For=f"2001:db8::{number}")
        refused = await world.post(USER_CODE, {"client_id": "app_x"}, X_Forwarded_For="2001:db8::ffff")
        assert (refused.status, problem(refused)) == (429, "rate_limited")
        assert refused.headers["Retry-After"] == "60"
        await world.begin(X_Forwarded_For="2001:db8:0:1::1")


async def test_a_flood_of_logins_does_not_reach_the_store(served, monkeypatch):
    """Each address has its burst, all together theirs; those that have waiting ones are still answered."""
    tight = WIDE._replace(logins=Rate(burst=3, per_s=0.1), all_logins=Rate(burst=5, per_s=0.1))
    async with served(limits=tight, behind_proxy=[ip_network("127.0.0.0/8")]) as world:
        kept = await world.begin(X_Forwarded_For="192.0.2.9")

        async def heard(**_):
            raise Unavailable("the store is locked")

        monkeypatch.setattr(world.devices, "ask", heard)
        statuses = [
            (
                await world.post(USER_CODE, {"client_id": "app_x"}, X_Forwarded_For=f"192.0.2.{one // 4}")
            ).status
            for one in range(8)
        ]
        assert statuses == [503, 503, 503, 429, 503, 429, 429, 429]
        assert problem(await world.poll(kept)) == "authorization_pending"


@pytest.mark.trap("T44")
async def test_a_login_that_waits_is_403_however_often_it_is_asked(broker):
    """Pending and limited are both ``not yet`` to Codex: anything else would end its login."""
    kept = await broker.begin()
    answers = [await broker.poll(kept) for _ in range(40)]
    assert {answer.status for answer in answers} == {403}
    assert [problem(answer) for answer in answers] == ["authorization_pending"] * 30 + ["slow_down"] * 10
    broker.ticks += 1
    assert problem(await broker.poll(kept)) == "authorization_pending"


@pytest.mark.trap("T44")
async def test_an_address_that_guesses_is_403_too_and_its_neighbour_goes_on(served):
    """Unknown secrets cost the address; who was given one there is still answered."""
    tight = WIDE._replace(failures=Rate(burst=3, per_s=0.01))
    async with served(limits=tight) as world:
        kept = await world.begin()
        unknown = [await world.poll(kept, device_auth_id=f"{number}" * 43) for number in range(5)]
        assert [problem(answer) for answer in unknown] == ["expired_token"] * 3 + ["slow_down"] * 2
        assert problem(await world.poll(kept)) == "authorization_pending"
        refused = await world.post(USER_CODE, {"client_id": "app_x"})
        assert (refused.status, problem(refused)) == (429, "rate_limited")


@pytest.mark.trap("T44")
async def test_an_approval_while_it_is_asked_is_no_end(broker, monkeypatch):
    """The login is looked up by both its secrets; what happens between the two changes neither."""
    kept = await broker.begin()
    asked = []

    async def slowly(store, what, text):
        found = await find_device(store, what, text)
        if not asked:
            asked.append(what)
            offer = await broker.logins.look(user_code_of(kept), await broker.logins.invited())
            await broker.logins.approve(offer)
        return found

    monkeypatch.setattr("broker.ops.devices.find_device", slowly)
    response = await broker.poll(kept)
    assert response.status in {200, 403}, problem(response)


async def test_both_secrets_belong_together(broker):
    """The long one with another's user code is no request."""
    first, second = await broker.begin(), await broker.begin()
    response = await broker.poll(first, user_code=second["user_code"])
    assert (response.status, problem(response)) == (410, "expired_token")


@pytest.mark.parametrize(
    "sent",
    [{}, {"device_auth_id": "x"}, {"device_auth_id": "\ud800", "user_code": "AAAA-AAAA"}, {"user_code": "x"}],
)
async def test_a_question_that_is_none_is_400(broker, sent):
    """No text that cannot be hashed comes so far."""
    response = await broker.post(POLL, sent)
    assert (response.status, problem(response)) == (400, "invalid_request")


async def test_an_approved_login_is_told_its_code_again_and_again(broker):
    """The same each time until it is spent: an answer may be lost. The pair is one of S256."""
    fields = await broker.approved()
    kept = await broker.begin()
    offer = await broker.logins.look(user_code_of(kept), await broker.logins.invited("other"))
    await broker.logins.approve(offer)
    answers = [read(await broker.poll(kept)) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    digest = sha256(answers[0]["code_verifier"].encode()).digest()
    assert answers[0]["code_challenge"] == urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert answers[0]["authorization_code"] != fields["code"]


@pytest.mark.trap("T44")
@pytest.mark.parametrize("end", ["denied", "expired", "spent", "unknown"])
async def test_what_is_over_ends_the_waiting(broker, end):
    """410 is none of the statuses at which Codex goes on asking."""
    kept = await broker.begin()
    if end == "denied":
        offer = await broker.logins.look(user_code_of(kept), await broker.logins.invited())
        assert await deny_device(broker.store, offer.ticket, RECORD) is None
    elif end == "expired":
        broker.now = broker.clock[0] = NOW + 600
    elif end == "spent":
        assert (await broker.redeem(await broker.approved(kept))).status == 200
    else:
        kept["device_auth_id"] = "x" * 43
    response = await broker.poll(kept)
    assert response.status == 410
    assert problem(response) == ("access_denied" if end == "denied" else "expired_token")


@pytest.mark.trap("T44")
async def test_a_store_that_does_not_answer_keeps_codex_waiting(broker, monkeypatch):
    """An outage shorter than the login's life costs nothing; beginning one is refused as one."""
    kept = await broker.begin()

    async def fail(*_args, **_wishes):
        raise Unavailable("the store is locked")

    for name in ("ask", "find"):
        monkeypatch.setattr(broker.devices, name, fail)
    response = await broker.poll(kept)
    assert (response.status, problem(response)) == (403, "authorization_pending")
    begun = await broker.post(USER_CODE, {"client_id": "app_x"})
    assert (begun.status, problem(begun), begun.headers["Retry-After"]) == (503, "unavailable", "5")


@pytest.mark.trap("T45")
async def test_a_code_brings_a_credential_that_works_at_once(broker):
    """All three tokens, since Codex wants them; then the credential brings the token like any other."""
    document = read(await broker.redeem(await broker.approved()))
    account = broker.roster.account("work")
    assert document == {
        "access_token": account.access_token.reveal(),
        "token_type": "Bearer",
        "expires_in": 10 * DAY,
        "refresh_token": document["refresh_token"],
        "id_token": document["id_token"],
    }
    assert decode_claims(document["id_token"]) is not None
    assert document["refresh_token"].startswith("cbr_")
    again = read(await broker.refresh(document["refresh_token"]))
    assert again == document
    (machine,) = broker.roster.machines_of(broker.roster.client("laptop").id)
    assert (machine.name, machine.account, machine.expires_at) == ("box", account.id, NOW + 30 * DAY)
    assert broker.machines.uses[0] == (machine.id, "work", NOW)
    assert broker.marks.top == machine.revision


async def test_the_record_of_the_token_is_part_of_the_same_change(broker):
    """With the address and the request that it went to."""
    response = await broker.redeem(await broker.approved())
    records = {one.action: one for one in await broker.store.list_audit()}
    served = records["token.served"]
    assert (served.client, served.account, served.peer) == ("laptop", "work", "127.0.0.1")
    assert served.request_id == response.headers["X-Request-Id"]
    assert {"device.redeemed", "machine.added"} <= records.keys()


async def test_each_field_is_wanted(broker):
    """The answer names the one that is missing; the code stays good."""
    fields = await broker.approved()
    for missing in ("client_id", "code", "redirect_uri", "code_verifier"):
        for value in (None, "", "ä"):
            status, error, text = told(await broker.redeem(fields, **{missing: value}))
            assert (status, error) == (400, "invalid_request")
            assert missing in text
    assert (await broker.redeem(fields)).status == 200


async def test_whoever_did_not_ask_for_it_gets_nothing(broker):
    """And spends nothing: the code stays good for its own machine."""
    fields = await broker.approved()
    for changes in (
        {"client_id": "app_y"},
        {"code": "x" * 43},
        {"code_verifier": "x" * 43},
        {"code_verifier": "x"},
    ):
        status, error, text = told(await broker.redeem(fields, **changes))
        assert (status, error) == (400, "invalid_grant")
        assert text.endswith("log in again")
    assert (await broker.redeem(fields)).status == 200


async def test_the_redirect_uri_is_of_this_broker(broker):
    """Another's is told where to log in, and spends nothing."""
    fields = await broker.approved()
    for typed in (
        "http://broker.example/deviceauth/callback",
        "https://broker.example.evil.example/deviceauth/callback",
        "https://broker.example@evil.example/deviceauth/callback",
        "https://broker.example/other",
        "https://broker.example:x/deviceauth/callback",
        "/deviceauth/callback",
    ):
        status, *said = told(await broker.redeem(fields, redirect_uri=typed))
        assert status == 400, typed
        assert said == [
            "invalid_grant",
            f"log in at the address of this broker: --experimental_issuer {ADDRESS}",
        ]
    assert (await broker.redeem(fields)).status == 200


@pytest.mark.parametrize("typed", [f"{ADDRESS}/", "https://BROKER.example:443"])
async def test_the_address_may_be_spelled_as_people_type_it(broker, typed):
    """With a slash at its end, in capitals, with the port that goes without saying."""
    fields = await broker.approved()
    assert (await broker.redeem(fields, redirect_uri=f"{typed}/deviceauth/callback")).status == 200


async def test_guesses_of_codes_cost_the_address(served):
    """After them nothing is looked at; whoever was told its code there goes on."""
    tight = WIDE._replace(failures=Rate(burst=3, per_s=0.01))
    async with served(limits=tight) as world:
        fields = await world.approved()
        statuses = [(await world.redeem(fields, code=f"{number}" * 43)).status for number in range(5)]
        assert statuses == [400] * 3 + [429] * 2
        assert (await world.redeem(fields)).status == 200


async def test_a_code_that_comes_twice_ends_what_it_brought(broker):
    """At once, in this process, and told so in words."""
    fields = await broker.approved()
    credential = read(await broker.redeem(fields))["refresh_token"]
    status, error, text = told(await broker.redeem(fields))
    assert (status, error) == (400, "invalid_grant")
    assert "revoked" in text
    refused = await broker.refresh(credential)
    assert (refused.status, problem(refused)) == (401, "refresh_token_invalidated")


async def test_codes_sent_at_once_leave_no_credential(broker):
    """One is answered; then what it got is ended by the others."""
    fields = await broker.approved()
    answers = await asyncio.gather(*(broker.redeem(fields) for _ in range(6)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 5
    (credential,) = [read(answer)["refresh_token"] for answer in answers if answer.status == 200]
    assert problem(await broker.refresh(credential)) == "refresh_token_invalidated"


async def test_a_replay_without_the_verifier_ends_nothing(broker):
    """A code alone, from some log, is no proof: it must not log a machine out."""
    fields = await broker.approved()
    credential = read(await broker.redeem(fields))["refresh_token"]
    assert (await broker.redeem(fields, code_verifier="x" * 43)).status == 400
    assert (await broker.refresh(credential)).status == 200


@pytest.mark.trap("T22", "T24")
async def test_a_machine_that_logs_in_again_loses_its_former_credential(broker):
    """Under the same name, at once; the new one works."""
    former = read(await broker.redeem(await broker.approved()))["refresh_token"]
    newer = read(await broker.redeem(await broker.approved(device=True)))["refresh_token"]
    assert problem(await broker.refresh(former)) == "refresh_token_invalidated"
    assert (await broker.refresh(newer)).status == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires_at": int(NOW) + 359}, "unavailable"),
        ({"state": State.LOGIN_REQUIRED, "expires_at": int(NOW)}, "login_required"),
        ({"sealed": True, "access_token": Secret("")}, "sealed"),
    ],
)
async def test_without_a_token_to_go_with_it_the_code_is_kept(broker, changes, code):
    """Codex shows why; once there is one the same code brings it."""
    fields = await broker.approved()
    held = broker.roster.account("work")
    broker.roster.put_account(replace(held, **changes, revision=held.revision + 50))
    status, error, text = told(await broker.redeem(fields))
    assert (status, error, text != "") == (503, code, True)
    broker.roster.put_account(replace(held, revision=held.revision + 51))
    assert (await broker.redeem(fields)).status == 200


@pytest.mark.parametrize("change", ["revoke", "ungrant"])
async def test_what_was_taken_away_since_the_approval_is_not_brought(broker, change):
    """The client's end, or its grant's, between the approval and the code."""
    fields = await broker.approved()
    await broker.follow()
    client = broker.roster.client("laptop").id
    if change == "revoke":
        await broker.store.revoke_client(client, RECORD)
    else:
        work = broker.logins.accounts["work"]
        await broker.store.change_grants(client, RECORD, remove={work})
    await broker.follow()
    status, error, text = told(await broker.redeem(fields))
    assert (status, error) == (400, "invalid_grant")
    assert "new invite" in text


async def test_a_client_that_another_process_made_is_known_at_once(broker):
    """Codex is sent on within seconds of the approval, to whichever process."""
    fields = await broker.approved()
    assert broker.roster.client("laptop") is None
    assert (await broker.redeem(fields)).status == 200
    assert broker.roster.client("laptop") is not None


async def test_codes_of_logins_that_were_not_approved_bring_nothing(broker):
    """Denied, or not decided yet: whoever could make the code gets nothing for it."""
    kept = await broker.begin()
    code, verifier = broker.devices.pair(Secret(kept["device_auth_id"]))
    fields = {
        "grant_type": "authorization_code",
        "client_id": "app_x",
        "code": code.reveal(),
        "redirect_uri": CALLBACK,
        "code_verifier": verifier.reveal(),
    }
    assert told(await broker.redeem(fields))[:2] == (400, "invalid_grant")
    offer = await broker.logins.look(user_code_of(kept), await broker.logins.invited())
    await deny_device(broker.store, offer.ticket, RECORD)
    assert told(await broker.redeem(fields))[:2] == (400, "invalid_grant")


async def test_a_code_that_comes_too_late_is_told_so(broker):
    """Its ten minutes are over."""
    fields = await broker.approved()
    broker.now = broker.clock[0] = NOW + 600
    assert told(await broker.redeem(fields))[:2] == (400, "invalid_grant")


@pytest.mark.parametrize("name", ["of_code", "client", "redeem"])
async def test_an_outage_of_the_store_spends_no_code(broker, monkeypatch, name):
    """At whichever step."""
    fields = await broker.approved()

    async def fail(*_args):
        raise Unavailable("the store is locked")

    with monkeypatch.context() as context:
        context.setattr(broker.devices, name, fail)
        assert told(await broker.redeem(fields))[:2] == (503, "unavailable")
    assert (await broker.redeem(fields)).status == 200


async def test_no_secret_is_in_the_request_lines(broker):
    """Neither codes nor credential; a secret sent as request id is not taken over."""
    fields = await broker.approved()
    credential = read(await broker.redeem(fields))["refresh_token"]
    for secret in (fields["code"], fields["code_verifier"], credential):
        assert secret not in repr(broker.lines)
    line = broker.lines[-1]
    assert (line.route, line.client, line.account, line.status) == ("/oauth/token", "laptop", "work", 200)


async def test_the_metadata_names_the_grant_and_no_flow_that_is_not_there(broker):
    """S256 belongs to the code; a device endpoint would promise RFC 8628."""
    document = read(await broker.get("/.well-known/oauth-authorization-server", key=""))
    assert "authorization_code" in document["grant_types_supported"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert not [name for name in document if "device" in name]


async def test_a_second_process_takes_the_code_that_the_first_gave(broker):
    """One store, two daemons: asked here, redeemed there, and replayed here."""
    fields = await broker.approved()
    twin = LoginWorld(broker.store, broker.logins)
    await twin.follow()
    async with running(twin, public_url=ADDRESS):
        credential = read(await twin.redeem(fields))["refresh_token"]
        assert told(await broker.redeem(fields))[:2] == (400, "invalid_grant")
        await twin.follow()
        assert problem(await twin.refresh(credential)) == "refresh_token_invalidated"
