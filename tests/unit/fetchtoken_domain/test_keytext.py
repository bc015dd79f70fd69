"""The text of keys and codes, judged without asking anybody."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchtoken.domain.keytext import ID_BYTES, SECRET_BYTES, checksum, id_of, key_text

CODE = key_text("cbi", b"\x01" * ID_BYTES, b"\x02" * SECRET_BYTES["cbi"])


@pytest.mark.parametrize("kind", SECRET_BYTES)
def test_a_text_is_of_its_own_kind_only(kind):
    """What was made of one kind is none of another."""
    text = key_text(kind, os.urandom(ID_BYTES), os.urandom(SECRET_BYTES[kind]))
    assert [other for other in SECRET_BYTES if id_of(text, other)] == [kind]
    assert text.startswith(f"{kind}_{id_of(text, kind)}_")


def test_an_invite_code_holds_128_bits():
    """Codes that differ in any one bit of their sixteen bytes differ."""
    made = {key_text("cbi", bytes(ID_BYTES), (1 << bit).to_bytes(16, "big")) for bit in range(128)}
    assert len(made) == 128


@pytest.mark.parametrize("position", range(len(CODE)))
def test_a_mistyped_code_is_told_from_a_guess(position):
    """One wrong character, or two changed places, are noticed before anything is sent."""
    wrong = "A" if CODE[position] != "A" else "B"
    assert id_of(CODE[:position] + wrong + CODE[position + 1 :], "cbi") == ""
    swapped = CODE[:position] + CODE[position : position + 2][::-1] + CODE[position + 2 :]
    assert swapped == CODE or id_of(swapped, "cbi") == ""


@given(st.text(max_size=80))
def test_no_text_makes_it_fail(text):
    """Whatever is typed is a code or none."""
    assert id_of(text, "cbi") == ""
    assert len(checksum(text.encode("ascii", "replace").decode())) == 6
