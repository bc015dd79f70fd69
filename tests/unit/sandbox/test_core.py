"""The issuer without socket, clock or chance."""

import json
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from broker.sandbox.answers import Shape
from broker.sandbox.faults import FAULTS, Queued, find_fault, spoil
from broker.sandbox.issuer import StrictIssuer, Wish
from broker.sandbox.log import RequestLog, log_line
from broker.sandbox.logins import Logins
from broker.sandbox.tokens import TokenMaker
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID

NOW_S = 1_800_000_000.5


def _issuer():
    numbers = count()
    maker = TokenMaker(lambda size: next(numbers).to_bytes(size, "big"), "http://127.0.0.1:1")
    return StrictIssuer(Logins(), maker)


def _fields(refresh_token):
    return {"client_id": OAUTH_CLIENT_ID, "grant_type": "refresh_token", "refresh_token": refresh_token}


def test_the_same_randomness_gives_the_same_tokens():
    """Nothing but the arguments decides what is minted."""
    one, two = _issuer().mint(Wish(), NOW_S), _issuer().mint(Wish(), NOW_S)
    assert one == two


def test_repr_shows_no_token():
    """Neither a minted login nor a decision nor its answer prints a token."""
    issuer = _issuer()
    minted = issuer.mint(Wish(), NOW_S)
    tokens = minted.document["tokens"]
    decision = issuer.exchange(_fields(tokens["refresh_token"]), NOW_S)
    shown = repr([minted, decision, decision.reply(Shape.NESTED)])
    for secret in (*tokens.values(), *decision.document.values()):
        if isinstance(secret, str) and secret.startswith(("rt_", "ey")):
            assert secret not in shown


def test_an_access_token_ends_at_its_very_second():
    """At ``exp`` an access token is expired, a moment before it is not."""
    issuer = _issuer()
    access = Secret(issuer.mint(Wish(life_s=100), NOW_S).document["tokens"]["access_token"])
    end = int(NOW_S) + 100
    assert not issuer.usage(access, end - 0.001).code
    assert issuer.usage(access, end).code == "token_expired"


@given(st.lists(st.integers(0, 3), max_size=12))
def test_only_the_newest_token_of_a_living_family_rotates(choices):
    """Whatever is presented, in whatever order: each generation rotates once, a replay ends all."""
    issuer = _issuer()
    minted = issuer.mint(Wish(), NOW_S)
    tokens, alive = [minted.document["tokens"]["refresh_token"]], True
    for choice in choices:
        back = min(choice, len(tokens) - 1)
        decision = issuer.exchange(_fields(tokens[-1 - back]), NOW_S)
        if not alive:
            assert decision.code == "refresh_token_invalidated"
        elif back:
            assert decision.code == "refresh_token_reused"
            alive = False
        else:
            assert decision.text == "rotated"
            tokens.append(decision.document["refresh_token"])
    login = issuer.logins.get(minted.login_id)
    assert login.generation == login.exchanges == len(tokens) - 1
    assert bool(login.revoked) is not alive


@given(
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["client_id", "grant_type", "refresh_token"]),
        st.none() | st.text(max_size=9) | st.integers() | st.lists(st.none(), max_size=1),
    )
)
def test_any_body_gets_a_refusal(fields):
    """No body of a request makes the issuer fail."""
    issuer = _issuer()
    issuer.mint(Wish(), NOW_S)
    assert issuer.exchange(fields, NOW_S).code
    assert issuer.revoke(fields).code or issuer.revoke(fields).text == "answered"


def test_logins_survive_their_document():
    """What is written out reads back as the same families."""
    issuer = _issuer()
    token = issuer.mint(Wish(), NOW_S).document["tokens"]["refresh_token"]
    issuer.exchange(_fields(token), NOW_S)
    document = json.loads(json.dumps(issuer.logins.to_document()))
    again = Logins.from_document(document)
    assert again.to_document() == document
    assert again.by_refresh(Secret(token).fingerprint())[1] == 0


def test_a_fault_changes_nothing_in_the_decision():
    """Every fault makes a whole answer out of any decision."""
    issuer = _issuer()
    token = issuer.mint(Wish(), NOW_S).document["tokens"]["refresh_token"]
    decision = issuer.exchange(_fields(token), NOW_S)
    before = dict(decision.document)
    for name in FAULTS:
        reply = spoil(Queued(fault=find_fault(name)), decision, Shape.STRING)
        assert 200 <= reply.status <= 503
    assert decision.document == before


def test_a_log_line_is_for_people():
    """A line tells time, route, fingerprint, generation, decision, fault and status."""
    log = RequestLog()
    log.add(
        now_s=NOW_S,
        route="POST /oauth/token",
        fingerprint="00ff",
        login_id="x",
        generation=3,
        decision="rotated",
        fault="commit-then-500",
        status=500,
    )
    log.add(
        now_s=NOW_S,
        route="GET (unknown path)",
        fingerprint="",
        login_id="",
        generation=None,
        decision="refused: not_found",
        fault="",
        status=0,
    )
    assert [log_line(entry).strip() for entry in log.after()] == [
        "1 2027-01-15T08:00:00Z POST /oauth/token token=00ff generation=3 rotated [commit-then-500] → 500",
        "2 2027-01-15T08:00:00Z GET (unknown path) token=- generation=- refused: not_found → no answer",
    ]
