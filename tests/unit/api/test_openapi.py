"""The document and the service say the same: every route, every status, every code, every shape."""

import json
import os
import re

import pytest
from aiohttp.web import Application
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from pydantic import TypeAdapter

from broker.access.gate import Limits
from broker.access.limits import Rate
from broker.api.models import Problem, TokenAnswer
from broker.api.problems import STATUS_OF, Code
from broker.domain.account import State
from broker.domain.apikey import new_key
from broker.domain.approval import Asked, Refusal
from broker.domain.device import DeviceState
from broker.store.invites import Joined
from fetchtoken.domain.errors import ConfigError, Unavailable
from fetchtoken.domain.secret import Secret
from tests.support.records import a_client
from tests.unit.api.world import NOW, WIDE, World, running
from tests.unit.domain.test_device import a_request

NONE = Rate(burst=0, per_s=1.0)
NO_FAILURES = Limits(failures=NONE, reads=Rate(burst=9, per_s=1.0), joins=NONE, all_joins=NONE)
HOSTS = frozenset({"broker.example"})
ADDRESS = "https://broker.example"
DECISION = {"ticket": "t", "machine": "box", "account": "work1", "decision": "approve"}
JOINED = Joined(client=a_client(), api_key=Secret("cbk_new"), accounts=("work",), first=True)


def ask(path):
    """Return a case that just asks."""

    async def case(world):
        return await world.get(path)

    return case


def changed(path, **changes):
    """Return a case that asks after the account was changed."""

    async def case(world):
        world.account(**changes)
        return await world.get(path)

    return case


def with_client(path, **changes):
    async def case(world):
        world.account(2)
        world.client(**changes)
        return await world.get(path)

    return case


def with_headers(path, **headers):
    async def case(world):
        return await world.get(path, **headers)

    return case


def misdirected(path):
    async def case(world):
        return await world.get(path, Host="evil.example")

    return case


def huge(path):
    async def case(world):
        return await world.get(path, Content_Length="99999999")

    return case


def broken(path):
    async def case(world):
        def fail(*_args):
            raise RuntimeError("a bug")

        for name in ("account", "account_by_id", "accounts", "client_by_key"):
            setattr(world.roster, name, fail)
        world.health.now = RuntimeError("a bug")
        return await world.get(path)

    return case


def not_modified(path):
    async def case(world):
        return await world.get(path, If_None_Match="*")

    return case


def troubled(*troubles):
    async def case(world):
        world.health.now = troubles
        return await world.get("/readyz")

    return case


def joining(body=None, outcome=None, **headers):
    """Return a case that sends a code."""

    async def case(world):
        world.enrolment.outcome = outcome
        return await world.join(body, **headers)

    return case


def refreshing(credential=None, *, account=None, machine=None, **fields):
    """Return a case that asks for a machine's token after account or credential were changed."""

    async def case(world):
        world.account(**(account or {}))
        held = world.machine(**(machine or {}))
        return await world.refresh(held if credential is None else credential, **fields)

    return case


def exchanging(key=None, *, client=None, error=None, **fields):
    """Return a case that exchanges an API key after its client was changed, or where that fails."""

    async def case(world):
        world.account(2)
        world.client(**(client or {}))
        world.machines.error = error
        return await world.exchange(key, **fields)

    return case


def posting(path, data, **headers):
    async def case(world):
        world.machine()
        return await world.post(path, data, **headers)

    return case


def breaking(path, data):
    """Return a case in which the body is fine and the broker is not."""

    async def case(world):
        credential = world.machine()
        world.roster.machine_by_key = None
        return await world.post(path, {**data, "token": credential, "refresh_token": credential})

    return case


def revoking(error):
    async def case(world):
        world.machines.error = error
        return await world.post("/oauth/revoke", {"token": world.machine()})

    return case


def oauth_cases():
    """Return the same for the routes of machine credentials."""
    found = {}
    stranger, foreign = (new_key(kind, os.urandom).text.reveal() for kind in ("cbr", "cbk"))
    dead = {"expires_at": int(NOW)}
    token, revoke = "/oauth/token", "/oauth/revoke"
    metadata = "/.well-known/oauth-authorization-server"
    found[token, 200, ""] = refreshing()
    found[token, 400, "invalid_request"] = posting(token, {})
    found[token, 400, "unsupported_grant_type"] = refreshing(grant_type="password")
    found[token, 400, "invalid_grant"] = refreshing("cbr_torn")
    found[token, 400, "invalid_target"] = exchanging(resource="https://broker.example/codex/work1")
    both = frozenset({1, 2})
    found[token, 400, "account_required"] = exchanging(client={"accounts": both}, without=("audience",))
    found[token, 401, "invalid_token"] = exchanging(foreign)
    found[token, 403, "not_granted"] = exchanging(audience="work2")
    found[token, 403, "insufficient_scope"] = exchanging(client={"scopes": frozenset({"quota"})})
    found[token, 403, "too_many_machines"] = exchanging(error=ConfigError("50", code="too_many_machines"))
    found[token, 401, "refresh_token_invalidated"] = refreshing(machine={"revoked_at": NOW - 1})
    found[token, 401, "refresh_token_expired"] = refreshing(machine={"expires_at": NOW})
    found[token, 403, "account_disabled"] = refreshing(account={"disabled": True})
    found[token, 429, "rate_limited"] = refreshing(stranger)
    found[token, 503, "sealed"] = refreshing(account={"sealed": True, "access_token": Secret("")})
    found[token, 503, "login_required"] = refreshing(account={"state": State.LOGIN_REQUIRED, **dead})
    found[token, 503, "unavailable"] = refreshing(account={"state": State.IN_DOUBT, **dead})
    found[revoke, 200, ""] = posting(revoke, {"token": "rt_somebody_elses"})
    found[revoke, 400, "invalid_request"] = posting(revoke, {})
    found[revoke, 429, "rate_limited"] = posting(revoke, {"token": stranger})
    found[revoke, 503, "unavailable"] = revoking(Unavailable("the store is locked"))
    for path in (token, revoke):
        found[path, 413, "content_too_large"] = posting(path, b" " * 9000)
        found[path, 421, "misdirected_request"] = posting(path, {}, Host="evil.example")
        found[path, 500, "internal_error"] = breaking(path, {"grant_type": "refresh_token"})
    found[metadata, 200, ""] = ask(metadata)
    found[metadata, 404, "not_found"] = ask(metadata)
    found[metadata, 421, "misdirected_request"] = misdirected(metadata)
    found[metadata, 413, "content_too_large"] = huge(metadata)
    return found


def device(path, fields, *, form=False, **outcome):
    """Return a case that asks after a device login, or decides on one, with the given outcome."""

    async def case(world):
        world.devices.outcome = outcome
        headers = {"Origin": ADDRESS} if form else {}
        return await world.post(path, fields, form=form, **headers)

    return case


def device_cases():
    """Return the same for the routes of device logins."""
    begin, poll = ("/api/accounts/deviceauth/" + name for name in ("usercode", "token"))
    show, decide = "GET /codex/device", "POST /codex/device"
    asked = Asked(device=Secret("d" * 43), user_code=Secret("AAAA-AAAA"), expires_at=NOW + 600)
    locked = Unavailable("the store is locked")
    who, which = {"client_id": "app_x"}, {"device_auth_id": "d" * 43, "user_code": "AAAA-AAAA"}
    codes = {"user_code": "AAAA-AAAA", "invite": "cbi_x"}
    found = {
        (begin, 200, ""): device(begin, who, ask=asked),
        (begin, 400, "invalid_request"): device(begin, {}),
        (begin, 404, "not_found"): device(begin, who, ask=asked),
        (begin, 429, "rate_limited"): device(begin, who),
        (begin, 500, "internal_error"): device(begin, who, ask=RuntimeError("a bug")),
        (begin, 503, "unavailable"): device(begin, who, ask=locked),
        (poll, 200, ""): device(poll, which, find=a_request(state=DeviceState.APPROVED)),
        (poll, 400, "invalid_request"): device(poll, {}),
        (poll, 403, "authorization_pending"): device(poll, which, find=a_request()),
        (poll, 403, "slow_down"): limited(device(poll, which, find=a_request())),
        (poll, 410, "access_denied"): device(poll, which, find=a_request(state=DeviceState.DENIED)),
        (poll, 410, "expired_token"): device(poll, which),
        (poll, 500, "internal_error"): device(poll, which, find=RuntimeError("a bug")),
        (show, 200, ""): ask("/codex/device"),
        (show, 404, "not_found"): ask("/codex/device"),
        (show, 413, "content_too_large"): huge("/codex/device"),
        (show, 421, "misdirected_request"): misdirected("/codex/device"),
        (decide, 200, ""): device("/codex/device", DECISION, form=True),
        (decide, 400, ""): device("/codex/device", {"x": "y"}, form=True),
        (decide, 403, ""): device("/codex/device", codes, form=True, look=Refusal.INVITE),
        (decide, 404, "not_found"): device("/codex/device", codes, form=True),
        (decide, 429, ""): device("/codex/device", codes, form=True),
        (decide, 500, "internal_error"): device("/codex/device", codes, form=True, look=RuntimeError()),
        (decide, 503, ""): device("/codex/device", codes, form=True, look=locked),
    }
    for route, path in ((begin, begin), (poll, poll), (decide, "/codex/device")):
        found[route, 413, "content_too_large"] = oversized(path)
        found[route, 421, "misdirected_request"] = posting(path, {}, Host="evil.example")
    return found


def limited(case):
    """Return a case that repeats another until it is refused for that."""

    async def many(world):
        for _ in range(31):
            response = await case(world)
        return response

    return many


def oversized(path):
    async def case(world):
        form = path == "/codex/device"
        return await world.post(path, b" " * 9000, form=form, Origin=ADDRESS)

    return case


def cases():
    """Return a way to each (route, status, code), by hand: the document is compared with these."""
    found = {}
    tokens = {"/codex": "/codex", "/codex/{account}": "/codex/work1"}
    others = ["/v1/whoami", "/v1/accounts", "/healthz", "/readyz", "/openapi.json"]
    for route, path in [*tokens.items(), *((other, other) for other in others)]:
        found[route, 200, ""] = ask(path)
        found[route, 421, "misdirected_request"] = misdirected(path)
        found[route, 413, "content_too_large"] = huge(path)
        if route not in ("/healthz", "/openapi.json"):
            found[route, 500, "internal_error"] = broken(path)
    for route, path in [*tokens.items(), ("/v1/whoami", "/v1/whoami"), ("/v1/accounts", "/v1/accounts")]:
        found[route, 401, "invalid_token"] = with_headers(path, key="nonsense")
        found[route, 429, "rate_limited"] = with_headers(path, key="nonsense", X_Limits="none")
    dead = {"expires_at": int(NOW)}
    for route, path in tokens.items():
        found[route, 304, ""] = not_modified(path)
        found[route, 400, "invalid_request"] = ask(path + "?min_valid=x")
        found[route, 403, "not_granted"] = with_client(path, accounts=frozenset())
        found[route, 403, "insufficient_scope"] = with_client(path, scopes=frozenset({"quota"}))
        found[route, 403, "account_disabled"] = changed(path, disabled=True)
        found[route, 503, "sealed"] = changed(path, sealed=True, access_token=Secret(""))
        found[route, 503, "login_required"] = changed(path, state=State.LOGIN_REQUIRED, **dead)
        found[route, 503, "unavailable"] = changed(path, state=State.IN_DOUBT, **dead)
        found[route, 503, "token_expiring"] = changed(path + "?min_valid=864000")
    found["/codex", 400, "account_required"] = with_client("/codex", accounts=frozenset({1, 2}))
    found["/codex/{account}", 404, "not_found"] = ask("/codex/Work1")
    found["/join", 200, ""] = joining(outcome=JOINED)
    found["/join", 400, "invalid_request"] = joining(b"{}")
    found["/join", 401, "invalid_token"] = joining()
    found["/join", 413, "content_too_large"] = joining(b" " * 5000)
    found["/join", 421, "misdirected_request"] = joining(Host="evil.example")
    found["/join", 429, "rate_limited"] = joining(X_Limits="none")
    found["/join", 500, "internal_error"] = joining(outcome=RuntimeError("a bug"))
    found["/join", 503, "unavailable"] = joining(outcome=Unavailable("the store is locked"))
    found["/readyz", 503, "sealed"] = troubled("seal")
    found["/readyz", 503, "unavailable"] = troubled("store")
    return found | oauth_cases() | device_cases()


CASES = cases()
METADATA = "/.well-known/oauth-authorization-server"
CANNOT_FAIL = {
    (path, 500, "internal_error") for path in ("/healthz", "/openapi.json", METADATA, "GET /codex/device")
}
"""Documented because any route might; nothing these depend on can be broken by a test."""


async def fetched(world):
    response = await world.get("/openapi.json", key="", Host="broker.example")
    assert response.status == 200
    return json.loads(response.content_bytes)


@pytest.fixture
async def document():
    async with running(World(), hosts=HOSTS, public_url="https://broker.example") as world:
        yield await fetched(world)


def operations_of(document):
    """Return every operation by its path; where a path has several, by its method, too."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield (path if len(operations) == 1 else f"{method.upper()} {path}"), operation


def documented(document):
    """Return every (route, status, code) that the document promises."""
    found = set()
    for route, operation in operations_of(document):
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/problem+json")
            if content is None:
                found.add((route, int(status), ""))
            else:
                codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
                found |= {(route, int(status), code) for code in codes}
    return found


async def test_the_document_is_valid_openapi_3_1(document):
    """The validator of the specification finds nothing."""
    validate(document, cls=OpenAPIV31SpecValidator)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "https://broker.example"}]


async def test_every_served_route_is_documented_and_the_other_way_round(document):
    """Paths in the router and in the document are the same."""
    async with running(World()) as world:
        router: Application = world.runner.app.router
        served = {resource.canonical for resource in router.resources()} - {"/{path}"}
    assert served == set(document["paths"])


async def test_every_documented_answer_has_a_case_and_the_other_way_round(document):
    """No status or code is promised that no test can bring about, and none is kept quiet."""
    assert documented(document) - CANNOT_FAIL == set(CASES)


@pytest.mark.parametrize("cell", list(CASES), ids=lambda cell: " ".join(map(str, cell)))
async def test_each_answer_is_the_one_documented(cell):
    """Status, code, shape and headers of each case are those of the document."""
    route, status, code = cell
    world = World()
    world.account()
    world.client()
    limits = NO_FAILURES if status == 429 else WIDE
    hosts = frozenset() if status != 421 else HOSTS
    address = "" if code == "not_found" else ADDRESS
    async with running(world, limits=limits, hosts=hosts, public_url=address) as world:
        schema = json.loads((await world.get("/openapi.json", key="", Host="broker.example")).content_bytes)
        response = await CASES[cell](world)
    assert response.status == status
    operation = dict(operations_of(schema))[route]
    described = operation["responses"][str(status)]
    kind = response.headers["Content-Type"].partition(";")[0] if response.content_bytes else None
    if status != 304:
        assert kind in described["content"]
    if code:
        answered = Problem.model_validate_json(response.content_bytes)
        assert (answered.code, answered.status, answered.detail != "") == (code, status, True)
    for header in ("WWW-Authenticate", "Retry-After", "ETag", "X-Request-Id"):
        assert header in described["headers"] or header not in response.headers


async def test_every_code_has_a_status_and_a_place_in_the_document(document):
    """405 is said in words, since no operation can stand for all other methods."""
    codes = {code for _, _, code in documented(document)} - {""}
    assert codes | {"method_not_allowed"} == set(STATUS_OF) == set(TypeAdapter(Code).json_schema()["enum"])
    assert "method_not_allowed" in document["info"]["description"]


async def test_keyed_routes_say_so(document):
    """A security requirement stands wherever a key is wanted, and only there."""
    for route, operation in operations_of(document):
        expected = [{"apiKey": []}] if route.startswith(("/codex", "/v1/")) else []
        assert operation["security"] == expected, route


async def test_the_shape_of_the_token_is_that_of_the_contract(document):
    """The document names exactly the fields that are answered."""
    shape = document["components"]["schemas"]["TokenAnswer"]
    assert shape["required"] == list(TokenAnswer.model_fields)
    assert shape["additionalProperties"] is False


async def test_the_account_s_pattern_is_the_rule_for_names(document):
    """The documented pattern and the rule of names agree on good and bad names."""
    from fetchtoken.domain.names import is_name

    parameters = document["paths"]["/codex/{account}"]["get"]["parameters"]
    pattern = next(one for one in parameters if one["name"] == "account")["schema"]["pattern"]
    for name in ("work", "a.b_c@d+e-f", "x" * 64, "x" * 65, "-a", "", "Ä", "a/b", "a b", "0", "a\n"):
        assert bool(re.search(pattern, name)) == is_name(name) or name == "a\n", name
