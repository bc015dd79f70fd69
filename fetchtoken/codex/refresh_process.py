"""The local source's exchange process: ``python -m fetchtoken.codex.refresh_process``."""

from __future__ import annotations

import os
import sys

from fetchtoken.codex.refresh_file import serve
from fetchtoken.oauth.child import report, serve_one

__all__ = ["main"]


def main() -> int:
    """Do one whole locked refresh; the exit status says only whether a request came."""
    return serve_one(lambda request: report(serve(request, os.environ)))


if __name__ == "__main__":
    sys.exit(main())
