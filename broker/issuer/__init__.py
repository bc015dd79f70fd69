"""What else is asked of the issuer: revoking a login, and whether it can be reached at all."""
