"""Local first runs, row by row of the contract: exit code, what happened, one thing to do."""

import json
from textwrap import dedent

import pytest

from tests.support.laptop import EXPIRED
from tests.support.peers import closed_port
from tests.transcripts.local.said import said

SHORT = {"life_s": 4_000, "age_s": 1_000}
CANARY = "canary-1c4e"


def write(laptop, content, *, mode=0o600):
    laptop.auth.write_text(content if isinstance(content, str) else json.dumps(content))
    laptop.auth.chmod(mode)


def hears(laptop, transcript, *words):
    """Run the command and compare everything that it says."""
    ran = laptop.run(*words)
    assert said(laptop, ran) == dedent(transcript).strip()
    assert CANARY not in ran.out + ran.err


def test_a_live_token_is_printed_and_nothing_else(laptop):
    """No note, no hint, one line, nothing sent."""
    login = laptop.log_in()
    hears(laptop, "exit 0\nTOKEN")
    assert laptop.run().out == login.access_token + "\n"
    assert laptop.sent() == []


def test_no_file(laptop):
    """Exit 4 with the way to log in."""
    hears(
        laptop,
        """
        exit 4
        ! codex-fetchtoken: no login: ~/.codex/auth.json does not exist
        ! hint: codex-fetchtoken login
        """,
    )


def test_no_codex_home_at_all(laptop):
    """The same for somebody who never ran Codex."""
    laptop.codex_home.rmdir()
    hears(
        laptop,
        """
        exit 4
        ! codex-fetchtoken: no login: ~/.codex/auth.json does not exist
        ! hint: codex-fetchtoken login
        """,
    )


@pytest.mark.parametrize("content", ["", "\n"], ids=["no bytes", "a line break"])
def test_an_empty_file(laptop, content):
    """Exit 4: there are no credentials."""
    write(laptop, content)
    hears(
        laptop,
        """
        exit 4
        ! codex-fetchtoken: ~/.codex/auth.json is empty
        ! hint: codex-fetchtoken login
        """,
    )


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({"auth_mode": "apikey", "OPENAI_API_KEY": CANARY}, "an API key"),
        ({"OPENAI_API_KEY": CANARY}, "an API key"),
        ({"personal_access_token": CANARY}, "a personal access token"),
        ({"auth_mode": "agentIdentity", "agent_identity": CANARY}, "an agent identity"),
    ],
)
def test_another_kind_of_credential(laptop, keys, kind):
    """Exit 3, naming the kind: only a person can log in to ChatGPT."""
    write(laptop, keys)
    hears(
        laptop,
        f"""
        exit 3
        ! codex-fetchtoken: ~/.codex/auth.json holds {kind}, not a ChatGPT login
        ! hint: codex-fetchtoken login --force
        """,
    )


def test_expired_without_a_refresh_token(laptop):
    """Exit 3."""
    document = laptop.log_in(**EXPIRED).document
    write(laptop, {**document, "tokens": {**document["tokens"], "refresh_token": ""}})
    hears(
        laptop,
        """
        exit 3
        ! codex-fetchtoken: ~/.codex/auth.json: the token is expired and there is no refresh token
        ! hint: codex-fetchtoken login
        """,
    )
    assert laptop.sent() == []


def test_expired_and_the_issuer_down(laptop):
    """Exit 5, again and again, and nothing is left behind that would stand in the way."""
    laptop.log_in(**EXPIRED)
    with closed_port() as port:
        laptop.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = f"http://127.0.0.1:{port}/oauth/token"
        for _ in range(2):
            hears(
                laptop,
                """
                exit 5
                ! codex-fetchtoken: ~/.codex/auth.json: the token is expired and the issuer cannot be reached\
 (cannot connect to ISSUER: Connection refused)
                ! hint: try again in a minute
                """,
            )
    del laptop.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"]
    hears(laptop, "exit 0\nTOKEN")


def test_alive_but_under_min_valid_and_the_issuer_down(laptop):
    """Exit 5 with the demand that the token would meet; with it the token is printed."""
    laptop.log_in(**SHORT)
    with closed_port() as port:
        laptop.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = f"http://127.0.0.1:{port}/oauth/token"
        hears(
            laptop,
            """
            exit 5
            ! codex-fetchtoken: ~/.codex/auth.json: the token has N s left, under --min-valid 3600, and the\
 issuer cannot be reached (cannot connect to ISSUER: Connection refused)
            ! hint: --min-valid 0
            """,
            "--min-valid",
            "3600",
        )
    hears(laptop, "exit 0\nTOKEN", "--min-valid", "0")
    assert laptop.sent() == []


def test_alive_but_under_min_valid_and_issued_just_now(laptop):
    """Exit 5: another exchange would bring nothing better."""
    laptop.log_in(life_s=1_000)
    hears(
        laptop,
        """
        exit 5
        ! codex-fetchtoken: ~/.codex/auth.json: the issuer gives only N s
        ! hint: --min-valid 0
        """,
        "--min-valid",
        "3600",
    )
    assert laptop.sent() == []


@pytest.mark.parametrize("content", ['{"tokens": {"access_token": "' + CANARY, "[]", "no " + CANARY])
def test_not_json(laptop, content):
    """Exit 7, naming the file; what stands in it is not shown."""
    write(laptop, content)
    what = "a JSON object" if content == "[]" else "JSON"
    hears(
        laptop,
        f"""
        exit 7
        ! codex-fetchtoken: ~/.codex/auth.json is not {what}
        ! hint: move ~/.codex/auth.json away and run codex-fetchtoken login
        """,
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666])
def test_readable_by_group_or_others(laptop, mode):
    """Exit 8 with the command that mends it; nothing is sent, though the token is expired."""
    laptop.log_in(**EXPIRED)
    laptop.auth.chmod(mode)
    hears(
        laptop,
        """
        exit 8
        ! codex-fetchtoken: ~/.codex/auth.json is readable by group or others
        ! hint: chmod 600 ~/.codex/auth.json
        """,
    )
    assert laptop.sent() == []
