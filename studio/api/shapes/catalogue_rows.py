"""Proposals and deprecations as the API gives them."""

from typing import Any

from builds.models.trial import Trial
from builds.review.evidence import Evidence
from environments.models.catalogue import Deprecation, Proposal
from studio.api.shapes.policy import hit_row
from studio.api.shapes.rows import deprecation, reference


def proposal(row: Proposal) -> dict[str, Any]:
    """Return a proposal, without the evidence on it."""
    return {
        "id": row.pk,
        "version": reference(row.version),
        "name": row.name,
        "new": row.as_new,
        "stage": row.stage,
        "proposed_by": row.proposed_by.get_username() if row.proposed_by else None,
        "proposed_at": row.proposed_at,
        "changed_at": row.changed_at,
        "published": reference(row.published),
        "description": row.description or row.version.description,
        "tags": row.tags or row.version.tags,
    }


def whole_proposal(row: Proposal, evidence: Evidence) -> dict[str, Any]:
    """Return a proposal with its evidence and comments."""
    steps = row.steps.select_related("by", "version__environment__workspace")
    return proposal(row) | {
        "hash": row.version.hash,
        "definition": row.version.definition.model_dump(mode="json"),
        "findings": [finding.as_json() for finding in evidence.findings],
        "image_state": evidence.state,
        "digest": evidence.image.digest if evidence.image else None,
        "size": evidence.image.size if evidence.image else None,
        "grown": evidence.grown,
        "misfits": evidence.conflicts,
        "trial": _trial(evidence),
        "policy": [hit_row(hit) for hit in evidence.policy],
        "confirmations": evidence.confirmations if row.open else [],
        "before": reference(evidence.before),
        "difference": evidence.difference.as_json() if evidence.difference else None,
        "resolved": evidence.resolved.as_json() if evidence.resolved else None,
        "steps": [
            {
                "what": step.action,
                "by": step.by.get_username() if step.by else None,
                "at": step.at,
                "version": reference(step.version),
                "comment": step.comment,
            }
            for step in steps
        ],
    }


def _trial(evidence: Evidence) -> dict[str, Any] | None:
    if evidence.tried is None:
        return None
    row = evidence.trial or Trial()
    return {
        "state": evidence.tried,
        "reason": row.reason,
        "python": row.python,
        "imported": row.imported,
        "problems": row.problems,
        "skipped": row.skipped,
        "ended_at": row.ended_at,
    }


def deprecated(row: Deprecation) -> dict[str, Any]:
    """Return what is deprecated, and that it is."""
    shape = {"environment": row.environment.name, "version": row.version.version if row.version else None}
    return shape | deprecation(row)
