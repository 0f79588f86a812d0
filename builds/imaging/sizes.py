"""Format sizes in bytes as text."""

_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def size_text(size: int) -> str:
    """Return a size in decimal units with one decimal: `1.5 GB`, `12 kB`, `300 bytes`."""
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"
