"""The real opencode (npm package ``opencode-ai``), which talks to OpenAI's hosts and to no other.

It is looked for at ``$OPENCODE_BIN``, on ``PATH``, and in ``node_modules`` below the repository and
below ``$OPENCODE_NPM_PREFIX``.
"""

import json
import os
import shutil
from pathlib import Path

from tests.support.internet import Asked, Reply
from tests.support.need import missing

__all__ = ["MODEL", "REPLY", "answer", "need_opencode"]

MODEL = "openai/gpt-5.5"
REPLY = "hello from beyond"
"""The text that ``opencode run`` prints when everything went well."""

_ROOT = Path(__file__).parents[2]


def _find() -> str:
    found = os.environ.get("OPENCODE_BIN") or shutil.which("opencode")
    for prefix in (str(_ROOT), os.environ.get("OPENCODE_NPM_PREFIX")):
        candidate = Path(prefix or _ROOT) / "node_modules" / ".bin" / "opencode"
        if not found and candidate.exists():
            found = str(candidate)
    return found or ""


def need_opencode() -> str:
    """Return its path; skip the test without one, fail it where ``CI=true``."""
    return _find() or missing("opencode", "npm package opencode-ai")


def _events() -> bytes:
    """Every event of an answer that it needs, the text in one piece."""
    message = {"type": "message", "role": "assistant", "id": "msg_1"}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    events = [
        {"type": "response.created", "response": {"id": "resp_1", "created_at": 1, "model": "m"}},
        {"type": "response.output_item.added", "output_index": 0, "item": message},
        {"type": "response.output_text.delta", "item_id": "msg_1", "delta": REPLY},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": "response.completed", "response": {"id": "resp_1", "usage": usage}},
    ]
    return "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events).encode()


def answer(asked: Asked) -> Reply:
    """Be every host: one that answers a model's request, whoever asks, and has nothing else."""
    if asked.path.endswith("/responses"):
        return 200, "text/event-stream", _events()
    return 404, "application/json", b"{}"
