"""Sealed files: whole and in order, or not at all."""

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.seal.stream import CHUNK, SealedWriter, read_chunks, read_head
from fetchtoken.domain.errors import FetchTokenError, Malformed, Unsafe

KEY = bytes(range(32))
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7]


def sealed(content: bytes, *, pieces: int = 1000, **fields: str) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, {"key_id": "5f1c09aa", **fields}, KEY)
    for start in range(0, len(content), pieces):
        writer.write(content[start : start + pieces])
    writer.finish()
    return file.getvalue()


def opened(data: bytes, key: bytes = KEY) -> bytes:
    file = io.BytesIO(data)
    head = read_head(file, "FILE")
    return b"".join(read_chunks(file, head, key))


def chunks_of(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return the head and each chunk with its size."""
    file = io.BytesIO(data)
    head = read_head(file, "FILE").raw
    chunks = []
    while size := file.read(4):
        chunks.append(size + file.read(int.from_bytes(size, "big") & 0x7FFFFFFF))
    return head, chunks


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pieces", [1000, CHUNK, 5 * CHUNK])
def test_what_went_in_comes_out(size, pieces):
    """Content of any size, written in any pieces, comes out as it went in."""
    content = os.urandom(size)
    assert opened(sealed(content, pieces=pieces)) == content


def test_the_head_is_readable_without_a_key():
    """Which key is needed can be told before there is one."""
    head = read_head(io.BytesIO(sealed(b"x", store_id="abc")), "FILE")
    assert (head.key_id, head.fields["store_id"]) == ("5f1c09aa", "abc")


def test_each_file_has_a_key_of_its_own():
    """The same content under the same key never looks the same, though nonces are counted."""
    first, second = (chunks_of(sealed(b"same"))[1] for _ in range(2))
    assert first != second


@given(st.data())
def test_any_changed_bit_is_noticed(data):
    """One bit anywhere: the head, a size, a chunk, a tag."""
    whole = bytearray(sealed(b"x" * (CHUNK + 100)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((Malformed, Unsafe)):
        opened(bytes(whole))


@given(st.data())
def test_any_cut_is_noticed(data):
    """However much is missing at the end, a whole chunk included, it is called cut or nonsense."""
    whole = sealed(b"x" * (2 * CHUNK + 100))
    with pytest.raises(Malformed):
        opened(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 0, 1, 2), (0, 2), (2,), (0, 1), (0, 1, 2, 2), ()])
def test_chunks_stay_where_they_are(order):
    """Chunks that are swapped, doubled or left out do not open."""
    head, chunks = chunks_of(sealed(b"x" * (2 * CHUNK + 100)))
    with pytest.raises((Malformed, Unsafe)):
        opened(head + b"".join(chunks[number] for number in order))


def test_chunks_of_another_file_do_not_open():
    """A chunk belongs to its file's head."""
    (head, _), (_, chunks) = chunks_of(sealed(b"one")), chunks_of(sealed(b"two"))
    with pytest.raises(Unsafe):
        opened(head + b"".join(chunks))


def test_another_key_opens_nothing():
    """The wrong key looks like damage."""
    with pytest.raises(Unsafe, match="integrity check"):
        opened(sealed(b"x"), bytes(32))


def test_something_put_on_is_noticed():
    """Nothing may follow the last chunk."""
    with pytest.raises(Malformed, match="goes on after its end"):
        opened(sealed(b"x") + b"y")


def test_another_format_is_named():
    """A backup of a later version says so, instead of being called damaged."""
    with pytest.raises(Malformed, match="another format"):
        opened(sealed(b"x").replace(b"backup 1\n", b"backup 2\n", 1))


@given(st.binary(max_size=200))
def test_nonsense_is_refused_with_a_hint(data):
    """Whatever the bytes, there is one thing to do."""
    for file in (data, b"codex-broker backup 1\n" + data):
        with pytest.raises(FetchTokenError) as caught:
            opened(file)
        assert caught.value.hint
