"""The definition behind the one button of an empty workspace: small, pinned, and built for real."""

FIRST_NAME = "first-environment"
FIRST_DEFINITION = """\
# A first environment: two small packages, pinned.
packaging==24.2
tabulate==0.9.0
"""
