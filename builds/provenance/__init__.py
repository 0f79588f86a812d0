"""Proof of what an image is: bills of materials and a signed provenance statement, attached to it as referrers."""
