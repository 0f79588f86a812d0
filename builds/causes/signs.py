"""The lines by which a cause is known where a tool only prints: pip, conda, apt, npm, compilers, shells."""

from __future__ import annotations

import re
from dataclasses import dataclass

from builds.imaging.reporting import Fault


@dataclass(frozen=True)
class Sign:
    """A line that shows a cause. The heaviest line wins, then the earliest.

    One of weight 0 is something that a tool may survive, such as a second try: it counts only where it explains
    the cause that came of it.
    """

    code: str
    pattern: re.Pattern[str]
    weight: int = 2
    explains: frozenset[str] = frozenset()
    fault: Fault | None = None
    help: str = ""


def _sign(
    code: str,
    pattern: str,
    weight: int = 2,
    *,
    explains: str = "",
    fault: Fault | None = None,
    help: str = "",
    case: bool = False,
) -> Sign:
    flags = re.NOFLAG if case else re.IGNORECASE
    return Sign(code, re.compile(pattern, flags), weight, frozenset(explains.split()), fault, help)


def _then(first: str, rest: str) -> str:
    """Return a pattern for `rest` somewhere behind the first `first` of a line, in time linear in the line's length.

    `first.*rest` begins again at each repetition of `first`.
    """
    return rf"(?m:^)(?>.*?{first}).*{rest}"


_NO_NAME = r"temporary failure (?:in name resolution|resolving)|could not resolve|name or service not known"
_NO_WAY = r"network is unreachable|no route to host|connection refused|failed to establish a new connection"
_APT_AWAY = (
    "apt-get could not reach its servers: check the addresses of the sources, and the engine's network."
)

SIGNS = (
    # -- apt without its servers: before the general signs, which its warnings have as well ---------
    _sign(
        "apt-failed",
        rf"^\s*(?:err:\d+ |w: failed to fetch .*(?:{_NO_NAME}|{_NO_WAY})|(?:{_NO_NAME}) ')",
        0,
        explains="apt-failed index-unreachable",
        fault="outside",
        help=_APT_AWAY,
    ),
    # -- the machine -----------------------------------------------------------------------------
    _sign("disk-full", r"no space left on device|disk quota exceeded", 4),
    _sign(
        "out-of-memory",
        r"^\s*killed\s*$|cannot allocate memory|virtual memory exhausted|killed signal terminated program"
        r"|heap out of memory|^\s*memoryerror\b|std::bad_alloc|out of memory allocating",
        3,
    ),
    # -- pip -------------------------------------------------------------------------------------
    _sign("externally-managed", r"^\s*error: externally-managed-environment"),
    _sign("no-matching-distribution", r"no matching distribution found for "),
    _sign("no-matching-distribution", r"could not find a version that satisfies the requirement "),
    _sign("conflict", r"ResolutionImpossible|conflicting dependencies|because these package versions have conflict"),
    _sign("bad-spec", r"invalid requirement|could not open requirements file|InvalidMatchSpec|invalid match ?spec"),
    _sign("index-refused", r"\b40[13] (?:client error|unauthorized|forbidden)|http error 40[13]\b"),
    _sign("index-unreachable", r"http error 5\d\d\b|max retries exceeded with url", 1),
    _sign(
        "index-unreachable",
        _then("warning: retrying ", rf"(?:{_NO_NAME}|{_NO_WAY}|newconnectionerror)"),
        0,
        explains="no-matching-distribution index-unreachable",
    ),
    _sign(
        "timeout",
        _then("warning: retrying ", r"(?:timed out|timeout)"),
        0,
        explains="no-matching-distribution index-unreachable",
    ),
    _sign("timeout", r"read timed out|connection timed out|operation timed out|readtimeouterror", 1),
    _sign("index-unreachable", _NO_NAME, 1),
    _sign("index-unreachable", _NO_WAY, 1),
    # -- conda -----------------------------------------------------------------------------------
    _sign("package-not-found", r"PackagesNotFoundError|nothing provides requested |^\s*[└├]─ \S+ .*does not exist"),
    _sign("conflict", r"LibMambaUnsatisfiableError|UnsatisfiableError|could not solve for environment", 1),
    _sign("index-unreachable", r"CondaHTTPError|CondaSSLError|HTTP 000 CONNECTION FAILED"),
    # -- apt -------------------------------------------------------------------------------------
    _sign("apt-failed", r"^\s*E: ", 2, case=True),
    _sign("apt-failed", r"^\s*ERROR: unable to select packages|returned an error code \(1\)$", 1),
    # -- npm -------------------------------------------------------------------------------------
    _sign("package-not-found", r"npm (?:err!|error) (?:code E404|404 )"),
    _sign("no-matching-distribution", r"npm (?:err!|error) (?:code ETARGET|notarget )"),
    _sign("conflict", r"npm (?:err!|error) (?:code )?ERESOLVE"),
    _sign("index-unreachable", r"npm (?:err!|error) (?:code )?(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET)"),
    _sign("timeout", r"npm (?:err!|error) (?:code )?(?:ETIMEDOUT|ERR_SOCKET_TIMEOUT)"),
    # -- compilers -------------------------------------------------------------------------------
    _sign("compile-failed", _then("fatal error: ", ": no such file or directory")),
    _sign("compile-failed", r"^\s*\S+\.\w+:\d+:(?:\d+:)? (?:fatal )?error: "),
    _sign("compile-failed", r"unknown compiler|can't find rust compiler|no cmake_\w+_compiler|unable to execute '?\S*cc"),
    _sign("compile-failed", r"collect2: error|undefined reference to|cannot find -l\w+|error\[E\d{4}\]"),
    _sign("compile-failed", _then(r"error: command '?(?=\S*(?:g\+\+|cc|clang))\S*+ ", "failed"), 1),
    _sign("compile-failed", "failed building wheel for |no acceptable C compiler found", 1),
    _sign("compile-failed", _then(r"make(?:\[\d+\])?: \*\*\* ", r"error \d"), 1),
    # -- the shell -------------------------------------------------------------------------------
    _sign("missing-command", r"^(?:/\S+/)?(?:ba|da|a|z)?sh:(?: line)?(?: \d+:)? \S+: (?:command )?not found"),
    _sign("missing-command", r"^\S+: line \d+: \S+: (?:command )?not found|^env: .*: no such file"),
    # -- registries ------------------------------------------------------------------------------
    _sign("registry-refused", r"pull access denied|requested access to the resource is denied|unauthorized: "),
    _sign("registry-unreachable", _then("error response from daemon: get ", "(?:dial tcp|timeout|EOF)")),
)  # fmt: skip
