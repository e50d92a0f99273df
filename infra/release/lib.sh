# shellcheck shell=bash
# What the trials of this folder share; sourced. They need bwrap (Debian: bubblewrap), and Kafka and MinIO from tests/services/with.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$here/../..
work=$(mktemp -d "${TMPDIR:-/tmp}/kafka-backup-release.XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
passed=0

java() { "$top/tests/java/run" "$@"; }
fail() { echo "FAILED: $*" >&2 && exit 1; }

# expect CODE WHAT COMMAND…: the command ends with that exit code; its output is in $work/said.
expect() {
  local wanted=$1 what=$2 code=0
  shift 2
  "$@" >"$work/said" 2>&1 || code=$?
  ((code == wanted)) || { tail -n 20 "$work/said" >&2 && fail "$what: exit code $code, not $wanted"; }
  passed=$((passed + 1))
  echo "ok   $what"
}

# said PATTERN: what the command before printed has it.
said() { grep -qE -e "$1" "$work/said" || { tail -n 20 "$work/said" >&2 && fail "nothing says $1"; }; }

# fill TOPIC: a topic with two partitions and 2,000 records.
fill() {
  java org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" --create --topic "$1" --partitions 2 --config retention.ms=-1 >/dev/null
  java Bulk "$1" 2000 100 >/dev/null
}

# same TOPIC COPY: Kafka's own client reads the same records from both.
same() {
  java Dump "$1" --digest >"$work/source"
  java Dump "$2" --digest >"$work/copy"
  [[ -s $work/source ]] && diff "$work/source" "$work/copy" >&2
}

# contained ROOT [BWRAP OPTION…] -- COMMAND…: as a container does. ROOT is read-only, the command is process 1 and user 65532, has no capability,
# no HOME and nothing in its environment but what options set. It reaches the network of this machine.
contained() {
  local root=$1
  shift
  bwrap --unshare-user --uid 65532 --gid 65532 --unshare-pid --as-pid-1 --unshare-ipc --unshare-uts --cap-drop ALL --die-with-parent --clearenv \
    --ro-bind "$root" / --proc /proc --dev /dev "$@"
}
