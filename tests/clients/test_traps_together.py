"""The real Codex CLI several times at once, on one home and on copies of it: nothing holds it back."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest

from tests.support.codex_cli import worked
from tests.support.codex_files import access_jwt, write_codex_file
from tests.support.token_endpoint import Reply, running_endpoint

USED = "because your refresh token was already used"


@pytest.mark.trap("T19")
def test_a_refresh_token_that_counts_once_lets_one_of_two_go_on(codex):
    """Both send it: while the first waits for its answer, the second is told that it was used, and dies."""
    good = access_jwt(3600)
    codex.use_auth_file()
    codex.backend.accept(good)
    write_codex_file(codex.home, access_jwt(-60))
    taken, answer_it = Event(), Event()

    def answer(_):
        if taken.is_set():
            return Reply(401, {"error": "refresh_token_reused"})
        taken.set()
        assert answer_it.wait(60)
        return Reply(200, {"access_token": good, "refresh_token": "rt_2"})

    with running_endpoint(answer) as endpoint, ThreadPoolExecutor() as pool:
        environment = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": endpoint.url}
        first = pool.submit(codex.run, **environment)
        assert taken.wait(60)
        second = codex.run(**environment)
        answer_it.set()
        assert worked(first.result())
    assert (second.returncode, USED in second.stderr) == (1, True)


@pytest.mark.trap("T20")
def test_copies_of_a_home_all_go_on_and_end_together(office, codex, tmp_path):
    """Three copies are one machine to the broker: all work at once, until one of them is logged out."""
    machine = office.enrol()
    codex.use_auth_file()
    codex.backend.accept(machine.token())
    machine.write(codex.home)
    homes = [shutil.copytree(codex.home, tmp_path / f"copy-{number}") for number in range(3)]
    copies = [replace(codex, home=home) for home in homes]
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda copy: copy.run(**machine.environment), copies))
    assert [worked(run) for run in runs] == [True] * 3
    copies[0].logout(**machine.environment)
    machine.write(homes[1])
    run = copies[1].run(**machine.environment)
    assert (run.returncode, "your refresh token was revoked" in run.stderr) == (1, True)
