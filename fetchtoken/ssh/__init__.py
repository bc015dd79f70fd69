"""Talking to a host over SSH: who it is, how to get there, who we are, one command at a time.

The library is imported here, before any module of this package, in the way that costs least.
"""

from fetchtoken.ssh.lean import import_asyncssh

import_asyncssh()
