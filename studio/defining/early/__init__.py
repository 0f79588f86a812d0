"""Report the obstacles of a build while a definition is written; nothing here waits for a network."""

from studio.defining.early.assemble import Early, early_findings, early_findings_within

__all__ = ["Early", "early_findings", "early_findings_within"]
