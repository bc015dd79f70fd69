"""Talking to a host over SSH: who it is, how to get there, who we are, one command at a time."""
