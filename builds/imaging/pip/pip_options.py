"""pip's options that the solver does not get: the choice of wheel or source, and options without effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from builds.imaging.pip.requirement import option_of
from builds.imaging.reporting import ImageError, Reporter

ALL = ":all:"
_SO_ANYWAY = {
    "--prefer-binary": "a package comes as source only where it has no wheel that fits",
    "--trusted-host": "certificates are checked all the same; plain http:// is used where an address says so",
}


@dataclass(frozen=True)
class Kinds:
    """Packages, by their normalised names, that are to come as wheels only, and those that are not to."""

    wheels: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    def may_be_source(self, name: str) -> bool:
        """Return whether a package without a wheel may be built from its source."""
        return not {ALL, name} & self.wheels or name in self.sources


def kinds_of(lines: Sequence[str], reporter: Reporter) -> tuple[list[str], Kinds]:
    """Return the lines without these options, and the options. Options without effect are logged."""
    rest: list[str] = []
    wheels: set[str] = set()
    sources: set[str] = set()
    for line in lines:
        option, value = option_of(line)
        if option in _SO_ANYWAY:
            reporter.line(f"{line}: {_SO_ANYWAY[option]}")
        elif option in ("--only-binary", "--no-binary"):
            named = {item.strip() for item in value.split(",") if item.strip()}
            if option == "--no-binary" and ALL in named:
                raise ImageError(
                    "bad-spec",
                    "Not everything is built from source here, as --no-binary :all: asks for.",
                    "Name the packages that have to be: --no-binary name.",
                )
            chosen = wheels if option == "--only-binary" else sources
            chosen |= {item if item == ALL else str(canonicalize_name(item)) for item in named - {":none:"}}
        else:
            rest.append(line)
    return rest, Kinds(frozenset(wheels), frozenset(sources))
