"""Where Codex is led below ``exec``: a machine credential to its broker, a real login to nobody."""

import json

import pytest

from fetchtoken.codex.steering import steered_environment, steering, without_steering
from fetchtoken.formats.codex import parse_auth_file
from tests.support.logins import auth_document
from tests.support.tokens import jwt, settings_of

BROKER = "https://broker.example/team"
OTHER = "https://other.example"
REFRESH, REVOKE = "CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE"
STEERED = "CODEX_FETCHTOKEN_STEERED_TO"


def auth_file(refresh, issuer="", **changes):
    document = auth_document(jwt(), refresh=refresh) | changes
    if issuer:
        document["tokens"]["oauth_provenance"] = {"issuer": issuer, "client_id": "app_x"}
    return parse_auth_file(json.dumps(document), "FILE")


NOBODY = parse_auth_file(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-x"}), "FILE")
LED = {
    "its own broker": (auth_file("cbr_x", BROKER), BROKER),
    "its own broker, not the configured one": (auth_file("cbr_x", OTHER), OTHER),
    "a slash at the end": (auth_file("cbr_x", OTHER + "/"), OTHER),
    "a credential that names no broker": (auth_file("cbr_x"), BROKER),
    "an access-only file": (auth_file("", auth_mode="chatgptAuthTokens"), BROKER),
    "no refresh token": (auth_file(""), BROKER),
    "an API key": (NOBODY, BROKER),
    "no file": (None, BROKER),
}


@pytest.mark.parametrize(("auth", "base"), LED.values(), ids=LED)
def test_where_codex_is_led_by_a_remote_source(auth, base):
    """To the broker that the credential is of, else to the one that the token comes from."""
    found = steering(auth, broker=BROKER, asked=True)
    assert (found.base, found.note) == (base, "")


@pytest.mark.parametrize("issuer", ["", "https://auth.openai.com", BROKER])
def test_a_real_login_is_led_nowhere(issuer):
    """Whatever the file names as its issuer: a refresh token never reaches a broker, and that is said."""
    found = steering(auth_file("rt_real", issuer), broker=BROKER, asked=True)
    assert (found.base, found.note) == (
        "",
        "FILE holds a login at OpenAI: Codex is not led to the broker with it",
    )


@pytest.mark.parametrize("held", ["CBR_x", "xcbr_", "cbr", "cbk_x"])
def test_what_is_not_quite_a_credential_is_none(held):
    """Only the exact beginning counts; anything else may be a real login's."""
    assert steering(auth_file(held), broker=BROKER, asked=True).base == ""


ALONE = {
    "its own broker": (auth_file("cbr_x", OTHER), OTHER),
    "a credential that names no broker": (auth_file("cbr_x"), BROKER),
    "a real login": (auth_file("rt_real"), ""),
    "an access-only file": (auth_file(""), ""),
    "no file": (None, ""),
}


@pytest.mark.parametrize(("auth", "base"), ALONE.values(), ids=ALONE)
def test_where_codex_is_led_by_another_source(auth, base):
    """Only a credential leads anywhere; that a login is left alone needs no word then."""
    found = steering(auth, broker=BROKER, asked=False)
    assert (found.base, found.note) == (base, "")


def test_without_any_broker_there_is_nowhere_to_go():
    """A credential that names none, and none that is configured."""
    assert steering(auth_file("cbr_x"), broker="", asked=False).base == ""
    assert steering(auth_file("cbr_x", OTHER), broker="", asked=False).base == OTHER


@pytest.mark.parametrize(
    ("issuer", "note"),
    [
        ("http://broker.example", "plain http on another host"),
        ("ftp://broker.example", "is not an http, https or unix URL"),
        ("https://user:secret@broker.example", "holds a user name or password"),
        ("https://auth.openai.com", ""),
        ("unix:/run/broker.sock", ""),
    ],
)
def test_a_broker_to_which_codex_cannot_go(issuer, note):
    """Neither in the clear, nor to a socket, nor to OpenAI with a credential that is a broker's."""
    found = steering(auth_file("cbr_x", issuer), broker=BROKER, asked=True)
    assert found.base == ""
    assert note in found.note
    assert bool(note) == bool(found.note)
    assert "secret" not in found.note


def test_plain_http_on_this_machine_will_do():
    """A broker on a loopback address, as for every request of ours."""
    assert steering(None, broker="http://127.0.0.1:7455", asked=True).base == "http://127.0.0.1:7455"


@pytest.mark.trap("T24", "T25")
def test_both_variables_are_set_and_whose_they_are():
    """The complete URLs, below the broker's path."""
    assert steered_environment({"HOME": "/h"}, BROKER) == {
        "HOME": "/h",
        REFRESH: f"{BROKER}/oauth/token",
        REVOKE: f"{BROKER}/oauth/revoke",
        STEERED: BROKER,
    }
    assert steered_environment({"HOME": "/h"}, "") == {"HOME": "/h"}


def test_what_the_user_set_himself_stays():
    """Each variable by itself; an empty one is nobody's wish, since Codex would take it for the address."""
    own = {REFRESH: "https://proxy.example/t"}
    assert steered_environment(own, BROKER) == own | {REVOKE: f"{BROKER}/oauth/revoke", STEERED: BROKER}
    both = own | {REVOKE: "https://proxy.example/r"}
    assert steered_environment(both, BROKER) == both
    assert steered_environment({REFRESH: "", REVOKE: ""}, BROKER)[REFRESH] == f"{BROKER}/oauth/token"


def test_an_exec_in_an_exec_judges_anew():
    """What the outer one set is taken back, and nothing that the user set."""
    outer = steered_environment({"HOME": "/h", REVOKE: "https://proxy.example/r"}, BROKER)
    assert without_steering(outer) == {"HOME": "/h", REVOKE: "https://proxy.example/r"}
    assert without_steering({REFRESH: "https://x"}) == {REFRESH: "https://x"}


def test_the_variables_are_codex_s_and_no_setting_of_ours(tmp_path):
    """Below exec another login of ours is refreshed where it belongs, and never at the broker."""
    settings = settings_of(tmp_path, **steered_environment({}, BROKER))
    assert (settings.refresh_url_override, settings.revoke_url_override) == ("", "")
    own = steered_environment({REFRESH: "https://proxy.example/t"}, BROKER)
    assert settings_of(tmp_path, **own).refresh_url_override == "https://proxy.example/t"
    assert settings_of(tmp_path, **own).revoke_url_override == ""
    assert (
        settings_of(tmp_path, **{STEERED: BROKER, REFRESH: "https://x"}).refresh_url_override == "https://x"
    )
