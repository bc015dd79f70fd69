"""The SSH front door: tokens for whoever has an SSH key that a client is known by. No shell, no HTTP.

A command goes ``visitor → session → door → broker.access``. Only :mod:`broker.sshd.visitor`,
:mod:`broker.sshd.session` and :mod:`broker.sshd.server` know asyncssh, which is imported where
``ssh.listen`` is set; a command line is parsed by :mod:`broker.sshd.commands` and never run by anything.
"""
