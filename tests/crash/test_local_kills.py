"""Kills at random instants: a system call chosen by a seeded generator, so that each can be repeated."""

import json
import os
import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from fetchtoken.oauth.journal import Phase, inspect
from tests.support.laptop import EXPIRED, Laptop
from tests.support.need import need_program

KILLS = int(os.environ.get("CRASH_KILLS", "56"))
"""Of the command; of the exchange process nearly half as many. More on demand."""


def traced(laptop, run):
    """Run undisturbed; return the program's system calls in order, as (name, how often so far)."""
    trace = laptop.home / "trace"
    run(before=(need_program("strace", "strace"), "-o", str(trace)))
    names = [line.partition("(")[0] for line in trace.read_text().splitlines() if line[0].isalpha()]
    seen = Counter()
    calls = []
    for name in names:
        seen[name] += 1
        calls.append((name, seen[name]))
    return [call for call in calls if call[0] not in ("execve", "exit_group")]


def instants(seed, calls, count, *, since):
    """Choose calls: half of them behind the first of a kind, where the token is at stake."""
    choose = random.Random(seed)
    late = calls[calls.index((since, 1)) :]
    return [choose.choice(late if number % 2 else calls) for number in range(count)]


def cut(call, signal):
    """Return the words that end a program at one of its system calls."""
    strace = need_program("strace", "strace")
    name, number = call
    inject = f"inject={name}:signal={signal}:when={number}"
    return (strace, "-o", os.devnull, "-e", f"trace={name}", "-e", inject)


def each(tmp_path, issuer, trial, cases):
    """Run one trial per case, each on a machine of its own, two at a time."""
    machines = [(Laptop(tmp_path / str(number), issuer), case) for number, case in enumerate(cases)]
    with ThreadPoolExecutor(2) as pool:
        return Counter(pool.map(lambda pair: trial(*pair), machines))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["KILL", "INT"])
def test_the_command_killed_at_any_instant_loses_nothing(tmp_path, issuer, name):
    """Afterwards a plain run prints a live token; nothing is in doubt, nothing was sent twice."""
    pilot = Laptop(tmp_path / "pilot", issuer)
    pilot.log_in(**EXPIRED)
    calls = traced(pilot, pilot.run)

    def trial(laptop, call):
        login = laptop.log_in(**EXPIRED)
        cut_short = laptop.run(before=cut(call, name))
        ran = laptop.run()
        assert (ran.code, ran.err) == (0, ""), (call, ran)
        assert ran.out == laptop.access_token + "\n" != login.access_token + "\n", call
        assert issuer.alive(laptop.access_token), call
        assert laptop.litter() == [], call
        family = issuer.login(login.login_id)
        assert (family["revoked"], family["generation"]) == ("", 1), call
        return "ended" if cut_short.code == 0 else "killed"

    seen = each(tmp_path, issuer, trial, instants(name, calls, KILLS // 2, since="pipe2"))
    sys.stdout.write(f"\nSIG{name} to the command: {dict(seen)}\n")
    assert seen["killed"] >= KILLS * 3 // 8, "most instants must lie within the run"
    assert {entry["decision"] for entry in issuer.exchanges()} == {"rotated"}


@pytest.mark.timeout(600)
def test_the_exchange_process_killed_at_any_instant_loses_no_answer_that_was_journaled(tmp_path, issuer):
    """Where the issuer rotated and no answer is on disk the login is in doubt, said, and not sent again."""
    pilot = Laptop(tmp_path / "pilot", issuer)
    pilot.log_in(**EXPIRED)
    calls = traced(pilot, pilot.exchange)

    def trial(laptop, call):
        login = laptop.log_in(**EXPIRED)
        laptop.exchange(before=cut(call, "KILL"))
        held = laptop.document()["tokens"]["refresh_token"]
        found = inspect(str(laptop.attempt))
        rotated = issuer.login(login.login_id)["generation"] == 1
        kept = held != login.refresh_token or found.phase is Phase.ANSWERED
        assert not kept or rotated, call
        ran = laptop.run()
        family = issuer.login(login.login_id)
        assert (family["revoked"], family["generation"]) == ("", int(ran.code == 0 or rotated)), call
        if ran.code == 0:
            assert issuer.alive(ran.out.strip()), call
            assert laptop.litter() == [], (call, laptop.litter())
            return "kept" if kept else "not sent"
        assert (ran.code, found.phase) == (5, Phase.SENT), (call, ran)
        assert "in doubt" in ran.err, call
        return "in doubt"

    seen = each(tmp_path, issuer, trial, instants("exchange", calls, KILLS * 2 // 5, since="flock"))
    sys.stdout.write(f"\nSIGKILL to the exchange process: {dict(seen)}\n")
    assert seen["not sent"]
    assert seen["kept"]
    assert "reused" not in json.dumps(issuer.exchanges())
