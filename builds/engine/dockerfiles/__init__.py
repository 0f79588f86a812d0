"""Dockerfiles as the engine is given them: every image and address in them judged, and written as it was judged."""
