//! Real archives of the Python tool: every line is restored as a value, in its partition and order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use archive::catalog::Spans;
use end_to_end::kafka::Read;
use end_to_end::record::Bytes;
use end_to_end::runner::{Runner, copy_folder};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/archive/testdata/python-archives")
}

/// The values of a partition as `tar` and `split` see them: the archives by time, then
/// `current.bin`.
fn expected(partition: i32) -> Vec<Vec<u8>> {
    let folder = samples().join(format!("orders/{partition}"));
    let mut archives: Vec<_> = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    archives.retain(|path| path.extension().is_some_and(|extension| extension == "gz"));
    archives.sort_unstable();
    assert_eq!(archives.len(), 4);
    let mut text = Vec::new();
    for archive in archives {
        text.extend(Command::new("tar").arg("xzOf").arg(archive).output().expect("tar is installed").stdout);
    }
    text.extend(fs::read(folder.join("current.bin")).expect("it is there"));
    text.strip_suffix(b"\n").expect("every value ends in a line feed").split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn the_sample_archives_come_back_line_by_line() {
    let Some(kafka) = require_kafka() else { return };
    let target = kafka.create_topic("from-python", 3, &[]);
    // As in the manual's own example for local files: the folder is the topic's, and there is no
    // BACKUP_TOPIC_NAME.
    let runner = Runner::on_folder(&kafka);
    let folder = runner.backups().join("orders");
    copy_folder(&samples().join("orders"), &folder);
    let config = runner.config_of_the_python_tool(&folder, &target);
    runner.restore(&config);
    let restored = kafka.dump(&target, Read::Uncommitted);
    for partition in 0..3 {
        let of_partition = restored.iter().filter(|record| record.partition == partition);
        let values: Vec<_> = of_partition.map(|record| record.value.clone()).collect();
        let lines: Vec<_> = expected(partition).into_iter().map(|line| Some(Bytes(line))).collect();
        assert_eq!(values, lines, "partition {partition}");
    }
    assert_eq!(restored.len(), 207 + 207 + 206);
    assert!(restored.iter().all(|record| record.key.is_none() && record.headers.is_empty()));

    runner.restore(&config);
    assert_eq!(kafka.dump(&target, Read::Uncommitted).len(), restored.len(), "a second run adds nothing");
}

/// A migration from the Python tool: old archives first, then our segments, in one topic's folder.
#[test]
fn old_archives_and_new_segments_in_one_folder() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("orders", 3, &[]);
    kafka.bulk(&topic, 300, 100);
    let runner = Runner::on_folder(&kafka);
    copy_folder(&samples().join("orders"), &runner.backups().join(&topic));
    runner.back_up(&runner.backup_config(&[&topic], json!({})));
    let target = kafka.create_topic("both", 3, &[]);
    runner.restore(&runner.restore_config(&topic, &target, json!({})));
    let restored = kafka.dump(&target, Read::Uncommitted);
    for partition in 0..3 {
        let of_partition: Vec<_> = restored.iter().filter(|record| record.partition == partition).collect();
        let old = expected(partition);
        assert_eq!(of_partition.len(), old.len() + 100);
        let values: Vec<_> = of_partition[..old.len()].iter().filter_map(|record| record.value.clone().map(|value| value.0)).collect();
        assert_eq!(values, old);
        assert!(of_partition[old.len()..].iter().all(|record| record.key.is_some() && record.headers.len() == 2));
        // Lines have no offsets: the checkpoint has only the offset pairs of the segments.
        let checkpoint = runner.backups().join(format!("@restore/{topic}-to-{target}/@progress/{topic}/{partition}.json"));
        let checkpoint: Value = serde_json::from_slice(&fs::read(checkpoint).expect("a checkpoint")).expect("JSON");
        let spans: Spans = serde_json::from_value(checkpoint["spans"].clone()).expect("spans");
        assert_eq!(spans.iter().map(|span| span.count).sum::<i64>(), 100, "{spans}");
        assert!(spans.iter().all(|span| span.count == 0 || span.target >= old.len() as i64), "{spans}");
    }
}
