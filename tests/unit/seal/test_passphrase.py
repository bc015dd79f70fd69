"""Key rings under a passphrase."""

import os
import subprocess
import sys

import pytest

from broker.seal.keyfile import render
from broker.seal.keyring import Keyring
from broker.seal.passphrase import Stretched, close_ring, open_ring, stretch
from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.domain.secret import Secret

PASSPHRASE = Secret("correct horse battery")

SMALL = """
import resource, sys
from broker.seal.passphrase import stretch
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.secret import Secret
resource.setrlimit(resource.RLIMIT_AS, (120 << 20, 120 << 20))
try:
    stretch(Secret("correct horse battery"))
except FetchTokenError as error:
    print(error.message)
    sys.exit(error.exit_code)
"""


@pytest.fixture(scope="module")
def ring():
    return Keyring.new(os.urandom)


@pytest.fixture(scope="module")
def closed(ring):
    return close_ring(ring, stretch(PASSPHRASE))


def test_the_passphrase_brings_the_ring_back(ring, closed):
    """All keys come back, and which one is current."""
    assert render(open_ring(closed, PASSPHRASE, "FILE")) == render(ring)


def test_another_passphrase_does_not(closed):
    """It is said in words of the person's, exit 2, and may be tried again."""
    with pytest.raises(ConfigError, match="does not open the key in FILE") as caught:
        open_ring(closed, Secret("incorrect horse"), "FILE")
    assert "again" in caught.value.hint


@pytest.mark.parametrize("short", ["", "eleven char"])
def test_a_short_passphrase_is_refused(short):
    """Twelve characters at least, and the message never quotes it."""
    with pytest.raises(ConfigError, match="fewer than 12") as caught:
        stretch(Secret(short))
    assert not short or short not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        *({"n": 1 << 30}, {"r": 1 << 20}, {"p": 1 << 20}, {"n": 3}, {"n": 0}, {"n": -1}, {"n": float("inf")}),
        *({"kdf": "none"}, {"salt": "zz"}, {"box": "%"}),
    ],
)
def test_a_file_cannot_ask_for_more_than_a_passphrase_is_worth(closed, change):
    """Costs that would fill the memory, and nonsense, are damage."""
    with pytest.raises(Unsafe):
        open_ring({**closed, **change}, PASSPHRASE, "FILE")


def test_a_stretched_passphrase_travels_without_the_passphrase():
    """What goes to the daemon opens the ring, and does not hold the person's words."""
    stretched = stretch(PASSPHRASE)
    document = stretched.to_document()
    assert Stretched.from_document(document) == stretched
    assert PASSPHRASE.reveal() not in str(document)
    assert document["key"] not in repr(stretched)


def test_too_little_memory_is_no_bug():
    """In a small container the person is told how much it takes, exit 5."""
    ran = subprocess.run(
        [sys.executable, "-c", SMALL], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 5, ran.stderr
    assert "128 MiB" in ran.stdout


@pytest.mark.parametrize("document", [{}, {"salt": "00", "key": "00", "n": 1, "r": 1, "p": 1}])
def test_what_is_no_stretched_passphrase_is_refused(document):
    """A daemon of another version is told apart from a bug."""
    with pytest.raises(ConfigError):
        Stretched.from_document(document)
