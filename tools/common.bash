# What the scripts in tools/ share. Sourced, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Programs from PyPI and single binaries from Debian packages live here; nothing of it is committed.
# shellcheck disable=SC2034
cache="$root/.cache"
export PATH="$PATH:/usr/sbin:/sbin"

# Every script answers --help with the comment that it begins with.
case "${1:-}" in
    -h | --help)
        sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
esac

say() { printf '%s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Runs a command as root: at once, through sudo, or not at all, with a sentence that says what to do.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root and there is no sudo; run it yourself: $*"
    fi
}

# Installs the Debian packages of the list that are missing. Starts none of their services.
apt_install() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed \
            || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        fail "not root, and there is no sudo. As root, once: apt-get install ${missing[*]}"
    fi
    say "Installing: ${missing[*]}"
    # A service that Debian starts by itself would take ports 22, 80 and 5432 of this machine.
    local policy=/usr/sbin/policy-rc.d guarded=no
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        guarded=yes
    fi
    local status=0
    {
        as_root apt-get update -qq \
            && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
                -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}"
    } </dev/null >&2 || status=$?
    if [ "$guarded" = yes ]; then as_root rm -f "$policy"; fi
    [ "$status" -eq 0 ] || fail "apt-get could not install: ${missing[*]}"
}

# Ends the process whose id is in a file, if it still is the program that wrote it there.
#   stop_process PIDFILE WORD-IN-ITS-COMMAND-LINE
stop_process() {
    local file=$1 word=$2 pid
    [ -f "$file" ] || return 0
    pid=$(head -n 1 "$file" | tr -dc 0-9)
    if [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$word"; then
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$file"
}

# Whether nothing listens on a port of the loopback interface.
port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The first free port from the one given on.
free_port() {
    local port=$1
    until port_is_free "$port"; do port=$((port + 1)); done
    printf '%s\n' "$port"
}
