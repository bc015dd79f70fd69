"""What a set of tokens says of itself."""

from broker.domain.tokens import read_tokens
from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.secret import Secret

AUTH = "https://api.openai.com/auth"


def _jwt(**claims):
    return Secret(unsigned_jwt(claims))


def test_times_come_from_the_access_token():
    """Issue and expiry are the access token's, and the due time follows from them."""
    found = read_tokens(_jwt(iat=1000, exp=11_000), None, None, now_s=5000, jitter=0)
    assert (found.issued_at, found.expires_at, found.refresh_after) == (1000, 11_000, 7000)
    assert found.refresh_token is None
    assert found.id_token is None


def test_identity_comes_from_the_id_token_first():
    """The id token names the account, the access token fills in what it lacks."""
    access = _jwt(
        **{AUTH: {"chatgpt_account_id": "old", "chatgpt_user_id": "u", "chatgpt_plan_type": "free"}}
    )
    identity = _jwt(email="a@b.c", **{AUTH: {"chatgpt_account_id": "new", "chatgpt_plan_type": "pro"}})
    found = read_tokens(access, Secret("rt"), identity, now_s=0, jitter=0, account_id="beside")
    assert (found.account_id, found.user_id, found.plan_type, found.email) == ("new", "u", "pro", "a@b.c")
    assert found.refresh_token == Secret("rt")


def test_the_file_fills_in_a_missing_account_id():
    """What the file says beside its tokens counts where no claim does."""
    assert (
        read_tokens(Secret("opaque"), None, None, now_s=0, jitter=0, account_id="beside").account_id
        == "beside"
    )


def test_an_opaque_token_has_no_expiry():
    """Without claims the moment of reading stands in for the issue, and nothing for the expiry."""
    found = read_tokens(Secret("opaque"), Secret(""), Secret(""), now_s=77.5, jitter=0)
    assert (found.issued_at, found.expires_at) == (77, None)
    assert (found.refresh_token, found.id_token) == (None, None)


def test_an_answer_is_not_due_at_once():
    """Tokens that came in an answer are due a minute later at the earliest."""
    found = read_tokens(_jwt(iat=0, exp=1000), None, None, now_s=900, jitter=0, answered=True)
    assert found.refresh_after == 960
