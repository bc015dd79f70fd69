"""SSH public keys: what is taken, by which fingerprint, and what is refused by name."""

import random
import subprocess
from contextlib import suppress

import pytest

from broker.domain.sshkey import fingerprint_of_line, parse_public_keys
from fetchtoken.domain.errors import ConfigError
from tests.support.need import need_program
from tests.support.sshkeys import FINGERPRINT, LINE, line, new_line, rsa_line


def test_a_key_is_known_by_the_fingerprint_that_ssh_keygen_prints():
    """What people compare is what the store holds."""
    assert parse_public_keys(LINE + "\n", "FILE") == {FINGERPRINT}
    assert fingerprint_of_line(LINE) == FINGERPRINT


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_what_ssh_keygen_writes_is_taken(kind, tmp_path):
    """Each kind that OpenSSH makes by itself is read as OpenSSH reads it."""
    keygen = need_program("ssh-keygen", "openssh-client")
    file = tmp_path / "key"
    subprocess.run([keygen, "-q", "-t", kind, "-N", "", "-f", file], check=True, capture_output=True)
    said = subprocess.run([keygen, "-lf", f"{file}.pub"], check=True, capture_output=True, text=True)
    assert parse_public_keys((tmp_path / "key.pub").read_text(), "FILE") == {said.stdout.split()[1]}


@pytest.mark.parametrize(
    "text",
    [
        rsa_line(2048),
        rsa_line(16_384),
        line("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:"),
        line("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", bytes(65), b"ssh:"),
        line("ecdsa-sha2-nistp521", b"nistp521", bytes(133)),
        f"  {LINE}  and more words  ",
        f"\r\n# mine\n\n{LINE}\r\n",
    ],
)
def test_other_kinds_and_odd_files_are_taken(text):
    """Strong RSA, security keys, comments, empty lines and carriage returns are no trouble."""
    assert len(parse_public_keys(text, "FILE")) == 1


def test_several_keys_make_several_fingerprints_and_repetition_makes_none():
    """A file may hold the keys of all a client's devices."""
    other = new_line()
    assert parse_public_keys(f"{LINE}\n{other}\n{LINE}\n", "FILE") == {
        FINGERPRINT,
        fingerprint_of_line(other),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "FILE holds no SSH public key"),
        ("# nobody's\n\n", "FILE holds no SSH public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n", "FILE holds a private key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nb3Blbn\n", "FILE holds a private key"),
        ('---- BEGIN SSH2 PUBLIC KEY ----\nComment: "x"\n', "FILE is not in OpenSSH's format"),
        (line("ssh-dss", bytes(128)), "FILE line 1 is a DSA key, which is too weak"),
        (rsa_line(1024), "FILE line 1 is an RSA key of 1024 bits, too weak"),
        (rsa_line(2047), "FILE line 1 is an RSA key of 2047 bits, too weak"),
        (rsa_line(16_385), "FILE line 1 is an RSA key of 16385 bits, too large"),
        (line("ssh-ed25519-cert-v01@openssh.com", bytes(32)), "FILE line 1 is a certificate"),
        (f"{LINE}\nnonsense", "FILE line 2 is no SSH public key"),
        (f'command="ls" {LINE}', "FILE line 1 is no SSH public key"),
        ("ssh-ed25519", "FILE line 1 is no SSH public key"),
        ("ssh-ed25519 !!!!", "FILE line 1 is no SSH public key"),
        (LINE.split()[0] + " " + LINE.split()[1][:-8], "FILE line 1 is no SSH public key"),
        (line("ssh-ed25519", bytes(32), inside="ssh-rsa"), "FILE line 1 is no SSH public key"),
        (line("ssh-ed25519", bytes(32), b"more"), "FILE line 1 is no SSH public key"),
        (line("ssh-ed448", bytes(57)), "FILE line 1 is no SSH public key"),
        ("\n".join(new_line() for _ in range(21)), "FILE holds more than 20 keys"),
    ],
)
def test_everything_else_is_refused_by_name(text, said):
    """The message names the file, the line and what is wrong, and there is something to do."""
    with pytest.raises(ConfigError, match=said) as caught:
        parse_public_keys(text, "FILE")
    assert caught.value.hint


def test_no_damage_is_anything_but_a_refusal():
    """Over seeded mutations of good lines only the declared error comes."""
    chance = random.Random(11)
    good = (LINE, rsa_line(2048), line("ecdsa-sha2-nistp256", b"nistp256", bytes(65)))
    refused = 0
    for _ in range(3000):
        text = list(chance.choice(good))
        for _ in range(chance.randrange(1, 4)):
            text[chance.randrange(len(text))] = chance.choice(["", "A", "=", "\n", " ", "é", "\x00", "/"])
        with suppress(ConfigError):
            parse_public_keys("".join(text), "FILE")
            continue
        refused += 1
    assert refused > 1000
