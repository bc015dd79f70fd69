import copy
import json
import pickle
import traceback
from dataclasses import dataclass

import pytest

from fetchtoken.domain.secret import Secret

CANARY = "rt_canary-7f3a"


RENDERINGS = {
    "str": str,
    "repr": repr,
    "format": format,
    "format !r": "{!r}".format,
    "format with a width": "{:>40}".format,
    "format of a part": "{:.3}…".format,
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - the old way is a way too
}


@pytest.mark.parametrize("way", RENDERINGS)
def test_no_rendering_shows_the_text(way):
    """Every way to turn a secret into text shows dots instead."""
    shown = RENDERINGS[way](Secret(CANARY))
    assert CANARY not in shown
    assert "…" in shown


def test_a_container_does_not_show_it():
    """The repr of what holds a secret shows nothing of it either."""

    @dataclass
    class Holder:
        token: Secret

    assert CANARY not in repr([Holder(Secret(CANARY)), {"k": Secret(CANARY)}])


@pytest.mark.parametrize(
    "take", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps], ids=["pickle", "copy", "deepcopy", "json"]
)
def test_it_cannot_be_copied_or_serialised(take):
    """Pickle, copy and JSON refuse, and their error does not quote the text."""
    with pytest.raises(TypeError) as caught:
        take(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_a_traceback_does_not_show_it():
    """An exception made with a secret prints without it."""
    with pytest.raises(ValueError, match="…") as caught:
        raise ValueError(Secret(CANARY))
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_it_has_no_dict_to_dump():
    """There is no ``__dict__`` for ``vars`` or a debugger's dump to walk through."""
    assert not hasattr(Secret(CANARY), "__dict__")


def test_reveal_gives_the_text_and_truth_tells_of_emptiness():
    """``reveal`` returns what was put in; only an empty secret is false, and it says so."""
    assert Secret(CANARY).reveal() == CANARY
    assert Secret(CANARY)
    assert not Secret("")
    assert repr(Secret("")) == "Secret('')"


def test_equal_texts_are_equal_secrets():
    """Secrets compare by text and work as keys; a plain text is never equal to one."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert hash(Secret("a")) != hash("a")


@pytest.mark.parametrize("text", ["", "ü", "\ud800", "a" * 100_000])
def test_any_text_can_be_compared_and_fingerprinted(text):
    """Even a lone surrogate, which JSON can bring, has a fingerprint of 16 hex digits."""
    assert Secret(text) == Secret(text)
    assert len(Secret(text).fingerprint()) == 16
    int(Secret(text).fingerprint(), 16)


def test_fingerprints_tell_tokens_apart():
    """The fingerprint is the start of the SHA-256 of the text."""
    assert Secret("abc").fingerprint() == "ba7816bf8f01cfea"
    assert Secret("abd").fingerprint() != Secret("abc").fingerprint()
