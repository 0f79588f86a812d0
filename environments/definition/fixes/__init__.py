"""Fixes of findings: the edits of a text that mend them, each checked by reading the result."""

from environments.definition.fixes.apply import apply_fix, apply_safe_fixes
from environments.definition.fixes.offer import Pins, Reread, fix_all, with_fixes

__all__ = ["Pins", "Reread", "apply_fix", "apply_safe_fixes", "fix_all", "with_fixes"]
