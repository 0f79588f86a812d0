"""The pages of a workspace's policy, of its rehearsal, and of decisions about advisories."""
