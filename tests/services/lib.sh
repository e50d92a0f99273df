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

# need COMMAND…: fails with the name of a missing command.
need() {
  local command
  for command; do
    command -v "$command" >/dev/null || fail "needs the command '$command'; CONTRIBUTING.md lists what to install"
  done
}

# install_once NAME COMMAND…: creates the folder $cache/NAME: runs COMMAND with an empty folder as its
# last argument. The folder appears only when it is complete, so an interrupted installation is
# repeated. If two run at the same time, one waits for the other.
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

# free_port: a free port of 127.0.0.1, below the range of ephemeral ports. Returned once in two
# hours: the server that it is for may not listen yet when the next one is drawn.
free_port() {
  local port drawn=${TMPDIR:-/tmp}/kafka-backup-ports.$UID
  mkdir -p "$drawn"
  find "$drawn" -type f -mmin +120 -delete 2>/dev/null || true # another process may delete the same
  while port=$((20000 + SRANDOM % 12000)); do
    (set -C && : >"$drawn/$port") 2>/dev/null || continue
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# launch DIR COMMAND…: starts a server in its own session, so that Ctrl-C in a terminal reaches the
# tests first. Its pid and its output are in DIR.
launch() {
  local dir=$1
  shift
  setsid "$@" </dev/null >>"$dir/log" 2>&1 &
  echo $! >"$dir/pid"
}

# wait_until DIR SECONDS COMMAND…: waits until COMMAND succeeds. If the server ends or at the timeout,
# fails with the end of the server's log.
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

# end DIR: kills the server that was launched with DIR and waits until it has ended. Its data is
# deleted, so it needs no clean shutdown.
end() {
  local pid
  [[ -f $1/pid ]] || return 0
  pid=$(<"$1/pid")
  kill -KILL "$pid" 2>/dev/null || true
  while [[ -d /proc/$pid && $(ps -o stat= -p "$pid") != Z* ]]; do sleep 0.05; done
  rm -f "$1/pid"
}

# declare_env DIR NAME=VALUE…: writes the variables for tests into a file to source.
declare_env() {
  local dir=$1 pair
  shift
  for pair; do printf 'export %s=%q\n' "${pair%%=*}" "${pair#*=}"; done >"$dir/env"
}
