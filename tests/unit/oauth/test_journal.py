import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fetchtoken.oauth.journal import ALLOCATED, JournalKey, Phase, append, create, inspect, remove
from fetchtoken.oauth.outcome import Answer
from tests.support.need import need_program
from tests.support.places import read_only, tmpfs

INTENT = {"spends": "ab" * 32, "replay": False}
ANSWER = Answer(
    sent=True, status=200, headers={"date": "x"}, body=b'{"access_token":"canary"}', complete=True
)
KEY = JournalKey("k1", bytes(range(32)))
OTHER_KEY = JournalKey("k1", bytes(32))
KEYS = {"plain": None, "sealed": KEY}
STEPS = ["intent", "sending", "answer"]


def make(path, *, until="answer", key=None):
    """Make the file of an attempt that got as far as ``until`` and ended."""
    fd = create(str(path), INTENT, key)
    if until != "intent":
        append(fd, "sending", {}, attempt=path.name, key=key)
    if until == "answer":
        append(fd, "answer", ANSWER.to_json(), attempt=path.name, key=key)
    os.close(fd)
    return path


def look(path, key=None):
    return inspect(str(path), {} if key is None else {key.key_id: key})


@pytest.fixture(params=KEYS)
def key(request):
    return KEYS[request.param]


def test_a_new_file_is_private_reserved_and_held(tmp_path, key):
    """0600, all its bytes allocated on disk, locked by whoever made it."""
    fd = create(str(tmp_path / "a"), INTENT, key)
    status = (tmp_path / "a").stat()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_size == ALLOCATED
    assert status.st_blocks * 512 >= ALLOCATED
    assert look(tmp_path / "a", key).phase is Phase.HELD
    os.close(fd)
    assert look(tmp_path / "a", key).phase is Phase.UNSENT


@pytest.mark.parametrize(
    ("until", "phase"), [("intent", Phase.UNSENT), ("sending", Phase.SENT), ("answer", Phase.ANSWERED)]
)
def test_the_phase_tells_how_far_it_got(tmp_path, key, until, phase):
    """Without ``sending`` nothing left; with it and no answer nobody knows."""
    entry = look(make(tmp_path / "a", until=until, key=key), key)
    assert entry.phase is phase
    assert entry.intent == INTENT
    assert entry.answer == (ANSWER if until == "answer" else None)


def test_a_file_that_is_not_there_is_missing(tmp_path):
    """Looking makes nothing."""
    assert look(tmp_path / "a").phase is Phase.MISSING
    assert list(tmp_path.iterdir()) == []


def test_a_name_is_used_once(tmp_path, key):
    """An existing file is never taken over, and stays as it is."""
    make(tmp_path / "a", key=key)
    with pytest.raises(FileExistsError):
        create(str(tmp_path / "a"), INTENT, key)
    assert look(tmp_path / "a", key).phase is Phase.ANSWERED


def test_who_inherits_the_descriptor_holds_the_attempt(tmp_path):
    """The lock passes to the exchange process without a gap and lives as long as it does."""
    fd = create(str(tmp_path / "a"), INTENT)
    argv = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=(fd,)) as child:
        os.close(fd)
        assert look(tmp_path / "a").phase is Phase.HELD
        child.kill()
        child.wait()
        assert look(tmp_path / "a").phase is Phase.UNSENT


@pytest.mark.parametrize("truncated", [False, True], ids=["zeros follow", "file ends"])
def test_a_torn_write_at_every_byte_is_judged_by_what_is_durable(tmp_path, key, truncated):
    """Cut anywhere, in any of the three writes: unsent, then sent, and answered only when whole."""
    states = {step: make(tmp_path / step, until=step, key=key).read_bytes() for step in STEPS}
    # Sealed records are bound to the name and salted: the stages must be those of one file.
    whole = (tmp_path / "answer").read_bytes()
    ends = {}
    for step, start in zip(STEPS, (0, 4096, 8192), strict=True):
        ends[step] = start + 4 + int.from_bytes(whole[start : start + 4]) + 32
    assert len(states["intent"]) == ALLOCATED
    path = tmp_path / "answer"
    for step, start in zip(STEPS, (0, 4096, 8192), strict=True):
        for cut in range(start, ends[step] + 1):
            torn = whole[:cut] if truncated else whole[:cut] + bytes(ALLOCATED - cut)
            path.write_bytes(torn)
            # Cut before a last byte that is zero, a record is whole in a file that goes on with zeros.
            durable = {each for each, end in ends.items() if torn[:end] == whole[:end]}
            entry = look(path, key)
            if step == "intent":
                expected = {Phase.UNSENT}
            elif step == "sending":
                expected = {Phase.SENT} if any(whole[start:cut]) else {Phase.UNSENT}
            else:
                expected = {Phase.ANSWERED} if step in durable else {Phase.SENT}
            assert entry.phase in expected, (step, cut)
            assert entry.intent == (INTENT if "intent" in durable else {})


def test_damage_to_any_byte_never_makes_a_sent_attempt_look_unsent(tmp_path, key):
    """A flipped byte leads to doubt at worst; an answer is whole or does not count."""
    path = make(tmp_path / "a", key=key)
    whole = path.read_bytes()
    places = [i for i, byte in enumerate(whole) if byte]
    assert len(places) > 200
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        entry = look(path, key)
        assert entry.phase in (Phase.SENT, Phase.UNREADABLE, Phase.ANSWERED), place
        assert entry.answer in (None, ANSWER)
        assert entry.intent in ({}, INTENT)


@pytest.mark.parametrize("until", STEPS)
@pytest.mark.parametrize("trouble", ["wrong key", "no key", "other attempt", "key id changed"])
def test_a_sealed_file_that_cannot_be_opened_is_unreadable(tmp_path, until, trouble):
    """A wrong or missing key and a file under another attempt's name are doubt, not an answer."""
    path = make(tmp_path / "a", until=until, key=KEY)
    keys = {"wrong key": {"k1": OTHER_KEY}, "no key": {}}.get(trouble, {"k1": KEY})
    if trouble == "other attempt":
        path = path.rename(tmp_path / "b")
    if trouble == "key id changed":
        keys = {"k2": KEY}
    entry = inspect(str(path), keys)
    assert entry.phase is Phase.UNREADABLE
    assert (entry.intent, entry.answer) == ({}, None)


def test_a_record_in_the_place_of_another_is_unreadable(tmp_path):
    """What is whole must also be what belongs there."""
    path = make(tmp_path / "a", until="intent")
    data = bytearray(path.read_bytes())
    data[8192:8704] = data[:512]
    path.write_bytes(bytes(data))
    assert look(path).phase is Phase.UNREADABLE


def test_nothing_of_a_sealed_file_can_be_read(tmp_path):
    """Neither answer nor intent stands in it in plain; the key's name does."""
    data = make(tmp_path / "a", key=KEY).read_bytes()
    assert b"canary" not in data
    assert b"spends" not in data
    assert b"k1" in data


def test_an_answer_can_be_written_again_after_a_failure(tmp_path, key):
    """A second try takes the place of the first, whatever that left behind."""
    path = make(tmp_path / "a", until="sending", key=key)
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 100)
        append(file.fileno(), "answer", ANSWER.to_json(), attempt="a", key=key)
    assert look(path, key).answer == ANSWER


def test_a_large_answer_fits(tmp_path, key):
    """One mebibyte of body, the most that is read, comes back whole."""
    large = Answer(sent=True, status=200, body=os.urandom(1 << 20), complete=True)
    fd = create(str(tmp_path / "a"), INTENT, key)
    append(fd, "answer", large.to_json(), attempt="a", key=key)
    os.close(fd)
    assert look(tmp_path / "a", key).answer == large


def test_a_full_disk_is_noticed_before_anything_is_sent(tmp_path):
    """The space is set aside at the start: without it there is no attempt, and no file stays."""
    with tmpfs(tmp_path / "small", size_k=32) as small:
        with pytest.raises(OSError, match="No space") as caught:
            create(str(small / "a"), INTENT)
        assert caught.value.errno == errno.ENOSPC
        assert list(small.iterdir()) == []


def test_the_answer_fits_on_a_disk_that_has_filled_up_meanwhile(tmp_path):
    """What was set aside is really there."""
    with tmpfs(tmp_path / "small", size_k=128) as small:
        fd = create(str(small / "a"), INTENT)
        with pytest.raises(OSError, match="No space"):
            (small / "filler").write_bytes(bytes(128 * 1024))
        long = Answer(sent=True, status=200, body=os.urandom(30_000), complete=True)
        append(fd, "answer", long.to_json(), attempt="a")
        os.close(fd)
        assert look(small / "a").answer == long


def test_a_read_only_disk_can_be_looked_at(tmp_path):
    """Judging an attempt needs no right to write."""
    make(tmp_path / "a")
    with read_only(tmp_path):
        assert look(tmp_path / "a").phase is Phase.ANSWERED
        with pytest.raises(OSError, match="Read-only"):
            create(str(tmp_path / "b"), INTENT)


CREATE = "import sys; from fetchtoken.oauth.journal import create; create(sys.argv[1], {})"


@pytest.mark.parametrize(
    ("call", "number"), [("flock", 1), ("fsync", 1), ("fsync", 2), ("fsync", 3), ("write", 1)]
)
def test_a_file_that_cannot_be_made_durable_does_not_stay(tmp_path, call, number):
    """Lock, space, intent and directory entry: if any of them fails there is no attempt."""
    strace = need_program("strace", "strace")
    path = str(tmp_path / "a")
    inject = ["-P", path, "-P", str(tmp_path), "-e", f"inject={call}:error=EIO:when={number}"]
    argv = [strace, "-f", "-e", f"trace={call}", *inject, sys.executable, "-c", CREATE, path]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert "OSError: [Errno 5]" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_settled_attempt_is_forgotten_once(tmp_path):
    """Removing what is gone already is fine; its directory must exist."""
    path = make(tmp_path / "a")
    remove(str(path))
    assert not path.exists()
    remove(str(path))
    remove(str(Path(tmp_path) / "never"))
