"""The keys that the store works with: the seal, and hashing keys that outlive master keys.

Hashes of API keys, codes and spent refresh tokens, and the audit trail's chains, cannot be made anew when
the master key changes, so their keys come from a random root that lies sealed in the store itself and is
only re-sealed.
"""

from hmac import digest

from broker.domain.chain import Mac
from broker.seal.box import Seal
from broker.seal.keyring import derive
from fetchtoken.domain.secret import Secret

__all__ = ["StoreKeys"]


class StoreKeys:
    """What seals and hashes for one store.

    Args:
        seal: the seal of the home.
        root: the store's own 32 random bytes.
    """

    __slots__ = ("_fingerprint", "api_key_hash", "audit", "audit_head", "device", "invite", "seal")

    def __init__(self, seal: Seal, root: bytes) -> None:
        self.seal = seal
        self.api_key_hash = derive(root, "api-key-hash")
        self.invite = derive(root, "invite")
        self.device = derive(root, "device")
        self._fingerprint = derive(root, "fingerprint")
        self.audit = Mac(derive(root, "audit"))
        self.audit_head = Mac(derive(root, "audit head"))

    def fingerprint(self, token: Secret) -> bytes:
        """Return the keyed hash by which a refresh token is recognised."""
        return digest(self._fingerprint, token.reveal().encode(), "sha256")
