//! The object in other tools.

use std::io::Read;

use super::*;

/// Unpacks with a gzip reader and a tar reader that do not know segments.
fn unpack(object: &[u8], zstd: bool) -> Vec<(String, u32, u64, Vec<u8>)> {
    let stream: Box<dyn Read + '_> =
        if zstd { Box::new(zstd::stream::Decoder::new(object).unwrap()) } else { Box::new(flate2::read::MultiGzDecoder::new(object)) };
    let mut archive = tar::Archive::new(stream);
    let mut entries = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        assert_eq!(header.entry_type(), tar::EntryType::Regular);
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        entries.push((name, header.mode().unwrap(), header.mtime().unwrap(), content));
    }
    let mut rest = Vec::new();
    archive.into_inner().read_to_end(&mut rest).unwrap();
    assert!(rest.iter().all(|byte| *byte == 0), "nothing but the end follows the log");
    entries
}

#[tokio::test]
async fn any_tar_opens_a_segment() {
    for (compression, zstd) in [(GZIP, false), (Compression::Gzip(12), false), (Compression::Zstd(3), true)] {
        let segment = write(spec(100, compression), 1, &large_records(25), 200).await;
        let entries = unpack(&segment.body.to_bytes(), zstd);
        let [(first, mode, modified, manifest), (second, _, _, log)] = entries.as_slice() else { panic!("two entries") };
        assert_eq!((first.as_str(), second.as_str()), ("manifest.json", "00000000000000000100.log"));
        assert_eq!((*mode, *modified), (0o644, 1_795_418_641));
        assert_eq!(serde_json::from_slice::<Manifest>(manifest).unwrap(), segment.manifest);
        assert_eq!(log.len() as u64, segment.manifest.log_bytes);
        assert_eq!(check_batches(log).unwrap().records, 25);
    }
}

#[tokio::test]
async fn every_log_size_ends_on_a_block() {
    for len in 400..=560 {
        let segment = write(spec(100, GZIP), 1, &[Owned::new(100, vec![0; len])], 101).await;
        assert_eq!(unpack(&segment.body.to_bytes(), false).len(), 2);
    }
}
