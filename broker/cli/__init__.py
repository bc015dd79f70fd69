"""The command ``codex-broker``: what a person types, and how it is answered.

Rules of speech, for every command:

- data goes to stdout, everything for people to stderr;
- an error is one line saying what happened and one ``hint:`` saying what to do; its exit code
  is the error class's (:mod:`fetchtoken.domain.errors`);
- nothing is asked: what a command needs stands on its line; only a passphrase, which belongs on
  no line, is asked for, and only at a terminal;
- ``--json`` prints one JSON value and nothing else on stdout.
"""

from broker.cli.entry import main

__all__ = ["main"]
