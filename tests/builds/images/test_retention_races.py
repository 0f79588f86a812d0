"""A clean-up and somebody who asks for an image at the same moment, on both databases."""

from __future__ import annotations

import datetime
import threading

import pytest
from django.db import connection
from django.utils import timezone

from builds.images.retention import Rule, clean_up
from builds.models import Build, BuildRequest, Image
from builds.queue import requests
from environments.models import Role
from tests.builds.scenarios import image_for, person, save_text, workspace_named

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("either_database")]
LONG_AGO = datetime.timedelta(days=100)


def test_either_the_clean_up_or_the_request_has_the_image() -> None:
    """Ten rounds of both at once: a request that was answered by the image keeps it."""
    olga = person("olga", lab=Role.OWNER)
    lab = workspace_named("lab")
    version = save_text("six==1.0\n")
    save_text("six==2.0\n")
    for _ in range(10):
        BuildRequest.objects.all().delete()
        Build.objects.all().delete()
        Image.objects.all().delete()
        image = image_for(version)
        Image.objects.filter(pk=image.pk).update(used_at=timezone.now() - LONG_AGO)
        start = threading.Barrier(2)
        answers: list[BuildRequest] = []

        def ask(start: threading.Barrier = start, answers: list[BuildRequest] = answers) -> None:
            start.wait(60)
            answers.append(requests.request_build(version))
            connection.close()

        other = threading.Thread(target=ask)
        other.start()
        start.wait(60)
        done = clean_up(lab, Rule(), olga)
        other.join(30)
        (request,) = answers
        assert request.reused == (done.images == 0)
        assert Image.objects.count() == (1 if request.reused else 0)
        assert (request.build is None) == request.reused
