"""Which package indexes the solver asks, and how long it believes what it heard."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PYPI = "https://pypi.org/simple"

# What an index lists may change, so it is asked again after ten minutes. A file never changes under its name.
_LISTING = "max-age=600"
_FILES = "max-age=365000000, immutable"
_OURS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_OPTION = re.compile(r"^(?P<name>-i|--index-url|--extra-index-url)[\s=]+(?P<url>\S+)$")


@dataclass(frozen=True, slots=True)
class Indexes:
    """The indexes of one definition: the one asked last, the others before it, and no index at all."""

    main: str
    extra: tuple[str, ...]

    def config(self, *, anew: bool = False) -> str:
        """Return the solver's configuration file, which asks every index `anew` if told to.

        Passwords stand there and not on its command line.
        """
        parts = [_entry(url, anew=anew) for url in self.extra]
        return "\n".join([*parts, _entry(self.main, anew=anew) + "default = true\n"])


def indexes_of(
    lines: Sequence[str], index_url: str | None, env: Mapping[str, str]
) -> tuple[list[str], Indexes]:
    """Return the lines that are no index options, and the indexes: the definition's, else the studio's."""
    rest, main, extra = [], None, []
    for line in lines:
        option = _OPTION.match(line)
        if option is None:
            rest.append(line)
        elif option["name"] == "--extra-index-url":
            extra.append(option["url"])
        else:
            main = option["url"]
    usual = next((env[name] for name in _OURS if env.get(name)), PYPI)
    return rest, Indexes(main or index_url or usual, tuple(extra))


def solver_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for the solver: proxies and certificates, but no other choice of index."""
    return {name: value for name, value in env.items() if name not in _OURS}


def _entry(url: str, *, anew: bool) -> str:
    listing = "" if anew else f'api = "{_LISTING}", '
    control = f'{{ {listing}files = "{_FILES}" }}'
    return f"[[index]]\nurl = {json.dumps(url)}\ncache-control = {control}\n"
