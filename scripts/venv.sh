#!/bin/sh
# Make .venv hold exactly what the named requirements files pin: `PYTHON=python3 sh scripts/venv.sh FILE…`.
# A file that has not changed since it was installed costs nothing.
set -eu

PYTHON=${PYTHON:-python3}

fail() {
    echo "$*" >&2
    exit 1
}

# Debian splits the venv module off; as root we may fetch it.
install_venv_module() {
    if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null; then
        echo "Installing from Debian: python3-venv" >&2
        export DEBIAN_FRONTEND=noninteractive
        { apt-get -qq update && apt-get -qq -y --no-install-recommends install python3 python3-venv; } \
            </dev/null >/dev/null || fail "apt-get could not install python3-venv."
    fi
}

make_venv() {
    command -v "$PYTHON" >/dev/null || install_venv_module
    command -v "$PYTHON" >/dev/null ||
        fail "$PYTHON was not found. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "The studio needs Python 3.11 or newer, but $PYTHON is $("$PYTHON" --version 2>&1). Name a newer one: make PYTHON=/path/to/python3"
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$PYTHON has no venv module. On Debian or Ubuntu: sudo apt-get install python3-venv"
    rm -rf .venv
    "$PYTHON" -m venv .venv || { rm -rf .venv; fail "$PYTHON -m venv .venv failed."; }
}

unchanged() {
    for file in "$@"; do
        cmp -s "$file" ".venv/installed-$file" || return 1
    done
}

# A .venv whose interpreter has gone is made again.
.venv/bin/python -c '' 2>/dev/null || make_venv
unchanged "$@" && exit 0

echo "Installing $* into .venv" >&2
for file in "$@"; do
    set -- "$@" --requirement "$file"
    shift
done
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input "$@" ||
    fail "pip could not install the requirements: see its message above. Then run the same command again."
for word in "$@"; do
    [ "$word" = --requirement ] || cp "$word" ".venv/installed-$word"
done
