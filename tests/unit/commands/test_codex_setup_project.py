"""``codex setup`` in a project: what lasts is not left to a file that came with a repository."""

import pytest

from tests.support.programs import Machine

USER = """\
CODEX_TOKEN_SOURCE=remote
CODEX_REMOTE_URL=http://127.0.0.1:9/codex
CODEX_REMOTE_API_KEY=cbk_x
"""
UNSAFE, UNAVAILABLE = 8, 5


@pytest.fixture
def machine(tmp_path):
    """Somebody whose broker is away: whoever comes as far as to ask it gets exit 5."""
    machine = Machine(tmp_path)
    machine.write(".config/codex-fetchtoken/scorpiox-env.txt", USER)
    return machine


def project_file(machine, text):
    return machine.write("project/scorpiox-env.txt", text)


def setup(machine, *words, **more):
    project = machine.home / "project"
    return machine.fetch(*words, "codex", "setup", "--mode", "command", cwd=project, **more)


@pytest.mark.parametrize(("key", "value"), [("CODEX_ACCOUNT", "home"), ("CODEX_TOKEN_SOURCE", "ssh,remote")])
def test_a_repository_does_not_choose_what_codex_uses_from_then_on(machine, key, value):
    """Exit 8 with file and key, before anybody is asked or anything is written."""
    file = project_file(machine, f"{key}={value}\n")
    ran = setup(machine)
    assert ran.code == UNSAFE
    assert f"the project file {file}, which is not trusted, sets {key}" in ran.err
    assert f"codex-fetchtoken config trust {file}" in ran.err
    assert not (machine.home / ".codex").exists()


def test_what_the_user_says_is_used(machine):
    """By an option, by the environment, by the same value elsewhere, or by trust in the file."""
    file = project_file(machine, "CODEX_ACCOUNT=home\nCODEX_MIN_VALID=0\n")
    assert setup(machine, "--account", "work").code == UNAVAILABLE
    assert setup(machine, CODEX_ACCOUNT="work").code == UNAVAILABLE
    assert setup(machine).code == UNSAFE
    assert machine.fetch("config", "trust", str(file)).code == 0
    assert setup(machine).code == UNAVAILABLE
    machine.fetch("config", "untrust", str(file))
    machine.write(".claude/scorpiox-env.txt", "CODEX_ACCOUNT=home\n")
    assert setup(machine).code == UNAVAILABLE


def test_what_is_run_in_a_project_goes_on_as_before(machine):
    """For a single command a project may choose among what is the user's own."""
    file = project_file(machine, "CODEX_ACCOUNT=home\n")
    assert machine.fetch(cwd=file.parent).code == UNAVAILABLE
