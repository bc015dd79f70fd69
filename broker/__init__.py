"""The daemon: keeps each account's login fresh and serves access tokens to authenticated clients."""
