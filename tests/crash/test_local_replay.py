"""``refresh --force`` on a login in doubt: sent once more by order, and never a third time."""

import os
import signal

from tests.support.laptop import EXPIRED, child_of, together


def in_doubt(laptop, fault):
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault(fault)
    assert laptop.run().code == 5


def test_a_request_that_was_lost_on_its_way_is_made_good(laptop):
    """The issuer never heard the first: the replay saves the login."""
    in_doubt(laptop, "reset")
    assert laptop.run("refresh", "--force").code == 0
    assert laptop.run().out == laptop.access_token + "\n"
    assert laptop.sent() == ["not processed", "rotated"]
    assert laptop.litter() == []


def test_a_request_that_was_heard_costs_the_login_once(laptop):
    """The strict issuer refuses; from then on nothing is sent, and a person must log in."""
    in_doubt(laptop, "commit-then-500")
    assert laptop.run("refresh", "--force").code == 3
    assert laptop.run("refresh", "--force").code == 3
    assert laptop.run().code == 3
    assert laptop.sent() == ["rotated", "reused: family revoked"]


def test_orders_at_once_send_one_replay(laptop):
    """The first that gets the locks replays; the others find what it brought."""
    in_doubt(laptop, "reset")
    ran = together(laptop, 6, "refresh", "--force")
    assert {each.code for each in ran} == {0}
    assert laptop.sent()[:2] == ["not processed", "rotated"]
    assert set(laptop.sent()[1:]) == {"rotated"}


def test_a_replay_whose_process_is_killed_is_the_last(laptop):
    """Two sendings without an answer: plain runs and further orders send nothing, and say why."""
    in_doubt(laptop, "reset")
    laptop.issuer.fault("hold")
    with laptop.start("refresh", "--force") as command:
        laptop.issuer.until_held()
        os.kill(child_of(command), signal.SIGKILL)
        command.communicate(timeout=60)
    laptop.issuer.release()
    assert command.returncode == 3
    for words in ((), ("refresh", "--force"), ("refresh",)):
        ran = laptop.run(*words)
        assert ran.code == 3
        assert "already sent twice" in ran.err
        assert "hint: codex-fetchtoken login" in ran.err
    assert laptop.sent() == ["not processed", "rotated"]


def test_a_new_login_ends_the_doubt(laptop):
    """Nothing of the old login stands in its way."""
    in_doubt(laptop, "commit-then-500")
    login = laptop.log_in(**EXPIRED)
    ran = laptop.run()
    assert ran.code == 0
    assert ran.out == laptop.access_token + "\n" != login.access_token + "\n"
    assert laptop.litter() == []
