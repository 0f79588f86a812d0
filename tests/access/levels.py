"""Levels of access, from everybody to nobody, and the methods of a URL by level."""

from __future__ import annotations

ANYBODY = "anybody"
SIGNED_IN = "signed in"
READER = "reader"
CONTRIBUTOR = "contributor"
OWNER = "owner"
ADMIN = "admin"
RUNS_IT = "whoever runs the studio"  # where no workspace is named
MINE = "whose it is"  # of the person `owner`; for all others it does not exist
NOBODY = "nobody"
SIGNED = "signed"  # by a signature in the query, which nobody has here; tokens and sessions count for nothing
SENT_ON = "sent on"  # signed-in users; for others there is no such method

Methods = dict[str, str]

READ: Methods = {"GET": READER}
DEFINE: Methods = {"POST": CONTRIBUTOR}
MANAGE: Methods = {"POST": OWNER}
READ_DEFINE: Methods = {"GET": CONTRIBUTOR, "POST": CONTRIBUTOR}
