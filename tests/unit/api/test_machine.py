"""``/oauth/token`` and ``/oauth/revoke``: what Codex gets, and what it takes for the end of its login."""

import asyncio
import json
import os

import pytest
from structlog.testing import capture_logs

from broker.access.gate import Limits
from broker.access.limits import Rate
from broker.domain.account import State
from broker.domain.apikey import new_key
from fetchtoken.domain.claims import decode_claims
from fetchtoken.domain.errors import Unavailable
from fetchtoken.domain.secret import Secret
from tests.unit.api.world import DAY, NOW, WIDE, World, problem, running

STRANGER = new_key("cbr", os.urandom).text.reveal()
TIGHT = WIDE._replace(failures=Rate(burst=3, per_s=0.01))
DEAD = {"expires_at": int(NOW)}


def read(response):
    assert response.status == 200, response.content_bytes
    return json.loads(response.content_bytes)


@pytest.mark.trap("T1", "T4")
@pytest.mark.parametrize("form", [False, True])
async def test_a_machine_gets_the_token_and_keeps_its_credential(world, form):
    """As JSON or as a form: access and id token of the account, and the very credential that was sent."""
    account, credential = world.roster.account("work1"), world.machine()
    response = await world.refresh(credential, form=form)
    assert read(response) == {
        "access_token": account.access_token.reveal(),
        "token_type": "Bearer",
        "expires_in": 8 * DAY,
        "refresh_token": credential,
        "id_token": account.id_token.reveal(),
    }
    assert (response.headers["Cache-Control"], response.headers["Pragma"]) == ("no-store", "no-cache")


@pytest.mark.trap("T6")
async def test_there_is_always_an_id_token_of_jwt_shape(world):
    """Codex refuses an answer whose id token is none, so one is made where the issuer gave none."""
    world.account(id_token=None)
    claims = decode_claims(read(await world.refresh(world.machine()))["id_token"])
    assert claims is not None


async def test_a_token_leaves_with_a_record_and_not_without_one(world):
    """The trail names client, account and machine; where it cannot be written nothing leaves."""
    response = await world.refresh(world.machine())
    [record] = world.audit.records
    assert (record.action, record.client, record.account) == ("token.served", "laptop", "work1")
    assert (record.detail, record.request_id) == ("machine 1 laptop", response.headers["X-Request-Id"])
    assert world.machines.uses == [(1, "work1", NOW)]
    world.audit.error = OSError("full")
    assert problem(await world.refresh(world.machine())) == "unavailable"
    assert len(world.machines.uses) == 1


ENDED = {
    "revoked": ({"revoked_at": NOW - 1}, {}, "refresh_token_invalidated"),
    "expired": ({"expires_at": NOW}, {}, "refresh_token_expired"),
    "client revoked": ({}, {"revoked_at": NOW - 1}, "refresh_token_invalidated"),
    "client expired": ({}, {"expires_at": NOW}, "refresh_token_expired"),
    "ungranted": ({}, {"accounts": frozenset()}, "refresh_token_invalidated"),
    "without scope": ({}, {"scopes": frozenset({"quota"})}, "refresh_token_invalidated"),
}


@pytest.mark.trap("T12")
@pytest.mark.parametrize(("machine", "client", "code"), ENDED.values(), ids=ENDED)
async def test_what_ended_is_said_so_that_codex_tells_its_user(world, machine, client, code):
    """401 with the code that Codex shows as revoked or expired, in each place where a client may look."""
    credential = world.machine(**machine)
    world.client(**client)
    response = await world.refresh(credential)
    assert (response.status, problem(response)) == (401, code)
    document = json.loads(response.content_bytes)
    assert (document["error"], document["error_description"]) == (code, document["detail"])
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize(("machine", "client", "code"), ENDED.values(), ids=ENDED)
async def test_the_log_names_whose_credential_ended(world, machine, client, code):
    """Whoever looks for a lost machine sees that it still tries, and from where; a guesser is nobody."""
    credential = world.machine(**machine)
    world.client(**client)
    await world.refresh(credential)
    await world.refresh(STRANGER)
    assert [(line.client, line.status, line.code) for line in world.lines] == [
        ("laptop", 401, code),
        ("", 401, "refresh_token_invalidated"),
    ]


async def test_an_unknown_credential_is_a_revoked_one(world):
    """Of a removed machine nothing is left, and its user must log in again all the same."""
    response = await world.refresh(STRANGER)
    assert (response.status, problem(response)) == (401, "refresh_token_invalidated")
    cut = world.machine()[:-1] + "x"
    assert problem(await world.refresh(cut)) == "invalid_grant"


@pytest.mark.trap("T5", "T13")
@pytest.mark.parametrize(
    "changes",
    [
        {"state": State.LOGIN_REQUIRED, **DEAD},
        {"state": State.IN_DOUBT, **DEAD},
        {"state": State.ACTIVE, **DEAD},
        {"sealed": True, "access_token": Secret("")},
    ],
    ids=["login required", "in doubt", "expired", "sealed"],
)
async def test_an_account_in_trouble_is_never_the_end_of_a_login(world, changes):
    """503: Codex tries again; a 401 would send its user to log in, which could not help."""
    world.account(**changes)
    response = await world.refresh(world.machine())
    assert response.status == 503
    assert problem(response) in ("login_required", "unavailable", "sealed")


@pytest.mark.trap("T5")
async def test_a_token_is_handed_out_with_six_minutes_left_and_not_with_less(world):
    """Codex takes one with five minutes left as good as ended, and asks again without end."""
    world.account(expires_at=int(NOW) + 360)
    assert read(await world.refresh(world.machine()))["expires_in"] == 360
    world.account(expires_at=int(NOW) + 359)
    assert (await world.refresh(world.machine("other"))).status == 503


@pytest.mark.trap("T7")
@pytest.mark.parametrize(
    "path", ["/oauth/token", "/oauth/token/", "/oauth//token", "/oauth/revoke/", "/oauth"]
)
async def test_nobody_is_sent_elsewhere(world, path):
    """No route of the broker's redirects: Codex follows none, and gives its turn up."""
    response = await world.post(path, {"grant_type": "refresh_token", "refresh_token": world.machine()})
    assert response.status in {200, 404}
    assert "Location" not in response.headers


@pytest.mark.trap("T13")
async def test_a_disabled_account_is_no_end_either(world):
    """403 without one of the three codes is transient to Codex: an administrator may enable it again."""
    world.account(disabled=True)
    response = await world.refresh(world.machine())
    assert (response.status, problem(response)) == (403, "account_disabled")


@pytest.mark.trap("T8", "T15")
async def test_no_reason_but_a_refused_token_is_looked_into(world):
    """Proactive, scheduled, forced and unknown reasons, or none, cost no question and no exchange."""
    credential = world.machine()
    for reason in ("proactive_expiry", "scheduled", "forced", "x", ""):
        read(await world.refresh(credential, refresh_reason=reason))
    assert world.machines.demands == []
    assert world.coordinator.asked == []


async def test_a_refused_token_is_looked_into_and_the_newer_one_answered(world):
    """What the look brought is what the machine gets."""
    newer = Secret("newer")

    async def meet(_machine, account):
        world.account(access_token=newer, generation=account.generation + 1)

    world.machines.meet = meet
    answer = read(await world.refresh(world.machine(), refresh_reason="unauthorized_recovery"))
    assert answer["access_token"] == "newer"
    assert world.machines.demands == [(1, "work1")]


async def test_a_credential_that_ends_during_the_look_brings_nothing(world):
    """What was true before a wait is asked again after it, and said in Codex's words."""

    async def meet(_machine, _account):
        world.client(accounts=frozenset())

    world.machines.meet = meet
    response = await world.refresh(world.machine(), refresh_reason="unauthorized_recovery")
    assert (response.status, problem(response)) == (401, "refresh_token_invalidated")
    assert world.audit.records == []


async def test_an_expired_token_is_waited_for_like_anybody_elses(world):
    """The one exchange of an expired token serves the machine, too."""
    account = world.account(**DEAD)
    world.coordinator.outcome = world.account(access_token=Secret("fresh"), revision=account.revision + 1)
    world.account(**DEAD, revision=account.revision + 2)
    assert read(await world.refresh(world.machine()))["access_token"] == "fresh"


BODIES = {
    "empty": (b"", False),
    "no object": (b"[]", False),
    "torn": (b'{"grant_type":', False),
    "not UTF-8": (b"\xff", False),
    "twice": (b"grant_type=refresh_token&grant_type=password", True),
    "too many fields": (b"&".join(b"a%d=1" % number for number in range(100)), True),
    "not ASCII": ("grant_type=é".encode(), True),
}


@pytest.mark.parametrize(("data", "form"), BODIES.values(), ids=BODIES)
async def test_what_is_no_request_is_refused_by_name(world, data, form):
    """400 invalid_request, whatever was sent, and nothing of it in the answer."""
    response = await world.post("/oauth/token", data, form=form)
    assert (response.status, problem(response)) == (400, "invalid_request")


async def test_another_kind_of_body_is_refused(world):
    """A page elsewhere could have a browser send text/plain unasked."""
    response = await world.post("/oauth/token", {"grant_type": "refresh_token"}, Content_Type="text/plain")
    assert (response.status, problem(response)) == (400, "invalid_request")


async def test_fields_that_are_no_texts_are_passed_over(world):
    """Unknown fields of any kind do no harm, and a credential that is no text is none."""
    credential = world.machine()
    read(await world.refresh(credential, scope=None, expires_in=5, nested={"a": [1]}))
    assert problem(await world.refresh(["cbr"])) == "invalid_request"


@pytest.mark.parametrize("token", ["rt_real", "cbk", ""])
async def test_what_is_no_machine_credential_is_not_looked_at(world, token):
    """A real refresh token, an API key or nothing: none is called ended, or costs its address anything."""
    text = world.client() if token == "cbk" else token
    for _ in range(5):
        response = await world.refresh(text)
        assert (response.status, problem(response)) == (400, "invalid_request")
        assert not token or token.encode() not in response.content_bytes


@pytest.mark.parametrize(
    "grant", ["urn:ietf:params:oauth:grant-type:device_code", "password", "client_credentials"]
)
async def test_other_grants_are_named_as_unsupported(world, grant):
    """RFC 6749 §5.2."""
    assert problem(await world.refresh(world.machine(), grant_type=grant)) == "unsupported_grant_type"


async def test_guessing_is_bounded_and_a_good_machine_goes_on():
    """An address out of failures is refused before a look; a machine known from there is still served."""
    world = World()
    world.account()
    world.client()
    credential = world.machine()
    async with running(world, limits=TIGHT):
        read(await world.refresh(credential))
        codes = [problem(await world.refresh(new_key("cbr", os.urandom).text.reveal())) for _ in range(5)]
        assert codes == ["refresh_token_invalidated"] * 3 + ["rate_limited"] * 2
        read(await world.refresh(credential))


@pytest.mark.trap("T15")
async def test_a_storm_of_a_revoked_machine_leaves_others_alone():
    """Twenty-one posts a failing run are no guesses: they cost the address nothing."""
    world = World()
    world.account()
    key = world.client()
    ended = world.machine("old", revoked_at=NOW - 1)
    fresh = world.machine("new")
    async with running(world, limits=TIGHT):
        answers = await asyncio.gather(*(world.refresh(ended) for _ in range(63)))
        assert {problem(answer) for answer in answers} == {"refresh_token_invalidated"}
        read(await world.refresh(fresh))
        assert (await world.get("/codex", key=key)).status == 200


@pytest.mark.trap("T15")
async def test_a_storm_of_dead_credentials_leaves_others_alone():
    """A machine that was removed, or holds rubbish, posts the same again: nobody beside it is held up."""
    world = World()
    world.account()
    key = world.client()
    fresh = world.machine("new")
    async with running(world, limits=TIGHT):
        for dead in (STRANGER, "cbr_rubbish", key):
            answers = await asyncio.gather(*(world.refresh(dead) for _ in range(63)))
            assert {answer.status for answer in answers} == {401 if dead is STRANGER else 400}
        read(await world.refresh(fresh))
        assert (await world.get("/codex", key=key)).status == 200


async def test_a_machine_that_comes_once_in_days_is_known_a_month_later():
    """Codex refreshes when a token ends: beside a guesser that must not be too seldom to be known."""
    world = World()
    world.account()
    world.client()
    credential = world.machine()
    async with running(world, limits=TIGHT):
        read(await world.refresh(credential))
        world.ticks += 29 * DAY
        codes = [problem(await world.refresh(new_key("cbr", os.urandom).text.reveal())) for _ in range(4)]
        assert codes[-1] == "rate_limited"
        read(await world.refresh(credential))


async def test_a_machine_that_ended_is_told_so_beside_a_guesser_too():
    """To Codex 401 is the end and 429 is not: a limit would only have it go on."""
    world = World()
    world.account()
    world.client()
    ended = world.machine("old", revoked_at=NOW - 1)
    async with running(world, limits=TIGHT):
        for dead in (ended, STRANGER):
            assert problem(await world.refresh(dead)) == "refresh_token_invalidated"
        codes = [problem(await world.refresh(new_key("cbr", os.urandom).text.reveal())) for _ in range(4)]
        assert codes[-1] == "rate_limited"
        for dead in (ended, STRANGER):
            assert problem(await world.refresh(dead)) == "refresh_token_invalidated"


@pytest.mark.trap("T15")
async def test_a_storm_of_one_client_meets_its_own_limit():
    """Reads are counted over all ways in; the answer is 429, which Codex takes for passing."""
    world = World()
    world.account()
    world.client()
    credential = world.machine()
    limits = Limits(*WIDE)._replace(reads=Rate(burst=5, per_s=0.01))
    async with running(world, limits=limits):
        statuses = [(await world.refresh(credential)).status for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        assert (await world.get("/codex")).status == 429


async def test_one_machine_of_a_client_does_not_use_up_what_its_others_have():
    """What is beyond a credential's own limit costs its client nothing; the log names it once an hour."""
    world = World()
    world.account()
    key = world.client()
    sick, healthy = world.machine("sick"), world.machine("healthy")
    limits = WIDE._replace(machine_reads=Rate(burst=3, per_s=0.01), reads=Rate(burst=6, per_s=0.01))
    async with running(world, limits=limits):
        with capture_logs() as logs:
            statuses = [(await world.refresh(sick)).status for _ in range(20)]
            world.ticks += 3599
            await world.refresh(sick)
        assert statuses == [200] * 3 + [429] * 17
        assert [entry["event"] for entry in logs] == ["asked_without_end"]
        assert (logs[0]["client"], logs[0]["machine"], logs[0]["account"]) == ("laptop", 1, "work1")
        world.ticks -= 3599
        read(await world.refresh(healthy))
        assert (await world.get("/codex", key=key)).status == 200


async def test_a_machine_ends_its_own_credential(world):
    """200 and an empty object (RFC 7009 §2.2); who did it is handed on for the trail."""
    response = await world.post(
        "/oauth/revoke", {"token": world.machine(), "token_type_hint": "refresh_token"}
    )
    assert read(response) == {}
    assert world.machines.revoked == [(1, "127.0.0.1", response.headers["X-Request-Id"])]


@pytest.mark.parametrize("token", ["rt_real", "eyJ.e30.x", "stranger", "", "revoked"])
async def test_what_cannot_be_revoked_is_answered_alike(world, token):
    """An invalid token is no error (RFC 7009 §2.2), and nothing is told of it, least of all upstream."""
    known = {"revoked": world.machine(revoked_at=NOW - 1), "stranger": STRANGER}
    text = known.get(token, token)
    assert read(await world.post("/oauth/revoke", {"token": text}, form=True)) == {}
    assert world.machines.revoked == []


async def test_a_revocation_that_could_not_be_kept_is_no_success(world):
    """503, so that whoever asked tries again."""
    world.machines.error = Unavailable("the store is locked")
    response = await world.post("/oauth/revoke", {"token": world.machine()})
    assert (response.status, problem(response)) == (503, "unavailable")


async def test_no_secret_reaches_the_request_lines(world):
    """Neither credential nor token stands in what is logged of a request."""
    credential = world.machine()
    await world.refresh(credential)
    await world.post("/oauth/revoke", {"token": credential})
    said = repr(list(world.lines))
    assert credential not in said
    assert "eyJ" not in said
    assert [(line.route, line.client, line.account, line.status) for line in world.lines] == [
        ("/oauth/token", "laptop", "work1", 200),
        ("/oauth/revoke", "", "", 200),
    ]


async def test_the_metadata_names_the_routes_by_the_public_address():
    """RFC 8414 §2: what is needed and nothing that is not served."""
    async with running(World(), public_url="https://broker.example/team") as world:
        found = read(await world.get("/.well-known/oauth-authorization-server", key=""))
    assert found == {
        "issuer": "https://broker.example/team",
        "token_endpoint": "https://broker.example/team/oauth/token",
        "revocation_endpoint": "https://broker.example/team/oauth/revoke",
        "response_types_supported": [],
        "grant_types_supported": [
            "refresh_token",
            "authorization_code",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
    }
