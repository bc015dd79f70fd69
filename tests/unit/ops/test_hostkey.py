"""The host key: made once, closed to others, the one that ``ssh`` sees."""

import subprocess

import pytest

from broker.domain.sshkey import parse_public_keys
from broker.ops.hostkey import load_host_key, make_host_key
from fetchtoken.domain.errors import ConfigError, Malformed, NotFound, Unsafe
from tests.support.need import need_program


def test_a_host_key_is_made_once_and_stays(tmp_path):
    """A second start finds the first one's key, 0600."""
    path = tmp_path / "key"
    make_host_key(path)
    first = load_host_key(path)
    make_host_key(path)
    assert load_host_key(path).fingerprint == first.fingerprint
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_it_is_the_key_that_openssh_reads(tmp_path):
    """The fingerprint told to people is the one that ``ssh-keygen`` computes from the file."""
    keygen = need_program("ssh-keygen", "openssh-client")
    make_host_key(tmp_path / "key")
    key = load_host_key(tmp_path / "key")
    said = subprocess.run([keygen, "-lf", tmp_path / "key"], check=True, capture_output=True, text=True)
    assert said.stdout.split()[:2] == ["256", key.fingerprint]
    assert parse_public_keys(key.public, "FILE") == {key.fingerprint}


def test_the_line_for_known_hosts_names_host_and_port(tmp_path):
    """Another port than 22 stands behind the host in brackets (sshd(8))."""
    make_host_key(tmp_path / "key")
    key = load_host_key(tmp_path / "key")
    assert key.known_hosts("broker.example", 7422) == f"[broker.example]:7422 {key.public}"
    assert key.known_hosts("broker.example", 22) == f"broker.example {key.public}"


def test_its_private_half_is_a_secret(tmp_path):
    """Nobody sees it by printing what holds it."""
    make_host_key(tmp_path / "key")
    assert "OPENSSH" not in repr(load_host_key(tmp_path / "key"))


def test_what_is_wrong_with_the_file_is_said(tmp_path):
    """A missing, open, damaged or locked file, and a place where none can be made, are each named."""
    path = tmp_path / "key"
    with pytest.raises(NotFound, match="no host key at"):
        load_host_key(path)
    make_host_key(path)
    path.chmod(0o640)
    with pytest.raises(Unsafe, match="readable by group or others"):
        load_host_key(path)
    path.chmod(0o600)
    path.write_text(path.read_text()[:-60])
    with pytest.raises(Malformed, match="not an ed25519 key without passphrase"):
        load_host_key(path)
    with pytest.raises(ConfigError, match="cannot be made: No such file or directory"):
        make_host_key(tmp_path / "nowhere" / "key")


@pytest.mark.parametrize(
    "words", [["-t", "ecdsa", "-N", ""], ["-t", "ed25519", "-N", "a passphrase", "-a", "1"]]
)
def test_a_key_of_another_kind_or_under_a_passphrase_is_refused(tmp_path, words):
    """The daemon starts without a person, and with one kind of key."""
    keygen = need_program("ssh-keygen", "openssh-client")
    subprocess.run([keygen, "-q", *words, "-f", tmp_path / "key"], check=True, capture_output=True)
    with pytest.raises(Malformed, match="not an ed25519 key without passphrase"):
        load_host_key(tmp_path / "key")
