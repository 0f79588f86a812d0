"""Everything that `manage.py doctor` looks at, each part by itself: one that is broken hides no other."""

from collections.abc import Callable, Iterable, Iterator

from studio.operations.checks import contexts, curated, data, outside, pythons, set_up
from studio.operations.finding import Finding, Level, wrong

Check = Callable[[], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "settings": set_up.settings_,
    "database": data.database,
    "clock": data.clock,
    "broker": set_up.broker,
    "workers": data.workers_,
    "mail": outside.mail,
    "disk": data.disk,
    "confinement": set_up.confinement,
    "engine": outside.engine,
    "pythons": pythons.pythons,
    "mirrors": outside.mirrors,
    "index": outside.index,
    "channels": outside.channels,
    "catalogue": curated.curated,
}


def examine(*, deep: bool = False) -> Iterator[Finding]:
    """Yield the findings on each part, in the order in which an admin would fix them."""
    checks: dict[str, Check] = {
        **CHECKS,
        "store": lambda: data.store(deep=deep),
        "contexts": lambda: contexts.contexts(deep=deep),
    }
    for part, look in checks.items():
        try:
            yield from look()
        except Exception as error:  # a check that breaks is itself something to tell, not the end
            yield wrong(
                part, f"It could not be looked at: {type(error).__name__}: {error}", "Tell the makers."
            )


__all__ = ["CHECKS", "Finding", "Level", "examine"]
