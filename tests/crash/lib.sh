# shellcheck shell=bash
# Shared by the scripts of this folder. Sourced, never run.
set -euo pipefail
crash=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$crash/../..

work=$(mktemp -d "${TMPDIR:-/tmp}/kafka-backup-crash.XXXXXX")
source_topic=crash-$(basename "$work" | cut -d . -f 2)
keep=$work/keep
trap '[[ -e $keep ]] || rm -rf "$work"' EXIT

java() { "$top/tests/java/run" "$@"; }
topics() { java org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" "$@"; }

# build [OPTION…]: sets LOCAL_RUNNER to a copy of the program, which later builds do not change.
build() {
  # For the whole workspace, so that dependencies keep the features of the test build.
  cargo build --quiet --manifest-path "$top/Cargo.toml" --workspace --bin local-runner "$@"
  LOCAL_RUNNER=$work/local-runner
  cp "${CARGO_TARGET_DIR:-$top/target}/debug/local-runner" "$LOCAL_RUNNER"
}

# configure ROUND STORE BUCKET SEGMENT: its own consumer group, target topic and restore, on 'folder'
# or 'minio'. It has its own bucket if BUCKET is ROUND. SEGMENT records fill a segment.
configure() {
  local common="\"BOOTSTRAP_SERVERS\": \"$KAFKA_BOOTSTRAP_SERVERS\", \"NUMBER_OF_KAFKA_THREADS\": 2"
  case $2 in
    folder) common+=", \"FILESYSTEM_TYPE\": \"LINUX\", \"FILESYSTEM_BACKUP_DIR\": \"$work/$3/bucket\"" ;;
    minio)
      common+=", \"FILESYSTEM_TYPE\": \"MINIO\", \"MINIO_URL\": \"$S3_TEST_ENDPOINT\", \"MINIO_ACCESS_KEY\": \"$S3_TEST_ACCESS_KEY\""
      common+=", \"MINIO_SECRET_KEY\": \"$S3_TEST_SECRET_KEY\", \"BUCKET_NAME\": \"$S3_TEST_BUCKET\", \"STORAGE_PREFIX\": \"$source_topic-$3\""
      ;;
  esac
  mkdir -p "$work/$1/bucket"
  echo "{$common, \"TOPIC_NAMES\": [\"$source_topic\"], \"GROUP_ID\": \"$source_topic-$1\", \"NUMBER_OF_MESSAGE_PER_BACKUP_FILE\": $4," \
    "\"RETRY_UPLOAD_SECONDS\": 1}" >"$work/$1/backup.json"
  # On a folder: a restore of a pattern, which has cuts and ends. On MinIO: a restore of one topic,
  # which follows the backup.
  local what="\"BACKUP_TOPIC_NAME\": \"$source_topic\", \"RESTORE_TOPIC_NAME\": \"$source_topic-$1\""
  [[ $2 != folder ]] || what="\"BACKUP_TOPIC_NAME\": \"$source_topic*\", \"RESTORE_TOPIC_NAME\": \"{topic}-$1\""
  echo "{$common, $what, \"RESTORE_PARTITION_STRATEGY\": \"same\"}" >"$work/$1/restore.json"
}

# run COMMAND ROUND [WRAPPER…]: the program with the configuration of that round, and without
# environment variables that configure it.
run() {
  env -i PATH="$PATH" HOME="$HOME" "${@:3}" "$LOCAL_RUNNER" --json "$1" "$work/$2/$1.json" --until-caught-up \
    >>"$work/$2/$1.out" 2>>"$work/$2/$1.log"
}

# killed COMMAND ROUND [WRAPPER…]: the same in its own shell, whose message about the kill is
# dropped. Prints the exit code.
killed() { (run "$@" || exit $?) 2>/dev/null && echo 0 || echo $?; }

# finish COMMAND ROUND: an undisturbed run to the end.
finish() { run "$1" "$2" || broken "$1 failed" "$2"; }

# verify ROUND
verify() {
  env -i "$LOCAL_RUNNER" verify "$work/$1/backup.json" >>"$work/$1/verify.log" 2>&1 || broken 'verify found damage' "$1"
}

broken() {
  : >"$keep"
  tail -n 20 "$work/$2/"*.log >&2
  echo "round $2: $1; everything is kept in $work" >&2
  exit 1
}
