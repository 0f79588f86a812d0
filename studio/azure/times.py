"""Times as the SDKs read them."""

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """Return a time in ISO 8601, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
