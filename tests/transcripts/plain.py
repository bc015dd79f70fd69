"""What changes from run to run, put by its name."""

import re

__all__ = ["plain"]

_CHANGING = (
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"uid:\d+ pid:\d+", "PEER"),
    (r" {2,}(ok|OUTCOME) ", r"  \1 "),  # the column before it is as wide as a pid
    (r"attempt [0-9a-f]{32}", "attempt ATTEMPT"),
    (r'("(mac|request_id|store_id)": )"[0-9a-f]+"', r'\1"HEX"'),
    (r'("at_s": )[0-9.]+', r"\1SECONDS"),
    (r'("expires_in": ?)\d+', r"\1SECONDS"),
    (r'("expires": ?)\d+', r"\1MILLISECONDS"),
    (r'("home": )"[^"]+"', r'\1"HOST:HOME"'),
    (r'(\\"home\\":)\\"[^"]+\\"', r'\1\\"HOST:HOME\\"'),
    (r"\b[0-9a-f]{16}\b", "CHAIN"),
    (r"cbk_[0-9A-Za-z]{11}_[0-9A-Za-z]{49}", "cbk_KEY"),
    (r"cbr_[0-9A-Za-z]{11}_[0-9A-Za-z]{49}", "cbr_CREDENTIAL"),
    (r"cbi_[0-9A-Za-z]{11}_[0-9A-Za-z]{28}", "cbi_CODE"),
    (r"/keys/[0-9a-f]{32}", "/keys/ORIGIN"),
    (r"eyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*", "JWT"),
    (r"\brt[_.][0-9A-Za-z_.-]+", "RT"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"TIME \((in|\d).*?\)", "TIME (DISTANCE)"),
    (r"\b\d+ s left\b", "N s left"),
    (r"(key_id:? *)[0-9A-Za-z]{11}", r"\1KEYID"),
    (r'("key_id": ")[0-9A-Za-z]{11}', r"\1KEYID"),
    (r"(?<![\w-])[0-9a-f]{8}(?![\w-])", "KEYID"),
    (r"[0-9a-f]{32}\.journal", "ATTEMPT.journal"),
    (r"codex-broker-demo-\w+", "codex-broker-demo-NAME"),
    (r"(code_challenge|state)=[\w-]{43}", r"\1=RANDOM"),
    (r"\b[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}\b", "USER-CODE"),
    (r"(ssh -L 1455:)127\.0\.0\.1(:1455 )\S+", r"\1LOOPBACK\2HOST"),
    (r"\bSHA256:[\w+/]{43}", "SHA256:FINGERPRINT"),
    (r"\[127\.0\.0\.1\]:\d+", "[HOST]:PORT"),
    (r"127\.0\.0\.1:\d+", "HOST:PORT"),
)


def plain(text: str) -> str:
    """Return a text in which everything that a run makes anew bears its name."""
    for pattern, name in _CHANGING:
        text = re.sub(pattern, name, text)
    return text
