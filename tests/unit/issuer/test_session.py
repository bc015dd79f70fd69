"""Which authorities the broker's other questions to the issuer trust."""

import ssl
from pathlib import Path

import pytest
import trustme

from broker.issuer.reach import reach
from fetchtoken.domain.errors import ConfigError
from tests.support.peers import OK, Peer, answering, over_tls


async def test_the_configured_authority_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``CODEX_CA_CERTIFICATE`` counts here as it does for an exchange."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("CODEX_CA_CERTIFICATE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Peer(over_tls(context, answering(OK))) as peer:
        assert await reach(f"https://127.0.0.1:{peer.port}") == ""


async def test_a_file_without_authorities_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong ``CODEX_CA_CERTIFICATE`` is a matter of configuration, not of the network."""
    monkeypatch.setenv("CODEX_CA_CERTIFICATE", str(tmp_path / "gone.pem"))
    with pytest.raises(ConfigError, match=r"gone\.pem"):
        await reach("https://127.0.0.1:9")
