"""Reading and writing files that hold secrets: modes, owners, atomic replacement, locks."""
