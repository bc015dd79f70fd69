"""Which lines of ``known_hosts`` vouch for a host, compared with what ssh-keygen makes of them."""

import stat
import subprocess
from pathlib import Path

import asyncssh
import pytest

from fetchtoken.domain.errors import Malformed, Unsafe
from fetchtoken.ssh.knownhosts import KnownHosts, add_line, fingerprint
from tests.support.sshd import key_pair

KEYS = [asyncssh.generate_private_key("ssh-ed25519").convert_to_public() for _ in range(3)]
LINES = [" ".join(key.export_public_key().decode().split()[:2]) for key in KEYS]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def known(file: Path, host: str, port: int = 22) -> list[int]:
    """Return which of the keys are trusted for a host."""
    keys = KnownHosts((str(file),)).of(host, port).keys
    return [number for number, key in enumerate(KEYS) if key in keys]


def test_a_host_is_found_by_its_name_whatever_the_case(file: Path):
    """Names are compared as OpenSSH does, in small letters; patterns and lists count."""
    file.write_text(f"host.example,other {LINES[0]}\n*.wild.example,!bad.wild.example {LINES[1]}\n")
    assert known(file, "HOST.example") == [0]
    assert known(file, "other") == [0]
    assert known(file, "a.wild.example") == [1]
    assert known(file, "bad.wild.example") == []
    assert known(file, "host.example.evil") == []


def test_a_port_of_its_own_goes_first(file: Path):
    """The key of port 22 counts for another port only where that has no line of its own."""
    file.write_text(f"host {LINES[0]}\n[host]:2222 {LINES[1]}\n")
    assert known(file, "host", 2222) == [1]
    assert known(file, "host", 2223) == [0]
    assert known(file, "host") == [0]


def test_an_address_does_not_vouch_for_a_name(file: Path):
    """Whoever has a trusted address is not trusted under every name, but under that address."""
    file.write_text(f"127.0.0.1 {LINES[0]}\n")
    assert known(file, "localhost") == []
    assert known(file, "127.0.0.1") == [0]


def test_hashed_lines_count(file: Path):
    """What ``ssh-keygen -H`` has hashed is found."""
    file.write_text(f"[host]:2222 {LINES[0]}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "host" not in file.read_text()
    assert known(file, "host", 2222) == [0]
    assert known(file, "other", 2222) == []


def test_lines_without_sense_vouch_for_nobody(file: Path):
    """A torn line, a strange marker and an odd hash are passed over; the good line after them counts."""
    bad = [
        "host",
        "@what host ssh-ed25519 AAAA",
        "|9|x|y ssh-ed25519 AAAA",
        "host ssh-ed25519 !!!",
        "# x",
        "",
    ]
    file.write_text("\n".join([*bad, f"host {LINES[1]}"]))
    assert known(file, "host") == [1]


def test_markers_keep_their_meaning(file: Path):
    """An authority vouches, a revoked key does not, and neither is a key of the host."""
    file.write_text(f"@cert-authority * {LINES[0]}\n@revoked * {LINES[1]}\nhost {LINES[2]}\n")
    found = KnownHosts((str(file),)).of("host", 22)
    assert (found.keys, found.authorities, found.revoked) == ((KEYS[2],), (KEYS[0],), (KEYS[1],))


def test_files_that_are_not_there_are_empty(tmp_path: Path):
    """No file, and /dev/null, know nobody."""
    assert KnownHosts((str(tmp_path / "none"), "/dev/null")).of("host", 22).keys == ()


def test_a_file_that_is_no_text_is_told(file: Path):
    """Binary data is not taken for an empty file."""
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(Malformed, match="UTF-8"):
        KnownHosts((str(file),))


def test_a_new_line_is_what_ssh_finds(tmp_path: Path):
    """The file and its directory are made for the caller alone, and OpenSSH finds the host in it."""
    path = tmp_path / ".ssh" / "known_hosts"
    add_line(str(path), "Host.Example", 2222, KEYS[0])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    found = subprocess.run(
        ["ssh-keygen", "-F", "[host.example]:2222", "-f", str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert LINES[0] in found.stdout
    assert known(path, "host.example", 2222) == [0]


def test_an_unfinished_last_line_is_not_continued(file: Path):
    """A line is added on a line of its own, and nothing that was there is touched."""
    file.write_text(f"host {LINES[0]}")
    add_line(str(file), "other", 22, KEYS[1])
    assert file.read_text() == f"host {LINES[0]}\nother {LINES[1]}\n"


def test_a_file_that_cannot_be_written_is_unsafe(tmp_path: Path):
    """A directory in the place of the file: exit 8, named."""
    (tmp_path / "known").mkdir()
    with pytest.raises(Unsafe, match="known cannot be written"):
        add_line(str(tmp_path / "known"), "host", 22, KEYS[0])


@pytest.mark.parametrize(("kind", "word"), [("ed25519", "ED25519"), ("rsa", "RSA"), ("ecdsa", "ECDSA")])
def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path, kind: str, word: str):
    """Type and SHA-256 as ``ssh-keygen -l`` prints them."""
    path = key_pair(tmp_path / "key", kind=kind)
    listed = subprocess.run(["ssh-keygen", "-lf", str(path)], check=True, capture_output=True, text=True)
    shown = fingerprint(asyncssh.read_public_key(f"{path}.pub"))
    assert shown == f"{word} {listed.stdout.split()[1]}"
    assert f"({word})" in listed.stdout
