"""TLS of the daemon's own: its certificate, what there is to say of it, and taking up a new one."""
