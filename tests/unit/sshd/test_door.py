"""What a caller gets: the same rules as over HTTP, asked anew for each command."""

import asyncio
import json

import pytest

from broker.access.gate import Limits
from broker.access.limits import Rate
from broker.domain.account import State
from broker.domain.records import AuditRecord
from fetchtoken.domain.errors import Unavailable
from fetchtoken.domain.secret import Secret
from tests.support.sshkeys import FINGERPRINT
from tests.unit.api.world import NOW, make_account
from tests.unit.sshd.conftest import change_client, door_of

DEAD = {"expires_at": int(NOW) - 1}
SHORT = {"expires_at": int(NOW) + 500}


def said(answer):
    """Return exit code and the words of an error, after looking at its shape."""
    assert answer.out == ""
    first, second = answer.err.splitlines()
    assert first.startswith("codex-broker: ")
    assert second.startswith("hint: ")
    return answer.code, first.removeprefix("codex-broker: ")


async def test_the_token_comes_once_it_is_recorded(world, ask):
    """The bare token and a newline; the trail says by which key it left."""
    answer = await ask()
    token = world.roster.account("work1").access_token.reveal()
    assert (answer.code, answer.out, answer.err) == (0, token + "\n", "")
    assert world.audit.records == [
        AuditRecord(
            at=NOW,
            action="token.served",
            client="laptop",
            account="work1",
            peer="10.0.0.9",
            request_id=world.lines[0].request_id,
            detail=f"ssh {FINGERPRINT}",
        )
    ]


async def test_nothing_leaves_that_cannot_be_recorded(world, ask):
    """A trail that fails is exit 5, and no token."""
    world.audit.error = OSError("disk full")
    assert said(await ask()) == (5, "the audit trail cannot be written")


async def test_the_json_form_is_the_commands_own(ask):
    """All fields of the contract, with the account by its name here."""
    document = json.loads((await ask("codex-fetchtoken --format json --account 'work1'")).out)
    assert document | {"access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_at": "2025-12-02T16:00:00Z",
        "expires_in": 8 * 86_400,
        "account": "work1",
        "account_id": "acct-1",
        "plan_type": "pro",
        "source": "ssh",
    }


@pytest.mark.parametrize(
    ("form", "starts"),
    [
        ("header", "Authorization: Bearer ey"),
        ("env --shell fish", "set -gx OPENAI_CODEX_ACCESS_TOKEN 'ey"),
        ("auth-json", '{\n  "auth_mode": "chatgptAuthTokens"'),
        ("opencode", '{"openai":{"type":"oauth","refresh":"","access":"ey'),
    ],
)
async def test_every_other_form_is_there(ask, form, starts):
    """Each is what the command prints, and none holds the refresh token."""
    answer = await ask(f"token --format {form}")
    assert answer.out.startswith(starts), answer
    assert make_account().refresh_token.reveal() not in answer.out


async def test_a_form_that_a_token_cannot_have_is_said_and_not_recorded(world, ask):
    """An opaque token has no end to tell opencode; no token left, so the trail does not say so."""
    world.account(access_token=Secret("opaque"), expires_at=None)
    assert said(await ask("token --format opencode"))[0] == 7
    assert world.audit.records == []


async def test_refusals(world, ask):
    """Grants, scopes, states and lives decide as they do over HTTP, with the command's exit codes."""
    world.account(2, **DEAD, state=State.LOGIN_REQUIRED)
    world.account(3, **DEAD, state=State.IN_DOUBT)
    world.account(4, disabled=True)
    world.account(5, **SHORT)
    world.account(6)
    change_client(world, accounts=frozenset({1, 2, 3, 4, 5}))
    assert said(await ask("token"))[0] == 2
    assert said(await ask("token work2"))[0] == 3
    assert said(await ask("token work3"))[0] == 5
    assert said(await ask("token work4"))[0] == 6
    assert said(await ask("token work5 --min-valid 600"))[0] == 5
    assert (await ask("token work5 --min-valid 400")).code == 0
    assert said(await ask("token work6")) == said(await ask("token nobody"))
    assert said(await ask("token nobody"))[0] == 6
    change_client(world, scopes=frozenset({"quota"}))
    assert said(await ask("token work1"))[0] == 6
    assert (await ask("accounts")).code == 0
    assert len(world.audit.records) == 1


@pytest.mark.parametrize(
    "change",
    [{"revoked_at": NOW}, {"expires_at": NOW}, {"ssh_keys": frozenset()}],
    ids=["revoked", "expired", "key taken away"],
)
@pytest.mark.parametrize("line", ["token", "accounts", "whoami", "help", None])
async def test_a_client_that_ended_since_it_connected_gets_nothing(world, ask, change, line):
    """Each command asks anew whose key this is."""
    assert (await ask(line)).code in (0, 2)
    change_client(world, **change)
    assert said(await ask(line)) == (6, "the SSH key is unknown, expired or revoked")


async def test_an_expired_token_is_waited_for(world, ask):
    """An exchange under way brings it, once for all who wait."""
    world.account(**DEAD)
    world.coordinator.outcome = make_account(revision=9)
    assert (await ask()).code == 0


@pytest.mark.parametrize(
    "change", [{"revoked_at": NOW}, {"ssh_keys": frozenset()}, {"accounts": frozenset()}]
)
async def test_what_changed_during_a_wait_counts(world, ask, change):
    """Who lost key, grant or life meanwhile gets no token."""
    world.account(**DEAD)
    world.coordinator.outcome = asyncio.Event()
    waiting = asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    change_client(world, **change)
    world.coordinator.outcome.set()
    world.coordinator.outcome = make_account(revision=9)
    assert (await waiting).code == 6
    assert world.audit.records == []


async def test_an_exchange_that_fails_is_exit_5(world, ask):
    """The caller is told to come back, and when."""
    world.account(**DEAD)
    world.coordinator.outcome = Unavailable("down")
    answer = await ask()
    assert said(answer)[0] == 5
    assert "hint: try again in" in answer.err


async def test_reads_of_one_client_are_bounded_over_both_ways(world):
    """A runaway job is held back, by the same count as over HTTP."""
    door = door_of(world, Limits(failures=Rate(9, 1.0), reads=Rate(burst=2, per_s=0.5)))
    door.gate.read(world.roster.client("laptop"), world.ticks)
    assert (await door.answer("whoami", FINGERPRINT, "")).code == 0
    answer = await door.answer("whoami", FINGERPRINT, "")
    assert said(answer) == (5, "too many requests of this client")
    assert "hint: try again in 2 s" in answer.err
    world.ticks += 2
    assert (await door.answer("whoami", FINGERPRINT, "")).code == 0


async def test_lists_are_for_people_and_for_programs(world, ask):
    """States and expiries of what is granted, and who the caller is."""
    world.account(2)
    assert (await ask("accounts")).out.splitlines()[0].split() == [
        "ACCOUNT",
        "PLAN",
        "STATE",
        "DISABLED",
        "EXPIRES",
    ]
    assert [row["account"] for row in json.loads((await ask("accounts --json")).out)] == ["work1"]
    known = json.loads((await ask("whoami --json")).out)
    assert (known["client"], known["accounts"], known["ssh_key"]) == ("laptop", ["work1"], FINGERPRINT)
    assert "client:" in (await ask("whoami")).out
    change_client(world, scopes=frozenset({"admin"}), accounts=frozenset())
    assert [row["account"] for row in json.loads((await ask("accounts --json")).out)] == ["work1", "work2"]


async def test_help_is_data_where_it_was_asked_for(ask):
    """Who asks for help gets it on stdout; who wants a shell gets it on stderr, with exit 2."""
    asked, unasked = await ask("help"), await ask(None)
    assert (asked.code, asked.out) == (0, unasked.err)
    assert (unasked.code, unasked.out) == (2, "")
    assert said(await ask("nonsense"))[0] == 2


async def test_each_command_has_its_line_in_the_log(world, ask):
    """Who asked for what, by which way, and how it ended; never what was typed."""
    await ask("token work1")
    await ask("token nobody")
    await ask("hunter2 s3cret")
    lines = [(one.transport, one.route, one.client, one.account, one.status, one.code) for one in world.lines]
    assert lines == [
        ("ssh", "token", "laptop", "work1", 0, ""),
        ("ssh", "token", "laptop", "", 6, "not_granted"),
        ("ssh", "", "laptop", "", 2, "invalid_request"),
    ]
    assert "hunter2" not in repr(world.lines)
    assert {one.peer for one in world.lines} == {"10.0.0.9"}


async def test_a_bug_is_exit_1_and_says_nothing_of_its_cause(world, ask, monkeypatch):
    """The words of an unexpected error stay in the log."""

    def broken(_client):
        raise RuntimeError(world.roster.account("work1").access_token.reveal())

    monkeypatch.setattr("broker.access.views.Directory.whoami", lambda _self, client: broken(client))
    answer = await ask("whoami")
    assert said(answer) == (1, "the broker failed: a bug")
    assert world.lines[0].request_id in answer.err
    assert "ey" not in answer.err.replace("key", "")
    assert world.lines[0].code == "internal_error"
