"""The package indexes of a Pipenv project: the first serves every package, the others those that name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from environments.definition.findings.result import Draft
from environments.definition.formats.projects.beside import Beside
from environments.definition.formats.toml import items, text
from environments.definition.packages.lock_lines import PYPI
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table


@dataclass(slots=True)
class Sources:
    """A project's indexes by name, in their order."""

    by_name: dict[str, str] = field(default_factory=dict)
    default: Placed | None = None
    """The URL of the first, where it is not PyPI."""
    unverified: list[Placed] = field(default_factory=list)
    """The URLs of those whose certificates the project does not have verified."""

    @classmethod
    def of_pipfile(cls, pipfile: Beside) -> Sources:
        """The sources of a Pipfile."""
        listed = [source for source in items(pipfile.values, "source") if isinstance(source, dict)]
        return cls.of((source, pipfile.at("source", number)) for number, source in enumerate(listed))

    @classmethod
    def of(cls, listed: Iterable[tuple[Table, Placed]]) -> Sources:
        """The sources of these tables, each at its place."""
        sources = cls()
        for number, (source, at) in enumerate(listed):
            url = text(source, "url").rstrip("/")
            if not url or len(url.split()) != 1:
                continue
            sources.by_name[text(source, "name").lower()] = url
            if number == 0 and url != PYPI:
                sources.default = at.moved(url)
            if source.get("verify_ssl") is False:
                sources.unverified.append(at.moved(url))
        return sources


def take_sources(draft: Draft, sources: Sources) -> None:
    """Take the project's default index into the draft."""
    if sources.default is not None:
        draft.pip.insert(0, sources.default.moved(f"--index-url {sources.default}"))
    for url in sources.unverified:
        help = "Give the index a valid certificate, or have the administrator trust its issuer."
        why = "certificates are always verified"
        draft.note("option-ignored", url, what="verify_ssl = false", why=why, help=help)
