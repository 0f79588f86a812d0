"""Composition: settings, addresses, and what shows both rooms at once."""

from studio.celery import app as celery_app

__all__ = ["celery_app"]
