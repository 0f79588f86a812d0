"""Child processes that foreign data cannot make reach, write or use more than they were given.

A child is confined before its program starts: by Landlock (files, ports, signals), seccomp (system calls that no
installer needs), resource limits, and without capabilities and secrets. `support()` says what this machine can do.
"""
