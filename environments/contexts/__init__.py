"""Uploads: files that clients send before they save a version whose build context they are.

- `names`: names of files, and what is refused
- `uploads`: the service: receive files and blocks, within limits, and forget what is old
- `folder`: an upload as a folder that definitions are read from
- `sweep`: delete files that nothing needs
"""
