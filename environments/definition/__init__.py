"""Environment definitions: read from every format, hashed, compared, written. Plain Python, no Django."""

from environments.definition.difference import Difference, diff
from environments.definition.finding import Finding
from environments.definition.model import Definition
from environments.definition.read import read, read_path
from environments.definition.reading import Reading
from environments.definition.reference import ImageReference
from environments.definition.write import CannotWrite, write

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
