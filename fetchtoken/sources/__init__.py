"""Where tokens come from. Each source is a module with ``fetch(settings, request) -> Token``."""
