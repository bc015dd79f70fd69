"""``python -m broker.sandbox``: a sandbox issuer in its own process.

Prints the banner once it listens. With ``--info FILE`` the address and the control token are
written there first (JSON, 0600), so that no secret stands in arguments or output.
"""

import argparse
import asyncio
import json
import signal
import sys

from broker.sandbox.issuer import LIFE_S
from broker.sandbox.server import PORT, SandboxIssuer, banner, serve_sandbox
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.files.atomic import replace_file


def main() -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m broker.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=PORT, help="TCP port; 0 takes a free one")
    parser.add_argument("--state", help="file that keeps the logins over a restart")
    parser.add_argument("--life-s", type=int, default=LIFE_S, help="seconds that access tokens live")
    parser.add_argument("--info", help="file for the address and the control token")
    options = parser.parse_args()

    def announce(issuer: SandboxIssuer) -> None:
        if options.info:
            info = {"url": issuer.url, "control_token": issuer.control_token.reveal()}
            replace_file(options.info, json.dumps(info).encode())
        sys.stdout.write(banner(issuer.url))
        sys.stdout.flush()

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(
            serve_sandbox(
                options.host,
                options.port,
                state_path=options.state,
                life_s=options.life_s,
                announce=announce,
            )
        )
    except KeyboardInterrupt:
        return 0
    except FetchTokenError as error:
        sys.stderr.write(f"sandbox: {error.message}\nhint: {error.hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
