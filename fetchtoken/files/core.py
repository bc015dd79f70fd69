"""No core dumps: the memory of these programs holds tokens and keys."""

__all__ = ["forbid_core_dumps"]


def forbid_core_dumps() -> None:
    """Let no crash of this process write its memory to disk, whatever ``ulimit -c`` says (core(5))."""
    try:
        import resource
    except ImportError:  # Windows writes none unless told to
        return
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except OSError:  # forbidden by a container's filter
        return
