#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use std::{env, thread};

use tempfile::TempDir;

use super::*;
use crate::PrefixStore;
use crate::testing::{Delete, Under, conformance};

fn store() -> (TempDir, FolderStore) {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::open(root.path());
    (root, store)
}

fn body(text: &'static str) -> Body {
    Bytes::from_static(text.as_bytes()).into()
}

/// What is left of unfinished writes, except the lock.
fn temporary_files(root: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(root.path().join(PRIVATE)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name != "lock").collect()
}

async fn conformance(store: Arc<dyn ObjectStore>, delete: Arc<dyn Delete>) {
    conformance::run(store, delete, "conformance").await.unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let (root, store) = store();
    let store = Arc::new(store);
    conformance(store.clone(), store).await;
    assert_eq!(temporary_files(&root), [""; 0]);
    assert!(!root.path().join("conformance").exists(), "folders without objects are gone");
}

#[tokio::test]
async fn conforms_under_a_prefix() {
    let (_root, store) = store();
    let store = Arc::new(store);
    conformance(PrefixStore::wrap(store.clone(), "backups/x"), Arc::new(Under(store, "backups/x"))).await;
}

/// A busy neighbour is distinguished from a file system that does not respond.
#[tokio::test]
async fn a_lock_that_another_holds_is_told_as_such() {
    let (root, store) = store();
    let _held = write::lock(root.path(), 1).unwrap();
    let failed = store.blocking("x", |root, _| write::lock(root, 1).map(drop)).await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::Unavailable);
    assert!(failed.what.contains("another process") && failed.what.contains("lock"), "{failed}");
}

#[tokio::test]
async fn a_folder_that_is_missing_is_made_by_no_write() {
    let parent = tempfile::tempdir().unwrap();
    let store = FolderStore::open(parent.path().join("a/b"));
    let failed = [
        store.get("x").await.unwrap_err(),
        store.list("", "", 1).await.unwrap_err(),
        store.folders("").await.unwrap_err(),
        store.create("x", body("1")).await.unwrap_err(),
    ];
    for failed in failed {
        assert!(failed.kind == StoreErrorKind::NoBucket && failed.what.contains("mkdir -p"), "{failed}");
    }
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0, "its volume may not be mounted");
    fs::create_dir_all(parent.path().join("a/b")).unwrap();
    store.create("x", body("1")).await.unwrap();
    assert_eq!(fs::read(parent.path().join("a/b/x")).unwrap(), b"1");
    assert_eq!(store.folders("").await.unwrap(), [""; 0], "the folder of unfinished files is not shown");
    assert_eq!(store.list("", "", 9).await.unwrap().objects.len(), 1);
}

#[tokio::test]
async fn a_file_is_no_root() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let store = FolderStore::open(file.path());
    assert_eq!(store.get("x").await.unwrap_err().kind, StoreErrorKind::NoBucket);
    assert_eq!(store.create("x", body("1")).await.unwrap_err().kind, StoreErrorKind::NoBucket);
}

#[tokio::test]
async fn unfinished_files_cannot_be_named() {
    let (_root, store) = store();
    assert_eq!(store.create(".@tmp/x", body("1")).await.unwrap_err().kind, StoreErrorKind::BadName);
    assert_eq!(store.delete(".@tmp/lock").await.unwrap_err().kind, StoreErrorKind::BadName);
    let too_long = "x".repeat(256);
    assert_eq!(store.create(&too_long, body("1")).await.unwrap_err().kind, StoreErrorKind::BadName);
}

#[tokio::test]
async fn no_symbolic_link_leads_out() {
    let (root, store) = store();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    store.create("orders/0/1", body("1")).await.unwrap();
    symlink(outside.path(), root.path().join("linked")).unwrap();
    symlink(outside.path().join("secret"), root.path().join("orders/0/2")).unwrap();
    for name in ["linked/secret", "orders/0/2"] {
        let failed = store.get(name).await.unwrap_err();
        assert_eq!(failed.kind, StoreErrorKind::BadName);
        assert!(failed.what.contains("symbolic link"), "{failed}");
    }
    assert_eq!(store.create("linked/new", body("1")).await.unwrap_err().kind, StoreErrorKind::BadName);
    assert_eq!(store.create("orders/0/2", body("1")).await.unwrap_err().kind, StoreErrorKind::AlreadyExists);
    let listed: Vec<String> = store.list("", "", 9).await.unwrap().objects.into_iter().map(|object| object.name).collect();
    assert_eq!(listed, ["orders/0/1"]);
    assert_eq!(store.folders("").await.unwrap(), ["orders"]);
    store.delete("orders/0/2").await.unwrap();
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"x");
}

#[tokio::test]
async fn a_pipe_is_no_object() {
    let (root, store) = store();
    assert!(Command::new("mkfifo").arg(root.path().join("pipe")).status().unwrap().success());
    assert_eq!(store.get("pipe").await.unwrap_err().kind, StoreErrorKind::NotFound);
    assert_eq!(store.list("", "", 9).await.unwrap().objects, []);
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed_after_a_day() {
    let (root, store) = store();
    store.create("x", body("1")).await.unwrap();
    let private = root.path().join(PRIVATE);
    for (name, hours) in [("old", 25), ("young", 23), ("lock", 25)] {
        let file = fs::File::create(private.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
    }
    FolderStore::open(root.path()).create("y", body("2")).await.unwrap();
    assert_eq!(temporary_files(&root), ["young"]);
    assert!(private.join("lock").exists());
}

#[tokio::test]
async fn a_large_object_has_a_version_of_its_own() {
    let (_root, store) = store();
    let large: Bytes = vec![7; 3 << 20].into();
    let first = store.create("a", large.clone().into()).await.unwrap();
    let second = store.create("b", large.clone().into()).await.unwrap();
    assert_ne!(first, second, "two files of the same content");
    assert_eq!(store.get_range("a", 5..6).await.unwrap().version, first);
    let third = store.replace("a", large.clone(), &first).await.unwrap();
    assert_eq!(store.replace("a", large, &first).await.unwrap_err().kind, StoreErrorKind::Changed);
    assert_eq!(store.get("a").await.unwrap().version, third);
}

#[test]
fn a_full_disk_is_named() {
    let failed = store().1.explain("x", io::Error::from(Errno::NOSPC));
    assert!(failed.to_string().contains("disk is full"), "{failed}");
}

/// The root that a process started by [`start`] works on.
const ROOT: &str = "FOLDER_STORE_TEST_ROOT";

/// Starts one of the tests below that do nothing except in their own process.
fn start(test: &str, root: &TempDir) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("folder::tests::{test}")]).env(ROOT, root.path());
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// The content of the object `name`: several pages of it, so that a part of it is distinguishable
/// from the whole.
fn content(name: &str) -> Bytes {
    name.repeat(20_000).into()
}

#[tokio::test]
async fn write_until_killed() {
    let Some(root) = env::var_os(ROOT) else { return };
    let store = FolderStore::open(root);
    for number in 0u64.. {
        let name = format!("topic/{}/{number:020}", number % 7);
        match store.create(&name, content(&name).into()).await {
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => {}
            done => drop(done.unwrap()),
        }
    }
}

#[tokio::test]
async fn killed_writers_leave_whole_objects() {
    let (root, store) = store();
    for round in 0..15 {
        let mut writers = [start("write_until_killed", &root), start("write_until_killed", &root)];
        thread::sleep(Duration::from_millis(20 + 7 * round));
        for writer in &mut writers {
            writer.kill().unwrap();
            writer.wait().unwrap();
        }
    }
    // However slow this machine is, one writer is left until there is something to see.
    let mut writer = start("write_until_killed", &root);
    while !root.path().join("topic/6").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    writer.kill().unwrap();
    writer.wait().unwrap();

    let listed = store.list("", "", 1_000_000).await.unwrap().objects;
    assert!(listed.len() > 6);
    for object in listed {
        assert!(store.get(&object.name).await.unwrap().body == content(&object.name), "{} is not whole", object.name);
    }
}

/// How often each of four processes adds one.
const ADDED: u64 = 25;

#[tokio::test]
async fn add_to_the_counter() {
    let Some(root) = env::var_os(ROOT) else { return };
    let store = FolderStore::open(root);
    let mut added = 0;
    while added < ADDED {
        let counter = store.get("counter").await.unwrap();
        let sum: u64 = std::str::from_utf8(&counter.body).unwrap().parse().unwrap();
        match store.replace("counter", (sum + 1).to_string().into(), &counter.version).await {
            Err(error) if error.kind == StoreErrorKind::Changed => {}
            done => {
                done.unwrap();
                added += 1;
            }
        }
    }
}

#[tokio::test]
async fn processes_replace_one_at_a_time() {
    let (root, store) = store();
    store.create("counter", body("0")).await.unwrap();
    let mut adding: Vec<Child> = (0..4).map(|_| start("add_to_the_counter", &root)).collect();
    assert!(adding.iter_mut().all(|process| process.wait().unwrap().success()));
    assert_eq!(store.get("counter").await.unwrap().body, (4 * ADDED).to_string());
}
