"""The protocol holds its invariants in every state of every scene, and the model sees seeded mistakes."""

import pytest

from tests.model.mutants import MUTANTS
from tests.model.protocol import Protocol
from tests.model.search import SCENES, explore

pytestmark = pytest.mark.reliability


@pytest.mark.parametrize("scene", SCENES)
def test_invariants_hold_in_every_state(scene):
    """I1 to I8 hold wherever crashes, leases, people and the issuer may lead, all states seen."""
    found = explore(Protocol(), SCENES[scene])
    assert not found.violation, f"{found.violation}, by way of {found.way}"
    assert found.ended


def test_the_scenes_go_deep():
    """At least one scene needs twenty moves and more to be seen to its end."""
    assert explore(Protocol(), SCENES["two homes"]).depth >= 20


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name):
    """One mistake in the protocol breaks the invariant that forbids it."""
    mutant = MUTANTS[name]
    found = explore(mutant(), SCENES[mutant.scene])
    assert found.violation[:2] in mutant.breaks, f"{found.violation}, by way of {found.way}"
