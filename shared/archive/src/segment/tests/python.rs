//! The archives of the Python tool: those that it really wrote, and those that no program should
//! have written.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use store::testing::MemoryStore;

use super::*;

const ARCHIVE: &str = "orders/0/20261123-072349.tar.gz";

async fn read_lines(store: &MemoryStore, name: &str, from: u64) -> crate::Result<Vec<Vec<u8>>> {
    let archive = PythonArchive::open(store, name, options(2)).await?;
    let mut records = archive.records_from(from)?;
    let mut values = Vec::new();
    while let Some(record) = records.next()? {
        assert_eq!(
            (record.offset, record.key, record.timestamp, record.headers.len()),
            ((from as usize + values.len()) as i64, None, -1, 0)
        );
        values.push(record.value.unwrap().to_vec());
    }
    assert_eq!(from.min(archive.records()) + values.len() as u64, archive.records());
    Ok(values)
}

fn samples() -> MemoryStore {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/python-archives");
    let store = MemoryStore::new();
    for partition in fs::read_dir(root.join("orders")).unwrap() {
        for file in fs::read_dir(partition.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            store.overwrite(name, fs::read(&path).unwrap());
        }
    }
    store
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

/// An archive with these entries, names unchanged.
fn archive(entries: &[(tar::EntryType, &[u8], &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

async fn refusal(object: Vec<u8>) -> (SegmentErrorKind, String) {
    let store = MemoryStore::new();
    store.overwrite(ARCHIVE, object);
    match read_lines(&store, ARCHIVE, 0).await {
        Err(crate::Error::Segment(error)) => (error.kind, error.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_samples_hold_every_order_once() {
    let store = samples();
    let (mut archives, mut loose, mut orders) = (0, 0, BTreeSet::new());
    for name in store.snapshot().keys() {
        let Some(kind) = PythonName::parse(crate::catalog::names::file_name(name)) else { continue };
        let values = read_lines(&store, name, 0).await.unwrap();
        match kind {
            PythonName::Archive(_) => archives += values.len(),
            PythonName::Current => loose += values.len(),
        }
        for value in values {
            let order: serde_json::Value = serde_json::from_slice(&value).unwrap();
            assert!(orders.insert(order["order"].as_u64().unwrap()));
        }
    }
    assert_eq!((archives, loose), (549, 71));
    assert!(orders.into_iter().eq(0..620));
}

#[tokio::test]
async fn reading_can_begin_at_any_line() {
    let store = samples();
    let all = read_lines(&store, ARCHIVE, 0).await.unwrap();
    for from in [1, 49, 50, 51] {
        let wanted = all.get(from as usize..).unwrap_or_default();
        assert_eq!(read_lines(&store, ARCHIVE, from).await.unwrap(), wanted);
    }
    let archive = PythonArchive::open(&store, ARCHIVE, options(1)).await.unwrap();
    assert_eq!((archive.sidecar(), archive.records()), (Sidecar::Matches, 50));
    assert!((61 + 50..61 + 50 + 20).contains(&archive.largest_record()));
}

#[tokio::test]
async fn every_flipped_byte_and_every_truncation_is_found() {
    let store = samples();
    let object = store.snapshot()[ARCHIVE].clone();
    for at in 0..object.len() {
        let mut damaged = object.to_vec();
        damaged[at] ^= 0x01;
        store.overwrite(ARCHIVE, damaged);
        let error = read_lines(&store, ARCHIVE, 0).await.expect_err(&format!("byte {at}"));
        assert!(matches!(&error, crate::Error::Segment(e) if e.kind == SegmentErrorKind::ChecksumMismatch), "{error}");
        store.overwrite(ARCHIVE, object.slice(..at));
        assert!(read_lines(&store, ARCHIVE, 0).await.is_err(), "cut at {at}");
        assert!(refusal(object[..at].to_vec()).await.1.contains(ARCHIVE), "cut at {at}, without a sidecar");
    }
}

#[tokio::test]
async fn lines_are_values_as_they_stand() {
    let store = MemoryStore::new();
    let name = "orders/0/current.bin";
    let long = "x".repeat(200_000);
    for (content, wanted) in [
        ("", vec![]),
        ("\n", vec![""]),
        ("a", vec!["a"]),
        ("a\n\r\n \n\nb", vec!["a", "\r", " ", "", "b"]),
        (format!("{long}\n{long}").as_str(), vec![long.as_str(), long.as_str()]),
    ] {
        let wanted: Vec<_> = wanted.into_iter().map(|line| line.as_bytes().to_vec()).collect();
        store.overwrite(name, content.to_owned());
        assert_eq!(read_lines(&store, name, 0).await.unwrap(), wanted);
        store.overwrite(ARCHIVE, archive(&[(tar::EntryType::Regular, b"20261123-072349.bin", content.as_bytes())]));
        assert_eq!(read_lines(&store, ARCHIVE, 0).await.unwrap(), wanted);
    }
    let archive = PythonArchive::open(&store, ARCHIVE, options(1)).await.unwrap();
    assert_eq!(archive.sidecar(), Sidecar::Missing);
}

#[tokio::test]
async fn archives_that_the_tool_does_not_write_are_refused_by_name() {
    use tar::EntryType as Kind;
    let value = &b"value\n"[..];
    let long = [b"../".repeat(60), b"etc/passwd\0".to_vec()].concat();
    let hostile: &[(&str, Vec<u8>, &str)] = &[
        ("a path up", archive(&[(Kind::Regular, b"../x.bin", value)]), "../x.bin"),
        ("a path up inside", archive(&[(Kind::Regular, b"a/../../x.bin", value)]), "a/../../x.bin"),
        ("an absolute path", archive(&[(Kind::Regular, b"/etc/passwd", value)]), "/etc/passwd"),
        ("a symbolic link", archive(&[(Kind::Symlink, b"x.bin", b"")]), "Symlink"),
        ("a hard link", archive(&[(Kind::Link, b"x.bin", b"")]), "Link"),
        ("a folder", archive(&[(Kind::Directory, b"folder/", b"")]), "folder/"),
        ("a folder in disguise", archive(&[(Kind::Regular, b"folder/", b"")]), "folder/"),
        ("a device", archive(&[(Kind::Char, b"tty", b"")]), "tty"),
        ("a sparse file", archive(&[(Kind::GNUSparse, b"x.bin", b"")]), "x.bin"),
        ("two files", archive(&[(Kind::Regular, b"a.bin", value), (Kind::Regular, b"b.bin", value)]), "b.bin"),
        ("no file", archive(&[]), "no file"),
        ("no name", archive(&[(Kind::Regular, b"", value)]), "\"\""),
        ("a long path up", archive(&[(Kind::GNULongName, b"././@LongLink", &long), (Kind::Regular, b"a.bin", value)]), "etc/passwd"),
        ("an extended path up", archive(&[(Kind::XHeader, b"h", b"17 path=../x.bin\n"), (Kind::Regular, b"a", value)]), "../x.bin"),
        ("an extended size", archive(&[(Kind::XHeader, b"h", b"9 size=1\n"), (Kind::Regular, b"a", value)]), "size"),
        ("a large extended header", archive(&[(Kind::XHeader, b"h", &[b'x'; 100_000]), (Kind::Regular, b"a", value)]), "extended header"),
        ("no gzip", b"value\n".to_vec(), "unpacked"),
        ("no tar", gzip(&[b'x'; 2000]), "unpacked"),
        ("a cut tar", gzip(&flate2_content(&archive(&[(Kind::Regular, b"a", &[b'x'; 2000])]))[..1500]), "ends 1012 bytes before"),
        (
            "more behind the end",
            gzip(&[&flate2_content(&archive(&[(Kind::Regular, b"a", value)]))[..], b"more"].concat()),
            "data after the end",
        ),
    ];
    for (name, object, named) in hostile {
        let (kind, what) = refusal(object.clone()).await;
        assert_eq!(kind, SegmentErrorKind::Damaged, "{name}: {what}");
        assert!(what.contains(named), "{name}: {what}");
    }
    let many = vec![(Kind::XHeader, &b"h"[..], &b"9 path=a\n"[..]); 20];
    assert!(refusal(archive(&many)).await.1.contains("not a regular file"));
}

fn flate2_content(gzip: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(gzip), &mut content).unwrap();
    content
}

#[tokio::test]
async fn limits_are_kept_before_memory_is_taken() {
    let store = MemoryStore::new();
    store.overwrite(ARCHIVE, archive(&[(tar::EntryType::Regular, b"a.bin", &vec![b'x'; 3 << 20])]));
    let size = store.snapshot()[ARCHIVE].len() as u64;
    for (limits, named) in [
        (ReadOptions { largest_archive: size - 1, ..options(1) }, "it has"),
        (ReadOptions { largest_unpacked: (3 << 20) - 1, ..options(1) }, "a.bin"),
        (ReadOptions { largest_record: (3 << 20) - 1, ..options(1) }, "a line has"),
    ] {
        let Err(crate::Error::Segment(error)) = PythonArchive::open(&store, ARCHIVE, limits).await else { panic!("{named}") };
        assert_eq!(error.kind, SegmentErrorKind::TooLarge);
        assert!(error.what.contains(named), "{error}");
    }
}

#[test]
fn names_are_recognised() {
    assert_eq!(PythonName::parse("20261123-072403.tar.gz"), Some(PythonName::Archive("20261123-072403".to_owned())));
    assert_eq!(PythonName::parse("current.bin"), Some(PythonName::Current));
    assert!(PythonName::parse("20261123-072403.tar.gz") < PythonName::parse("current.bin"));
    for other in
        ["20261123-072403.tar.gz.sha256", "20261323-072403.tar.gz", "2026112-3072403.tar.gz", "00000000000000000042.tar.gz", "checkpoint"]
    {
        assert_eq!(PythonName::parse(other), None, "{other}");
    }
}
