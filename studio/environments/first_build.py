"""The small, pinned definition that an empty workspace offers to build."""

FIRST_NAME = "first-environment"
FIRST_DEFINITION = """\
# A first environment: two small packages, pinned.
packaging==24.2
tabulate==0.9.0
"""
