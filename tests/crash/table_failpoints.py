"""Where every step of an exchange, failing before or after it in each way, must end.

The columns are ``kill`` (SIGKILL of the process that does the step), ``exception`` (a bug of ours),
``EIO``, ``ENOSPC`` and ``cancel``. After the fault comes a clean restart. The ends, by the issuer's
log and by what is held:

``old``     nothing was sent; the login is as it was and can be exchanged
``new``     one exchange; what is held is what the issuer gave, and can be exchanged
``unsent``  in doubt, though the issuer saw nothing: the note that it may be sent was durable
``doubt``   in doubt, and the issuer did rotate: the answer was never in our hands
"""

__all__ = ["BROKER", "LOCAL"]

_OLD = "old     old     old     old     old"
_NEW = "new     new     new     new     new"

BROKER = {
    #                            kill    excepti EIO     ENOSPC  cancel
    "before journal created":    _OLD,
    "after journal created":     _OLD,
    "before intent armed":       _OLD,
    "after intent armed":        _OLD,
    "before intent marked":      _OLD,
    "after intent marked":       _OLD,
    "before process started":   "old     old     old     old     new",
    "after process started":    "old     old     old     old     new",
    "before frame written":     "old     old     old     old     new",
    "after frame written":       _NEW,
    "before sending recorded":  "old     old     old     old     new",
    "after sending recorded":   "unsent  old     old     old     new",
    "before request sent":      "unsent  unsent  unsent  unsent  new",
    "after request sent":       "doubt   doubt   doubt   doubt   new",
    "before answer recorded":   "doubt   new     new     new     new",
    "after answer recorded":     _NEW,
    "before report read":        _NEW,
    "after report read":         _NEW,
    "before tokens committed":   _NEW,
    "after tokens committed":    _NEW,
    "before roster updated":     _NEW,
    "after roster updated":      _NEW,
    "before outcome marked":     _NEW,
    "after outcome marked":      _NEW,
    "before journal removed":    _NEW,
    "after journal removed":     _NEW,
}  # fmt: skip
"""Before the answer is recorded a disk that fails is no loss: the answer goes to a second place."""

LOCAL = {
    #                            kill    excepti EIO     ENOSPC  cancel
    "before locks taken":       "old     old     old     old     new",
    "after locks taken":        "old     old     old     old     new",
    "before attempt begun":     "old     old     old     old     new",
    "after attempt begun":      "old     old     old     old     new",
    "before sending recorded":  "old     old     old     old     new",
    "after sending recorded":   "unsent  old     old     old     new",
    "before request sent":      "unsent  unsent  unsent  unsent  new",
    "after request sent":       "doubt   doubt   doubt   doubt   new",
    "before answer recorded":   "doubt   new     new     new     new",
    "after answer recorded":     _NEW,
    "before auth.json replaced": _NEW,
    "after auth.json replaced":  _NEW,
    "before attempt removed":    _NEW,
    "after attempt removed":     _NEW,
}  # fmt: skip
"""Nobody cancels here: the process ignores the signals that end the command."""
