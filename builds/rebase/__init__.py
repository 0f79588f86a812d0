"""Base images in use, and rebases: images that are put on another base without building a package.

`single.rebase` rebases one image; `running` runs what pages and commands request.
"""
