"""The choice among a project's groups and extras: what is selected, what else there is."""

from __future__ import annotations

from collections.abc import Iterable

from environments.definition.findings.result import Draft, Offers
from environments.definition.model import Selection
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed


def choose(
    draft: Draft, extras: Iterable[str], groups: Iterable[str], what: str = "the main group"
) -> Selection:
    """Return the extras and groups that are requested, by the project's own names, and note what else it has.

    An unknown name is an error. `what` names the part that is read without a choice.
    """
    draft.offers = Offers(extras=tuple(dict.fromkeys(extras)), groups=tuple(dict.fromkeys(groups)))
    wanted = draft.selection
    if wanted.environment:
        _unknown(draft, "environment", wanted.environment, ())
    chosen = Selection(
        extras=_known(draft, "extra", wanted.extras, draft.offers.extras),
        groups=_known(draft, "group", wanted.groups, draft.offers.groups),
        ignore_lock=wanted.ignore_lock,
    )
    draft.selection = chosen
    others = [f"the extra {name}" for name in draft.offers.extras if name not in chosen.extras]
    others += [f"the group {name}" for name in draft.offers.groups if name not in chosen.groups]
    if others:
        read = [what, *(f"the extra {name}" for name in chosen.extras)]
        read += [f"the group {name}" for name in chosen.groups]
        draft.note("project-parts", Placed("", 1), what=listed(read), others=listed(others))
    return chosen


def listed(names: list[str], most: int = 12) -> str:
    """Return names as a list for people: `a, b and c`; the first of many."""
    shown = [name[:60] for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _known(draft: Draft, kind: str, wanted: Iterable[str], offered: tuple[str, ...]) -> tuple[str, ...]:
    by_name = {pip_name(name): name for name in offered}
    known = []
    for name in wanted:
        if pip_name(name) in by_name:
            known.append(by_name[pip_name(name)])
        else:
            _unknown(draft, kind, name, offered)
    return tuple(dict.fromkeys(known))


def _unknown(draft: Draft, kind: str, name: str, offered: tuple[str, ...]) -> None:
    known = listed(list(offered)) if offered else f"the project has no {kind}s"
    help = "" if offered else f"Leave the {kind} out: the project has none."
    draft.note("selection-unknown", Placed("", 1), help=help, kind=kind, what=name[:80], known=known)
