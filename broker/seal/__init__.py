"""Encryption at rest: the master key file, keys derived for one purpose each, boxes bound to a context."""
