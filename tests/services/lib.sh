# shellcheck shell=bash
# Shared by the scripts in this folder. Sourced, never run.
set -euo pipefail

# shellcheck disable=SC2034 # of the scripts that read this file
services=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TEST_SERVICES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-backup-services}

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# need COMMAND…: says which of the commands is missing.
need() {
  local command
  for command; do
    command -v "$command" >/dev/null || fail "needs the command '$command'; CONTRIBUTING.md lists what to install"
  done
}

# install_once NAME COMMAND…: makes the folder $cache/NAME by running COMMAND with an empty folder as its last argument. The folder appears
# only when it is whole, so an interrupted installation is simply done again; of two at the same time, one waits for the other.
install_once() {
  local target=$cache/$1 temporary
  shift
  [[ -d $target ]] && return
  need flock
  mkdir -p "$cache"
  (
    flock 9
    [[ -d $target ]] && exit
    temporary=$(mktemp -d "$target.XXXXXX")
    trap 'rm -rf "$temporary"' EXIT
    echo "installing $(basename "$target")" >&2
    "$@" "$temporary" >&2
    chmod 755 "$temporary"
    mv "$temporary" "$target"
  ) 9>"$target.lock"
}

# free_port: a port of 127.0.0.1 on which nothing listens, below the range from which systems hand out ports of their own.
free_port() {
  local port
  while port=$((20000 + SRANDOM % 12000)); do
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# launch DIR COMMAND…: starts a server in a session of its own, so that Ctrl-C in a terminal reaches the tests first. Its pid and its
# output go into DIR.
launch() {
  local dir=$1
  shift
  setsid "$@" </dev/null >>"$dir/log" 2>&1 &
  echo $! >"$dir/pid"
}

# wait_until DIR SECONDS COMMAND…: until COMMAND succeeds. Fails, with the server's last words, when the server ends or time is up.
wait_until() {
  local dir=$1 left=$(($2 * 5))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$(<"$dir/pid")" 2>/dev/null || ((left-- == 0)); then
      tail -n 30 "$dir/log" >&2
      fail "the server in $dir did not start"
    fi
    sleep 0.2
  done
}

# end DIR: kills the server that was launched with DIR and waits until it is gone. Its data is thrown away, so nothing is asked of it.
end() {
  local pid
  [[ -f $1/pid ]] || return 0
  pid=$(<"$1/pid")
  kill -KILL "$pid" 2>/dev/null || true
  while [[ -d /proc/$pid && $(ps -o stat= -p "$pid") != Z* ]]; do sleep 0.05; done
  rm -f "$1/pid"
}

# declare_env DIR NAME=VALUE…: what a test needs to know, as a file to be sourced.
declare_env() {
  local dir=$1 pair
  shift
  for pair; do printf 'export %s=%q\n' "${pair%%=*}" "${pair#*=}"; done >"$dir/env"
}
