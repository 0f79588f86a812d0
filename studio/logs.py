"""Log lines: plain for people, one JSON object a line for programs.

Either way a line has the build, workspace or request that it is about: structlog's context variables.
"""

from typing import Any

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import EventRenamer, JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ProcessorFormatter

RENDERERS: dict[str, list[Any]] = {
    "plain": [
        ConsoleRenderer(
            colors=False, pad_event_to=0, timestamp_key="time", exception_formatter=plain_traceback
        )
    ],
    "json": [format_exc_info, EventRenamer("message"), JSONRenderer(ensure_ascii=False)],
}


def formatter(style: str) -> dict[str, Any]:
    """Return the entry of `LOGGING["formatters"]` for a style: a key of `RENDERERS`."""
    return {
        "()": ProcessorFormatter,
        "foreign_pre_chain": [
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            TimeStamper(fmt="iso", utc=True, key="time"),
        ],
        "processors": [ProcessorFormatter.remove_processors_meta, *RENDERERS[style]],
    }
