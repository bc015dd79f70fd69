"""Many commands, one login: exactly one request per rotation, and what may cut it short."""

import json
import os
import signal

import pytest

from tests.support.laptop import EXPIRED, STALE, child_of, together

MANY = 20


def test_an_expired_login_is_renewed_once_and_its_file_rewritten(laptop):
    """0600, unknown keys and the symbolic link kept; nothing beside it but locks."""
    real = laptop.home / "elsewhere"
    real.mkdir()
    login = laptop.log_in(real / "auth.json", **EXPIRED)
    document = {**login.document, "future": {"deep": [1, 1.5, None]}}
    (real / "auth.json").write_text(json.dumps(document))
    laptop.auth.symlink_to(real / "auth.json")
    ran = laptop.run()
    after = laptop.document()
    assert (ran.code, ran.out, ran.err) == (0, after["tokens"]["access_token"] + "\n", "")
    assert laptop.sent() == ["rotated"]
    assert laptop.issuer.alive(ran.out.strip())
    assert laptop.auth.is_symlink()
    assert (real / "auth.json").stat().st_mode & 0o7777 == 0o600
    assert after["future"] == {"deep": [1, 1.5, None]}
    assert list(after) == list(document)
    assert list(after["tokens"]) == list(document["tokens"])
    assert sorted(path.name for path in real.iterdir()) == ["auth.json", "auth.json.lock"]
    assert laptop.litter() == []


def test_twenty_commands_at_once_send_one_request(laptop):
    """One exchanges, the others read: all print the new token."""
    login = laptop.log_in(**EXPIRED)
    ran = together(laptop, MANY)
    new = laptop.access_token
    assert new != login.access_token
    assert {(each.code, each.out, each.err) for each in ran} == {(0, new + "\n", "")}
    assert laptop.sent() == ["rotated"]
    assert laptop.litter() == []


def test_forced_commands_at_once_are_met_by_few_requests(laptop):
    """Each is met by an exchange completed after it began; none reuses a token."""
    laptop.log_in(**STALE)
    ran = together(laptop, 8, "--force-refresh")
    assert {each.code for each in ran} == {0}
    assert all(laptop.issuer.alive(each.out.strip()) for each in ran)
    sent = laptop.sent()
    assert 1 <= len(sent) <= 8
    assert set(sent) == {"rotated"}


def test_the_exchange_process_killed_after_sending_is_not_repeated(laptop):
    """Twenty further commands send nothing: the answer is unknown, and they say so."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("hold")
    with laptop.start() as command:
        laptop.issuer.until_held()
        os.kill(child_of(command), signal.SIGKILL)
        _, err = command.communicate(timeout=60)
    laptop.issuer.release()
    assert command.returncode == 5
    assert "in doubt" in err
    ran = together(laptop, MANY)
    assert {each.code for each in ran} == {5}
    assert all("codex-fetchtoken refresh --force" in each.err for each in ran)
    assert laptop.sent() == ["rotated"]
    assert laptop.litter() == ["auth.json.attempt"]


def test_further_commands_in_doubt_print_the_live_token(laptop):
    """Nothing is lost while it lives; every one of them has a note."""
    login = laptop.log_in(**STALE)
    laptop.issuer.fault("hold")
    with laptop.start("--force-refresh") as command:
        laptop.issuer.until_held()
        os.kill(child_of(command), signal.SIGKILL)
        out, _ = command.communicate(timeout=60)
    laptop.issuer.release()
    assert (command.returncode, out) == (0, login.access_token + "\n")
    ran = together(laptop, 4)
    assert {(each.code, each.out) for each in ran} == {(0, login.access_token + "\n")}
    assert all("note:" in each.err and "in doubt" in each.err for each in ran)
    assert laptop.sent() == ["rotated"]


@pytest.mark.parametrize("fault", ["hold-before", "hold"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_the_command_stopped_in_mid_request_loses_nothing(laptop, fault, name):
    """The whole process group gets the signal, as from a terminal; the refresh goes on to its end."""
    login = laptop.log_in(**EXPIRED)
    laptop.issuer.fault(fault)
    with laptop.start() as command:
        laptop.issuer.until_held()
        os.killpg(command.pid, getattr(signal, name))
        out, _ = command.communicate(timeout=60)
    assert out == ""
    assert command.returncode == (130 if name == "SIGINT" else -getattr(signal, name))
    laptop.issuer.release()
    ran = laptop.run()
    assert ran.code == 0
    assert ran.out == laptop.access_token + "\n" != login.access_token + "\n"
    assert laptop.sent() == ["rotated"]
    assert laptop.litter() == []


def test_a_command_that_comes_in_mid_request_waits_for_it(laptop):
    """It neither sends a second request nor fails: it prints what the first one brings."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("hold")
    with laptop.start() as first:
        laptop.issuer.until_held()
        with laptop.start() as second:
            laptop.issuer.release()
            assert (
                first.communicate(timeout=60)[0]
                == second.communicate(timeout=60)[0]
                == laptop.access_token + "\n"
            )
    assert laptop.sent() == ["rotated"]


def test_a_refresh_that_outlives_its_command_is_found_by_the_next(laptop):
    """``--timeout`` ends the waiting only."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("hold")
    with laptop.start("--timeout", "6") as command:
        laptop.issuer.until_held()
        _, err = command.communicate(timeout=60)
    assert command.returncode == 5
    assert "it goes on in the background" in err
    laptop.issuer.release()
    assert laptop.run().out == laptop.access_token + "\n"
    assert laptop.sent() == ["rotated"]
