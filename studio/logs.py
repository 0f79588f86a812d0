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


def logging_to_stderr(style: str, level: str) -> dict[str, Any]:
    """Return the configuration of Python's logging: one stream, in a style of RENDERERS."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {name: formatter(name) for name in RENDERERS},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": style}},
        "loggers": {
            # A page that is not there is its visitor's affair; only the studio's own errors belong on the terminal.
            "django.request": {"level": "ERROR"},
            # The web server has handlers of its own, set before these.
            "uvicorn": {"handlers": ["stderr"], "propagate": False},
            "uvicorn.error": {"handlers": [], "propagate": True},
            # Named, so that it does not inherit handlers when the server is configured to be silent.
            "uvicorn.access": {"handlers": [], "propagate": False},
        },
        "root": {"handlers": ["stderr"], "level": level},
    }
