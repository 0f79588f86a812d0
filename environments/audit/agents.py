"""The program behind a request, as people call it, from its `User-Agent`."""

import re
from dataclasses import dataclass

MAX_NAME = 40  # characters that a page shows of a program that is not known

# The first that fits wins: most browsers name others too.
_BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera[ /]"),
    ("Vivaldi", r"Vivaldi/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"(?:Headless)?Chrome/|CriOS/"),
    ("Safari", r"Version/[\d.]+ .*Safari/"),
)
_SYSTEMS = (
    ("Windows", r"Windows"),
    ("Android", r"Android"),
    ("iPadOS", r"iPad"),
    ("iOS", r"iPhone|iPod"),
    ("ChromeOS", r"CrOS"),
    ("macOS", r"Mac OS X|Macintosh"),
    ("Linux", r"Linux|X11"),
)
_PROGRAMS = (
    ("curl", r"curl/([\d.]+)"),
    ("Wget", r"Wget/([\d.]+)"),
    ("HTTPie", r"HTTPie/([\d.]+)"),
    ("Postman", r"PostmanRuntime/([\d.]+)"),
    ("Azure SDK for Python", r"azsdk-python-[\w.-]+/([\d.]+)"),
    ("Python requests", r"python-requests/([\d.]+)"),
    ("Python httpx", r"python-httpx/([\d.]+)"),
    ("Python aiohttp", r"aiohttp/([\d.]+)|Python/[\d.]+ aiohttp/([\d.]+)"),
    ("Python urllib3", r"python-urllib3/([\d.]+)"),
    ("Python urllib", r"Python-urllib/([\d.]+)"),
    ("Docker", r"docker/([\d.]+)"),
    ("containerd", r"containerd/v?([\d.]+)"),
    ("Podman or skopeo", r"containers/([\d.]+)"),
    ("Go", r"Go-http-client/([\d.]+)"),
)


@dataclass(frozen=True)
class Program:
    """A program by its name, with the operating system it runs on; the system is empty where it is not known."""

    name: str
    system: str = ""


def program_of(agent: str) -> Program:
    """Return the program that a `User-Agent` names; for others, the beginning of what they sent."""
    agent = agent[:200]
    if agent.startswith(("Mozilla/", "Opera/")):
        for name, sign in _BROWSERS:
            if re.search(sign, agent):
                return Program(name, _system(agent))
    for name, sign in _PROGRAMS:
        match = re.match(sign, agent, re.IGNORECASE)
        if match:
            return Program(f"{name} {next(filter(None, match.groups()))}")
    return Program(agent if len(agent) <= MAX_NAME else f"{agent[: MAX_NAME - 1]}…")


def _system(agent: str) -> str:
    return next((name for name, sign in _SYSTEMS if re.search(sign, agent)), "")
