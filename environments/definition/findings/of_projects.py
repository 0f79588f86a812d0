"""The findings about projects and their locks: pixi, uv, poetry, pdm, Pipenv, pyproject.toml."""

from __future__ import annotations

from environments.definition.findings.finding import Entry

OF_PROJECTS = (
    Entry("selection-unknown", "error", "Not part of the project", "the project has no {kind} named {what!r}",
          "Only what the project defines can be read from it.", "Choose among: {known}."),
    Entry("project-empty", "error", "Project that requests no packages", "{what} requests no packages",
          "An image without packages is the base image itself.",
          "Choose an extra, group or environment that requests packages, or give the file that lists them."),
    Entry("project-parts", "note", "One part of the project", "{what} is read; the project also has {others}",
          "A project may hold several environments, extras and groups; an image has one set of packages.",
          "Choose others if the image needs them."),
    Entry("project-python", "note", "Python version of the project", "the project is for Python {what}",
          "The base image brings the Python; a build stops if it brings another.",
          "Choose a base image with such a Python."),
    Entry("project-platform", "warning", "Project for other platforms", "the project is not for {what}, but for {known}",
          "Images are built for Linux; packages of other platforms may have no version for it.",
          "Add {what} to the platforms of the project."),
    Entry("project-setting", "warning", "Setting without effect", "{what} has no effect on the image: {why}",
          "Some settings are obeyed by the project's own tool only.",
          "Nothing, or write in a Dockerfile what the image needs."),
    Entry("lock-stale", "error", "Outdated lock", "{lock} does not match {manifest}: {why}",
          "A lock is a promise about what is installed, and this lock promises something else than the project requests.",
          "Run `{command}` in the project and give the new lock, or have the versions solved again."),
    Entry("lock-uncovered", "error", "Platform that the lock does not cover", "{lock} holds nothing for {what}",
          "A lock is exact for the platforms and Python versions that it was made for, and says nothing about others.",
          "Add the platform to the project and lock it again, or have the versions solved again."),
    Entry("lock-unread", "note", "Lock that is not read", "{lock} is not read: {why}",
          "Without the lock, versions are solved when the image is built.",
          "Give the folder or the lock for its exact versions."),
    Entry("sources-disagree", "warning", "Files that disagree", "{what}: {first} has {one}, {second} has {other}",
          "Two files of the folder request different versions, and only one of them is read.",
          "Make them agree, or remove the one that is out of date."),
)  # fmt: skip
