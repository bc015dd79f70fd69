"""The page for device logins over raw HTTP: what it takes, from where, and how often."""

import asyncio
import re
from html import unescape

import pytest

from broker.access.limits import Rate
from broker.api.devicehtml import codes_page, decision_page, end_page
from broker.domain.device import DeviceState, Hashed
from broker.store.devices import find_device
from fetchtoken.domain.errors import Unavailable
from fetchtoken.domain.secret import Secret
from tests.support.records import NOW
from tests.unit.api.logins import ADDRESS
from tests.unit.api.world import WIDE

OWN = {"Origin": ADDRESS}
HOSTILE = "</title><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


async def send(world, fields, **headers):
    """Send a form as the page itself would; a header that is given as an empty text is left out."""
    sent = {name: value for name, value in (OWN | headers).items() if value}
    response = await world.post("/codex/device", fields, form=True, **sent)
    response.said = response.content_bytes.decode()
    return response


async def both(world, *accounts, **invite):
    """Return what Codex keeps, and a form with both codes right."""
    kept = await world.begin()
    code = await world.logins.invited("laptop", *accounts, **invite)
    return kept, {"user_code": kept["user_code"], "invite": code.text.reveal()}


def decision(response, **changes):
    """Return the form of the page that asks for a decision."""
    ticket = re.search(r'name="ticket" value="([^"]+)"', response.said)[1]
    known = {"ticket": unescape(ticket), "machine": "box", "account": "work", "decision": "approve"}
    return {name: value for name, value in (known | changes).items() if value is not None}


async def state_of(world, kept):
    return (await find_device(world.store, Hashed.DEVICE, Secret(kept["device_auth_id"]))).state


async def test_a_person_approves_a_login(broker):
    """Both codes, then a name and one account; the client counts at once, and Codex gets its code."""
    kept, codes = await both(broker)
    page = await send(broker, codes)
    assert page.status == 200
    for shown in ("127.0.0.1", "2025-11-24T16:00:00Z", "laptop", 'value="home"', 'value="work"', "app_x"):
        assert shown in page.said
    done = await send(broker, decision(page))
    assert (done.status, "Approved" in done.said) == (200, True)
    assert broker.roster.client("laptop") is not None
    assert broker.marks.top == broker.roster.client("laptop").revision
    assert (await broker.poll(kept)).status == 200


async def test_codes_are_taken_as_people_type_them(broker):
    """In lower case, without the hyphen, with blanks around what was pasted."""
    _, codes = await both(broker)
    codes["user_code"] = f" {codes['user_code'].lower().replace('-', ' ')} "
    codes["invite"] = f" {codes['invite']}\n"
    assert (await send(broker, codes)).status == 200


async def test_a_person_denies_a_login(broker):
    """No account need be picked for that; Codex is told, and the invite stays good."""
    kept, codes = await both(broker)
    page = await send(broker, codes)
    done = await send(broker, decision(page, decision="deny", account=None))
    assert (done.status, "Denied" in done.said) == (200, True)
    assert (await broker.poll(kept)).status == 410
    again = await broker.begin()
    assert (await send(broker, codes | {"user_code": again["user_code"]})).status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_page_keeps_to_itself(broker, method):
    """No frame, no script, nothing from elsewhere, nothing kept, and no address of it for others."""
    response = await (send(broker, {"x": "y"}) if method == "POST" else broker.get("/codex/device", key=""))
    policy = response.headers["Content-Security-Policy"]
    style = re.search(r"style-src '(sha256-[A-Za-z0-9+/=]+)'", policy)[1]
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src '{style}'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Set-Cookie" not in response.headers


async def test_an_address_cannot_fill_in_a_code(broker):
    """A link that somebody sends leaves nothing to be confirmed."""
    response = await broker.get("/codex/device?user_code=AAAA-AAAA&invite=cbi_x", key="")
    assert response.status == 200
    assert b"AAAA-AAAA" not in response.content_bytes
    assert response.content_bytes == (await broker.get("/codex/device", key="")).content_bytes


async def test_the_page_says_what_a_person_must_know(broker):
    """What Codex does to a login that is there, where its logout posts the credential, and phishing."""
    text = (await broker.get("/codex/device", key="")).content_bytes.decode()
    for said in ("adopt", "auth.json", "30 days", "CODEX_REVOKE_TOKEN_URL_OVERRIDE", "sent you"):
        assert said in text
    assert f"{ADDRESS}/oauth/revoke" in text


FOREIGN = [
    {"Origin": ""},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://broker.example"},
    {"Origin": "https://broker.example:8443"},
    {"Origin": "https://broker.example.evil.example"},
    {"Origin": f"{ADDRESS} https://evil.example"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
]


async def test_a_form_from_elsewhere_counts_for_nothing(broker):
    """Neither form; the ticket is not used up by it, and the request waits on."""
    kept, codes = await both(broker)
    page = await send(broker, codes, Sec_Fetch_Site="same-origin")
    form = decision(page)
    for headers in FOREIGN:
        for fields in (codes, form):
            refused = await send(broker, fields, **headers)
            assert refused.status == 403, headers
            assert f"open {ADDRESS}/codex/device" in refused.said
    assert await state_of(broker, kept) is DeviceState.WAITING
    assert (await send(broker, form)).status == 200


async def test_several_origins_are_none(broker):
    """A second header does not make up for the first."""
    head = b"POST /codex/device HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"
    origins = f"Origin: {ADDRESS}\r\nOrigin: https://evil.example\r\n\r\n".encode()
    assert (await broker.raw(head + origins)).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("account", ["other", "Work", "work ", "", "1", "../work"])
async def test_a_rewritten_account_is_not_approved(broker, account):
    """The invite decides, not the form; and the ticket is spent."""
    kept, codes = await both(broker)
    form = decision(await send(broker, codes), account=account)
    refused = await send(broker, form)
    assert refused.status in (400, 403)
    assert await state_of(broker, kept) is DeviceState.WAITING
    assert broker.roster.client("laptop") is None


async def test_a_machine_s_name_is_one(broker):
    """What is none is refused before the ticket is touched, and never shown as it is."""
    kept, codes = await both(broker)
    page = await send(broker, codes)
    for name in ("", "Box", "device", "-x", "a b", "x" * 65, HOSTILE, "a\u202eb", "box\x00"):
        refused = await send(broker, decision(page, machine=name))
        assert refused.status == 400, name
        assert HOSTILE not in refused.said
    assert await state_of(broker, kept) is DeviceState.WAITING
    assert (await send(broker, decision(page))).status == 200


async def test_a_ticket_brings_its_own_request_and_no_other(broker):
    """With the other invite's account it brings nothing."""
    mine, codes = await both(broker, "home")
    theirs = await broker.begin()
    code = await broker.logins.invited("theirs", "other")
    page = await send(broker, {"user_code": theirs["user_code"], "invite": code.text.reveal()})
    assert (await send(broker, decision(await send(broker, codes), account="other"))).status == 403
    assert (await send(broker, decision(page, account="home"))).status == 403
    assert await state_of(broker, mine) is await state_of(broker, theirs) is DeviceState.WAITING


@pytest.mark.parametrize(
    "changes",
    [
        {"user_code": "AAAA-AAAA"},
        {"invite": "cbi_x"},
        {"client": "another"},
        {"decision": "maybe"},
        {"decision": "approve", "account": None},
        {"machine": None},
    ],
)
async def test_a_form_of_another_shape_is_refused(broker, changes):
    """Unknown, missing and mixed fields; the request waits on."""
    kept, codes = await both(broker)
    form = decision(await send(broker, codes), **changes)
    assert (await send(broker, form)).status == 400
    assert await state_of(broker, kept) is DeviceState.WAITING


NO_FORMS = [
    (b"", {}),
    (b"user_code", {}),
    (b"user_code=a&user_code=b&invite=c", {}),
    (b"user_code=%ff&invite=c", {}),
    ("user_code=ä&invite=c".encode(), {}),
    (b"&".join(b"x%d=1" % number for number in range(40)), {}),
    (b'{"user_code": "a", "invite": "b"}', {"Content_Type": "application/json"}),
    (b"user_code=a&invite=b", {"Content_Type": "text/plain"}),
    (b"user_code=a&invite=b", {"Content_Type": "application/x-www-form-urlencoded; charset=utf-7"}),
]


async def test_a_body_that_is_no_form_is_refused(broker):
    """Repeated fields, other bytes, other kinds and other charsets."""
    for body, headers in NO_FORMS:
        refused = await send(broker, body, **headers)
        assert (refused.status, "Nothing was done" in refused.said) == (400, True), body


async def test_a_large_form_is_not_read_to_its_end(broker):
    """At most 4096 bytes."""
    assert (await send(broker, b"user_code=" + b"A" * 5000)).status == 413


async def test_wrong_codes_are_told_apart_only_for_whom_has_an_invite(broker):
    """Without one, a user code that waits is answered like one that does not, byte by byte."""
    _, codes = await both(broker)
    blind = [
        await send(broker, {"user_code": code, "invite": invite})
        for code in (codes["user_code"], "AAAA-AAAA", "nonsense")
        for invite in ("cbi_x", "", codes["invite"][:-1])
    ]
    assert {answer.status for answer in blind} == {403}
    assert len({answer.said for answer in blind}) == 1
    held = await send(broker, codes | {"user_code": "AAAA-AAAA"})
    assert held.status == 403
    assert "No machine waits with that code" in held.said


async def test_guessing_is_bounded_for_an_address(served):
    """Neither form can be tried more often; right codes cost nothing."""
    tight = WIDE._replace(joins=Rate(burst=3, per_s=0.1))
    async with served(limits=tight) as world:
        for number in range(5):
            _, codes = await both(world, device=False, expires_at=NOW + 99 + number)
            assert (await send(world, codes)).status == 200
        guess = {"ticket": "x" * 43, "machine": "box", "account": "work", "decision": "approve"}
        statuses = [(await send(world, guess)).status for _ in range(4)]
        assert statuses == [403, 403, 403, 429]
        refused = await send(world, codes)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
        assert "too many attempts" in refused.said


async def test_guesses_sent_at_once_do_not_slip_through(served):
    """Each is paid for before it is looked at."""
    tight = WIDE._replace(joins=Rate(burst=3, per_s=0.1))
    async with served(limits=tight) as world:
        codes = {"user_code": "AAAA-AAAA", "invite": "cbi_x"}
        answers = await asyncio.gather(*(send(world, codes) for _ in range(12)))
    assert sorted(answer.status for answer in answers) == [403] * 3 + [429] * 9


async def test_all_addresses_together_are_bounded_and_readers_are_unharmed(served):
    """A flood from everywhere stops approvals, and neither the asking nor the tokens."""
    tight = WIDE._replace(all_joins=Rate(burst=2, per_s=0.1))
    async with served(limits=tight) as world:
        kept = await world.begin()
        codes = {"user_code": "AAAA-AAAA", "invite": "cbi_x"}
        assert [(await send(world, codes)).status for _ in range(3)] == [403, 403, 429]
        assert (await world.poll(kept)).status == 403
        assert (await world.get("/codex/device", key="")).status == 200


async def test_a_store_that_does_not_answer_is_said(broker, monkeypatch):
    """With a status that says so, and when to come again."""
    _, codes = await both(broker)

    async def fail(*_args):
        raise Unavailable("the store is locked")

    monkeypatch.setattr(broker.devices, "look", fail)
    refused = await send(broker, codes)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_405_with_those_there_are(broker, method):
    """As everywhere."""
    response = await broker.get("/codex/device", method=method, key="")
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")


async def test_head_and_options_are_answered_as_elsewhere(broker):
    """HEAD has GET's headers and no body; OPTIONS lets no other origin in."""
    head = await broker.get("/codex/device", method="HEAD", key="")
    assert (head.status, head.content_bytes) == (200, b"")
    options = await broker.get("/codex/device", method="OPTIONS", key="", Origin="https://evil.example")
    assert (options.status, options.headers["Allow"]) == (204, "GET, HEAD, POST, OPTIONS")
    assert not [name for name in options.headers if name.lower().startswith("access-control")]


async def test_no_code_is_in_the_request_lines(broker):
    """Forms are not logged; who approved is known by its client."""
    _, codes = await both(broker)
    page = await send(broker, codes)
    await send(broker, decision(page))
    held = repr(broker.lines)
    for secret in (codes["user_code"], codes["invite"], decision(page)["ticket"]):
        assert secret not in held
    assert broker.lines[-2].client == "laptop"


async def test_the_path_of_the_address_is_the_form_s(served):
    """Behind a proxy that serves it below a path, the form goes there."""
    async with served(public_url=f"{ADDRESS}/sub") as world:
        text = (await world.get("/codex/device", key="")).content_bytes.decode()
        assert 'action="/sub/codex/device"' in text
        assert (await send(world, {"user_code": "x", "invite": "y"})).status == 403


def test_hostile_values_stay_text():
    """Whatever stands in a value, no page gets an element or an attribute of it."""
    pages = [
        codes_page(HOSTILE, HOSTILE, HOSTILE),
        end_page(HOSTILE, HOSTILE, HOSTILE),
        decision_page(
            HOSTILE,
            ticket=Secret(HOSTILE),
            client=HOSTILE,
            client_id=HOSTILE,
            address=HOSTILE,
            asked_at=NOW,
            now_s=NOW + 9,
            accounts=[HOSTILE],
        ),
    ]
    for page in pages:
        assert "<script" not in page
        assert "<img" not in page
        assert "onerror=alert(1)>" not in page
        assert unescape(page).count(HOSTILE) >= 2


def test_a_single_account_is_picked_already_and_several_are_not():
    """A choice is made by a person, where there is one."""
    known = {"client": "x", "client_id": "x", "address": "x", "asked_at": NOW, "now_s": NOW}
    one = decision_page("/", ticket=Secret("t"), accounts=["a"], **known)
    two = decision_page("/", ticket=Secret("t"), accounts=["a", "b"], **known)
    assert (one.count(" checked"), two.count(" checked"), two.count('type="radio"')) == (1, 0, 2)
