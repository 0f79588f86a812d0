"""Upgrades: the smallest edits of a definition's texts after which packages are at least as new as requested."""

from environments.definition.upgrades.raising import NotRaised
from environments.definition.upgrades.texts import CannotUpgrade, Change, Upgrade, Upgraded, upgraded

__all__ = ["CannotUpgrade", "Change", "NotRaised", "Upgrade", "Upgraded", "upgraded"]
