"""The program behind a request, by the `User-Agent` that browsers and tools send."""

from __future__ import annotations

import pytest

from environments.audit.agents import MAX_NAME, program_of

MOZILLA = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"


@pytest.mark.parametrize(
    ("agent", "name", "system"),
    [
        (f"{MOZILLA} Chrome/126.0.0.0 Safari/537.36", "Chrome", "Linux"),
        (f"{MOZILLA} HeadlessChrome/126.0.0.0 Safari/537.36", "Chrome", "Linux"),
        (f"{WINDOWS} AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0", "Edge", "Windows"),
        (f"{WINDOWS} AppleWebKit/537.36 Chrome/125.0 Safari/537.36 OPR/111.0", "Opera", "Windows"),
        (f"{MAC} Version/17.5 Safari/605.1.15", "Safari", "macOS"),
        (f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1", "Safari", "iOS"),
        (f"{IPHONE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1", "Chrome", "iOS"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0", "Firefox", "Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox", "Linux"),
        ("curl/8.5.0", "curl 8.5.0", ""),
        ("python-requests/2.32.3", "Python requests 2.32.3", ""),
        ("python-httpx/0.27.0", "Python httpx 0.27.0", ""),
        ("Python-urllib/3.11", "Python urllib 3.11", ""),
        ("azsdk-python-mgmt-machinelearningservices/0.1.0 Python/3.11.7", "Azure SDK for Python 0.1.0", ""),
        ("docker/26.1.4 go/go1.21.11 git-commit/de5c9cf kernel/6.1", "Docker 26.1.4", ""),
        ("containers/5.30.1 (github.com/containers/image)", "Podman or skopeo 5.30.1", ""),
        ("manage.py workspace", "manage.py workspace", ""),
        ("", "", ""),
        ("Mozilla/5.0", "Mozilla/5.0", ""),
    ],
)
def test_browsers_and_tools_have_the_name_that_people_call_them(agent: str, name: str, system: str) -> None:
    assert (program_of(agent).name, program_of(agent).system) == (name, system)


@pytest.mark.parametrize(
    "agent", ["<script>" * 50, "Mozilla/5.0 " + "(" * 190, "x" * 100_000, "curl/" + "." * 300]
)
def test_a_hostile_one_is_cut(agent: str) -> None:
    assert len(program_of(agent).name) <= max(MAX_NAME, len("Podman or skopeo ") + 200)
