"""The outcome of a run and its items, for terminals and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from builds.exposure.base_fixes import rebase_command
from builds.models.healing import HealItem, HealRun, HealState

_SENTENCES = {
    HealState.PLANNED: "{version}: {changes}",
    HealState.HEALED: "{version}: saved as {published}: {changes}",
    HealState.PROPOSED: "{version}: proposed as {published}: {changes}",
    HealState.CURRENT: "{version}: no longer affected",
    HealState.READY: "{version}: not saved. {reason}",
    HealState.REFUSED: "{version}: not healed. {reason}",
    HealState.FAILED: "{version}: not healed. {reason}",
}


def sentence_of(item: HealItem) -> str:
    """Return what became of an item, in one line."""
    version = f"{item.version.environment.workspace}/{item.version}"
    template = _SENTENCES.get(HealState(item.state), "{version}: under way")
    sentence = template.format(
        version=version, published=item.published, changes=changes_of(item), reason=item.reason
    )
    hint = rebase_of(item)
    return f"{sentence}\n  To rebase it: {hint['command']}" if hint else sentence


def rebase_of(item: HealItem) -> dict[str, str] | None:
    """Return the base that brings what is affected, and the command that rebases; None where no rebase fixes anything."""
    if not item.base or item.open:
        return None
    command = rebase_command(item.base, item.version.environment.workspace.name)
    return {"base": item.base, "command": command} if command else None


def changes_of(item: HealItem) -> str:
    """Return the changes of the packages in one line: `jinja2 3.1.2 → 3.1.4`."""
    return ", ".join(
        f"{change['name']} {change['before'] or 'new'} → {change['after'] or 'removed'}"
        for change in item.changes
    )


def as_json(run: HealRun, items: Sequence[HealItem]) -> dict[str, Any]:
    """Return a run and its items as a JSON object."""
    counts = Counter(item.state for item in items)
    return {
        "run": run.pk,
        "advisories": sorted(run.advisories.values_list("key", flat=True)),
        "dry_run": run.dry_run,
        "ended": run.ended_at is not None,
        "states": dict(sorted(counts.items())),
        "items": [item_json(item) for item in items],
    }


def item_json(item: HealItem) -> dict[str, Any]:
    """Return an item as a JSON object."""
    return {
        "id": item.pk,
        "workspace": item.version.environment.workspace.name,
        "environment": item.version.environment.name,
        "version": item.version.version,
        "state": item.state,
        "requirements": [{"before": before, "after": after} for before, after in item.requirements],
        "changes": item.changes,
        "reason": item.reason,
        "rebase": rebase_of(item),
        "published": item.published.version if item.published else None,
        "proposal": item.proposal_id,
    }
