"""Package indexes of a definition, and how long the solver caches their listings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from builds.imaging.cutoffs.limits import NO_LIMITS, Limit, Limits
from environments.network.credentials import Logins, login_from_url, without_login

PROJECT = "studio-own-indexes"
PYPI = "https://pypi.org/simple"

# The list of an index may change, so it is requested again after ten minutes. A file never changes under its name.
_LISTING = "max-age=600"
_FILES = "max-age=365000000, immutable"
_OURS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_OPTION = re.compile(r"^(?P<name>-i|--index-url|--extra-index-url)[\s=]++(?P<url>\S++)$")


@dataclass(frozen=True, slots=True)
class Indexes:
    """The indexes of a definition: the main index is queried last, the extra indexes before it.

    A name that an index which needs a connection has is taken from there alone: anybody may put a package of that
    name into a public index. So those indexes come first, and the first index that has a name is the only one.
    Where no index needs a connection, a package comes in its newest version from any of them, as by pip.
    """

    main: str
    extra: tuple[str, ...]
    own: Mapping[str, str] = field(default_factory=dict)
    """The only index of a package, by its normalised name; it is queried for no other package."""

    @property
    def every_url(self) -> tuple[str, ...]:
        """All URLs, those for single packages included."""
        return (*dict.fromkeys(self.own.values()), *self.urls)

    def of(self, name: str, logins: Logins) -> tuple[str, ...]:
        """Return the URLs that a package may come from, those of private indexes first."""
        return (self.own[name],) if name in self.own else self.private_first(logins)

    @property
    def urls(self) -> tuple[str, ...]:
        """All URLs, in the order in which they are queried."""
        return (*self.extra, self.main)

    def is_private(self, url: str, logins: Logins) -> bool:
        """Return whether an index needs a connection of the workspace."""
        return logins.find("index", url) is not None

    def private_first(self, logins: Logins) -> tuple[str, ...]:
        """Return the URLs with those of private indexes before all others, each once."""
        urls = sorted(self.urls, key=lambda url: not self.is_private(url, logins))
        return tuple(dict.fromkeys(urls))

    def mixes(self, logins: Logins) -> bool:
        """Return whether a package may come from any of several indexes."""
        urls = self.private_first(logins)
        return len(urls) > 1 and not any(self.is_private(url, logins) for url in urls)

    def config(self, logins: Logins, limits: Limits = NO_LIMITS, *, refresh: bool = False) -> str:
        """Return the solver's configuration file; with `refresh`, it bypasses the cache of listings.

        Passwords are in it and not on the command line.
        """
        parts = [_entry(url, logins, limits, refresh=refresh) for url in self.private_first(logins)]
        return _exclusions(limits) + "\n".join(parts) + "default = true\n"

    def project(
        self,
        requirements: Sequence[str],
        logins: Logins,
        limits: Limits = NO_LIMITS,
        *,
        refresh: bool = False,
    ) -> str:
        """Return a project that requests these packages from their own indexes, which the solver asks for no others."""
        urls = list(dict.fromkeys(self.own.values()))
        lines = [f'[project]\nname = {json.dumps(PROJECT)}\nversion = "0"']
        lines.append(f"dependencies = {json.dumps(list(requirements))}\n")
        for number, url in enumerate(urls):
            entry = _entry(url, logins, limits, refresh=refresh)
            lines.append(f'[[tool.uv.index]]\nname = "own-{number}"\nexplicit = true')
            lines.append(entry.partition("\n")[2])
        lines.append("[tool.uv.sources]")
        lines += [
            f'{json.dumps(name)} = {{ index = "own-{urls.index(url)}" }}' for name, url in self.own.items()
        ]
        return "\n".join(lines) + "\n"


def indexes_of(
    lines: Sequence[str],
    index_url: str | None,
    env: Mapping[str, str],
    own: Mapping[str, str] | None = None,
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
    return rest, Indexes(main or index_url or usual, tuple(extra), own or {})


def solver_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the solver's own environment: its settings, but no other choice of index."""
    usual = {name: value for name, value in env.items() if name.startswith("UV_") and name not in _OURS}
    # Nor passwords of the studio's machine: a definition may name any host.
    return {**usual, "NETRC": os.devnull, "UV_KEYRING_PROVIDER": "disabled"}


def _exclusions(limits: Limits) -> str:
    """Return the solver's settings for the times before which packages must have been uploaded."""
    default, text = limits.of(), ""
    if default is not None:
        text += f"exclude-newer = {_before(default)}\n"
    own = {name: limits.of(name) for name in limits.names}
    if own:
        text += "\n[exclude-newer-package]\n"
        text += "".join(f"{json.dumps(name)} = {_before(limit)}\n" for name, limit in own.items())
    return f"{text}\n" if text else ""


def _before(limit: Limit | None) -> str:
    return "false" if limit is None else json.dumps(limit.before.isoformat().replace("+00:00", "Z"))


def _entry(url: str, logins: Logins, limits: Limits, *, refresh: bool) -> str:
    listing = "" if refresh else f'api = "{_LISTING}", '
    control = f'{{ {listing}files = "{_FILES}" }}'
    # The solver would show a password to everything of its host, not to its own address only.
    silent = 'authenticate = "never"\n' if logins.beside("index", url) and login_from_url(url) is None else ""
    # An index has a limit of its own where an exception names it.
    limit = limits.of(url=without_login(url))
    limited = f"exclude-newer = {_before(limit)}\n" if limit != limits.of() else ""
    return (
        f"[[index]]\nurl = {json.dumps(shown_to(url, logins))}\n{limited}{silent}cache-control = {control}\n"
    )


def shown_to(url: str, logins: Logins) -> str:
    """Return a URL with the workspace's credentials for it, if there are any and it has none of its own."""
    login = logins.find("index", url)
    return url if login is None or login_from_url(url) is not None else login.within(url)
