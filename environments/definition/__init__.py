"""Environment definitions: read from every format, hashed, compared, written. Plain Python, no Django."""

from environments.definition.difference import Difference, diff
from environments.definition.findings.finding import Finding
from environments.definition.findings.result import Reading
from environments.definition.model import Definition
from environments.definition.reading.read import read, read_path
from environments.definition.syntax.reference import ImageReference
from environments.definition.writing.write import CannotWrite, write

__all__ = [
    "CannotWrite",
    "Definition",
    "Difference",
    "Finding",
    "ImageReference",
    "Reading",
    "diff",
    "read",
    "read_path",
    "write",
]
