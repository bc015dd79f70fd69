import random
import subprocess
import sys
from hashlib import sha256

from fetchtoken.domain.digest import sha256_hex


def test_it_agrees_with_hashlib():
    """The interpreter's own SHA-256 and the public one give the same digest for 200,000 inputs."""
    chance = random.Random(7)
    data = bytearray(chance.randbytes(130))
    for _ in range(200_000):
        data[chance.randrange(len(data))] = chance.randrange(256)
        cut = bytes(data[: chance.randrange(len(data) + 1)])
        assert sha256_hex(cut) == sha256(cut).hexdigest()


def test_the_public_module_takes_its_place():
    """Where the interpreter has neither of its own modules, ``hashlib`` serves."""
    code = (
        "import hashlib, sys; sys.path.insert(0, '.'); sys.modules.update(_sha256=None, _sha2=None)\n"
        "from fetchtoken.domain import digest\n"
        "assert digest.sha256 is hashlib.sha256\n"
        "assert digest.sha256_hex(b'') == hashlib.sha256(b'').hexdigest()"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
