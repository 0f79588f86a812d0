"""Format sizes in bytes as text."""

_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def size_text(size: int) -> str:
    """Return a size in decimal units with three significant digits: `1.5 GB`."""
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
