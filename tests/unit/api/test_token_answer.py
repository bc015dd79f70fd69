"""The token object: its fields, its life, its tag, its text form."""

import json

import pytest

from broker.api.answer import PreparedAnswer, PreparedAnswers
from broker.api.models import TokenAnswer
from broker.domain.account import State
from broker.domain.roster import Roster
from fetchtoken.domain.claims import decode_claims
from fetchtoken.domain.secret import Secret
from tests.unit.api.world import DAY, NOW, jwt, make_account, problem


async def test_the_token_is_one_object_for_every_known_client(world):
    """The object has exactly the contract's fields, in its order, and no refresh token."""
    response = await world.get("/codex")
    account = world.roster.account("work1")
    token, id_token = account.access_token.reveal(), account.id_token.reveal()
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert list(json.loads(response.content_bytes).items()) == [
        ("access_token", token),
        ("token_type", "Bearer"),
        ("expires_in", 8 * DAY),
        ("expires_at", "2025-12-02T16:00:00Z"),
        ("refresh_after", "2025-11-28T16:00:00Z"),
        ("account", "work1"),
        ("account_id", "acct-1"),
        ("plan_type", "pro"),
        ("auth_mode", "chatgptAuthTokens"),
        ("OPENAI_API_KEY", None),
        (
            "tokens",
            {"id_token": id_token, "access_token": token, "refresh_token": "", "account_id": "acct-1"},
        ),
        ("last_refresh", "2025-11-22T16:00:00Z"),
    ]
    TokenAnswer.model_validate_json(response.content_bytes)
    assert b"rt_never_leaves" not in response.content_bytes


async def test_the_named_account_is_the_same_object(world):
    """Path and default lead to the same answer."""
    assert (await world.get("/codex/work1")).content_bytes == (await world.get("/codex")).content_bytes


async def test_expires_in_is_true_for_each_answer(world):
    """Time passes between two answers; the rest stays."""
    first = await world.get()
    world.now += 100.5
    second = await world.get()
    one, two = json.loads(first.content_bytes), json.loads(second.content_bytes)
    assert (one.pop("expires_in"), two.pop("expires_in")) == (8 * DAY, 8 * DAY - 101)
    assert one == two
    assert first.headers["ETag"] == second.headers["ETag"]


async def test_without_an_id_token_one_of_jwt_shape_is_made(world):
    """Codex needs an id token of JWT shape; its claims come from the access token."""
    auth = {"https://api.openai.com/auth": {"chatgpt_account_id": "acct-1"}}
    access = Secret(jwt(exp=int(NOW) + DAY, iat=int(NOW) - DAY, **auth))
    world.account(id_token=None, access_token=access)
    tokens = json.loads((await world.get()).content_bytes)["tokens"]
    assert (
        decode_claims(tokens["id_token"])["https://api.openai.com/auth"]
        == auth["https://api.openai.com/auth"]
    )


async def test_an_opaque_token_has_an_unknown_life(world):
    """Unknown is said as unknown; such a token never counts as expired."""
    world.account(access_token=Secret("opaque"), expires_at=None, issued_at=None)
    response = await world.get("/codex?min_valid=864000")
    assert response.status == 200
    document = json.loads(response.content_bytes)
    assert document["expires_in"] is None
    assert document["expires_at"] is None
    TokenAnswer.model_validate_json(response.content_bytes)


async def test_non_ascii_claims_and_plans_are_served_as_they_are(world):
    """What the issuer put into names and plans goes through JSON unharmed."""
    world.account(plan_type='prö ✓ "quoted"', account_id="アカウント")
    document = json.loads((await world.get()).content_bytes)
    assert document["plan_type"] == 'prö ✓ "quoted"'
    assert document["account_id"] == "アカウント"


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain",
        "text/plain; charset=utf-8",
        "TEXT/PLAIN",
        "text/*",
        "text/plain, application/json;q=0.9",
        "application/json;q=0.1, text/plain;q=0.2",
        "*/*;q=0.1, text/plain",
        "application/json;q=0, */*;q=0.5, text/plain;q=0.4",
        ["application/json;q=0.5", "text/plain"],
    ],
)
async def test_text_plain_is_the_bare_token(world, accept):
    """Whoever prefers text gets the token and nothing else."""
    response = await world.get(Accept=accept)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content_bytes == world.roster.account("work1").access_token.reveal().encode()


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/json",
        "application/*",
        "application/json, text/plain",
        "text/plain;q=0",
        "text/plain;q=0.5, */*",
        "text/html, application/xhtml+xml, */*;q=0.8",
        "text/html",
        "text/plain;q=nonsense",
        "text/plain;q=7",
        ",;,=;q",
        "",
    ],
)
async def test_everyone_else_gets_json(world, accept):
    """JSON wins a draw, and where nothing that there is was asked for."""
    assert (await world.get(Accept=accept)).headers["Content-Type"] == "application/json"


async def test_a_copy_that_is_still_right_is_answered_304(world):
    """A condition that holds leaves no token and no audit record."""
    etag = (await world.get()).headers["ETag"]
    world.audit.records.clear()
    for condition in (
        etag,
        etag.removeprefix("W/"),
        f'"other", {etag}',
        ['"other"', etag],
        "*",
        f"  {etag} ",
        f'W/"a,b",{etag}',
    ):
        response = await world.get(If_None_Match=condition)
        assert response.status == 304, condition
        assert response.content_bytes == b""
        assert response.headers["ETag"] == etag
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Request-Id"]
    assert world.audit.records == []


async def test_a_condition_that_does_not_hold_brings_the_token(world):
    """Other tags, cut tags and nonsense are no match."""
    etag = (await world.get()).headers["ETag"]
    for condition in ('"other"', etag[:-2] + '"', etag.strip('W/"'), "W/", '"', "", "ünï"):
        assert (await world.get(If_None_Match=condition)).status == 200, condition


async def test_the_text_form_has_a_tag_of_its_own(world):
    """Two forms of one token never stand in for each other."""
    etag = (await world.get()).headers["ETag"]
    text = await world.get(Accept="text/plain")
    assert text.headers["ETag"] != etag
    assert "Accept" in text.headers["Vary"]
    assert (await world.get(Accept="text/plain", If_None_Match=etag)).status == 200
    assert (await world.get(Accept="text/plain", If_None_Match=text.headers["ETag"])).status == 304


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"state": State.IN_DOUBT, "updated_at": NOW, "failures": 2, "last_error": "x"}, True),
        ({"access_token": Secret(jwt(exp=1))}, False),
        ({"id_token": Secret(jwt(sub="other"))}, False),
        ({"expires_at": int(NOW) + 9 * DAY}, False),
        ({"refresh_after": NOW + DAY}, False),
        ({"plan_type": "free"}, False),
        ({"name": "renamed"}, False),
    ],
)
async def test_the_tag_changes_with_the_object_and_with_nothing_else(world, change, same):
    """A change of state is no new token; every field of the object is covered."""
    etag = (await world.get()).headers["ETag"]
    world.account(**change)
    response = await world.get(If_None_Match=etag)
    assert (response.status == 304) is same
    assert (response.headers["ETag"] == etag) is same


async def test_the_tag_is_the_same_after_a_restart():
    """Equal records give equal tags, so that copies outlive the daemon."""
    assert PreparedAnswer(make_account()).etag == PreparedAnswer(make_account(revision=9)).etag


async def test_a_copy_is_not_confirmed_once_its_token_may_not_be_served(world):
    """A condition does not go round the rules: expired is 503, disabled 403."""
    etag = (await world.get()).headers["ETag"]
    world.account(disabled=True)
    assert problem(await world.get(If_None_Match=etag)) == "account_disabled"
    world.account()
    world.now += 8 * DAY
    assert (await world.get(If_None_Match=etag)).status == 503


async def test_head_is_get_without_the_body_and_without_a_record(world):
    """No token leaves, so none is recorded; the headers are those of GET."""
    got = await world.get()
    world.audit.records.clear()
    head = await world.get(method="HEAD")
    assert head.status == 200
    assert head.content_bytes == b""
    for name in ("ETag", "Content-Type", "Content-Length", "Cache-Control", "Vary"):
        assert head.headers[name] == got.headers[name]
    assert world.audit.records == []
    world.audit.error = OSError("disk full")
    assert (await world.get(method="HEAD")).status == 200


def test_an_answer_is_made_once_for_each_change_and_dropped_with_its_account():
    """The bytes are kept until the record changes, and not beyond the account."""
    roster = Roster()
    answers = PreparedAnswers(roster)
    accounts = [make_account(number) for number in range(1, 5)]
    for account in accounts:
        roster.put_account(account)
    made = [answers.of(account) for account in accounts]
    assert [answers.of(account) for account in accounts] == made
    changed = make_account(2, revision=2, plan_type="free")
    assert answers.of(changed) is not made[1]
    for account in accounts[1:]:
        roster.drop_account(account.id)
    for revision in range(3, 9):
        answers.of(make_account(1, revision=revision))
    assert len(answers._held) == 1
