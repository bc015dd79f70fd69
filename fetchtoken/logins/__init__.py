"""Logins in other tools' files on disk: gathering them, holding their locks, making them access-only."""
