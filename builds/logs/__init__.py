"""Build logs: cleaned in one place, written in chunks of whole lines, read from any line, packed at the end."""

from builds.logs.packing import pack_log, pack_logs_of_ended
from builds.logs.reading import LogPage, find_lines, lines_between, matching_lines, read_log, step_at
from builds.logs.secrets import Secrets
from builds.logs.writing import LogWriter, clean

__all__ = [
    "LogPage",
    "LogWriter",
    "Secrets",
    "clean",
    "find_lines",
    "lines_between",
    "matching_lines",
    "pack_log",
    "pack_logs_of_ended",
    "read_log",
    "step_at",
]
