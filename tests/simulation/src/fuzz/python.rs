use std::io::Write;

use archive::segment::PythonArchive;
use store::testing::MemoryStore;

use super::{options, wait_for};

const BLOCK: usize = 512;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// A file of the Python tool is refused, or consistent: it has as many lines as it says, none
/// longer than it says, and the same lines when read from the middle. The first byte chooses what
/// the rest is: a tar archive whose header checksums are repaired, one as it is, an object, or
/// `current.bin`.
pub fn python(input: &[u8]) {
    let Some((choices, rest)) = input.split_first() else { return };
    let (name, object) = match choices % 4 {
        0 => ("orders/0/20261123-072349.tar.gz", gzip(&repaired(rest))),
        1 => ("orders/0/20261123-072349.tar.gz", gzip(rest)),
        2 => ("orders/0/20261123-072349.tar.gz", rest.to_vec()),
        _ => ("orders/0/current.bin", rest.to_vec()),
    };
    let store = MemoryStore::new();
    store.overwrite(name, object);
    let Ok(archive) = wait_for(PythonArchive::open(&store, name, options(1))) else { return };
    let lines = lines(&archive, 0);
    assert_eq!(lines.len() as u64, archive.records(), "the archive counts other lines than it has");
    assert!(lines.iter().all(|line| (line.len() as u64) < archive.largest_record() && !line.contains(&b'\n')));
    if choices % 4 == 3 {
        assert_eq!(lines.join(&b'\n'), rest.strip_suffix(b"\n").unwrap_or(rest), "lines are lost or changed");
    }
    let middle = lines.len() / 2;
    assert_eq!(self::lines(&archive, middle as u64), lines[middle..], "read from the middle");
}

fn lines(archive: &PythonArchive, from: u64) -> Vec<Vec<u8>> {
    let mut records = archive.records_from(from).expect("what was opened can be read");
    let mut lines = Vec::new();
    while let Some(record) = records.next().expect("what was opened can be read") {
        assert_eq!(record.offset, from as i64 + lines.len() as i64);
        lines.push(record.value.expect("a line is a value").to_vec());
    }
    lines
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(content).expect("memory takes everything");
    gzip.finish().expect("memory takes everything")
}

/// The archive with the right checksum in each header.
fn repaired(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + BLOCK) {
        if block.iter().any(|byte| *byte != 0) {
            block[CHECKSUM].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let digits = String::from_utf8_lossy(&block[SIZE]).trim_matches([' ', '\0']).to_owned();
        let size = usize::from_str_radix(&digits, 8).unwrap_or(0).min(tar.len());
        at += BLOCK + size.next_multiple_of(BLOCK);
    }
    tar
}
