use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Outcome, Room, ensure, small, text};

/// In byte order, which is neither that of a folder's entries nor that of a language.
const ORDERED: [&str; 12] = ["A", "a b/0", "a+", "a-1/0", "a.b", "a/0", "a/b/c", "a/b0", "a0", "a@2/topic.json", "aa/0", "z/ä"];

pub(super) async fn names_come_in_byte_order(room: &Room) -> Outcome {
    let mut shuffled = ORDERED;
    shuffled.reverse();
    shuffled.swap(2, 9);
    room.put_all(&shuffled).await?;
    let (names, more) = room.page("", "", 1000).await?;
    ensure!(names == ORDERED && !more, "listed {names:?}, more: {more}");
    let page = room.store.list(&room.base, "", 1000).await.map_err(text)?;
    for object in page.objects {
        let size = (object.name.len() - room.base.len()) as u64;
        ensure!(object.size == size, "{} has {size} bytes, listed with {}", object.name, object.size);
    }
    Ok(())
}

pub(super) async fn pages_follow_each_other(room: &Room) -> Outcome {
    room.put_all(&ORDERED).await?;
    for limit in [1, 2, 5, ORDERED.len() - 1, ORDERED.len(), ORDERED.len() + 1] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let (names, more) = room.page("", seen.last().map_or("", String::as_str), limit).await?;
            ensure!(names.len() <= limit, "{} on a page of {limit}", names.len());
            ensure!(!more || !names.is_empty(), "a page of {limit} after {:?} is empty, and more are said to follow", seen.last());
            seen.extend(names);
            ensure!(more == (seen.len() < ORDERED.len()), "after {} of {}, in pages of {limit}: more: {more}", seen.len(), ORDERED.len());
            if !more {
                break;
            }
        }
        ensure!(seen == ORDERED, "in pages of {limit}: {seen:?}");
    }
    // An `after` that is no object, including folders and names between two objects.
    for (after, first) in
        [("a/", "a/0"), ("a/b/", "a/b/c"), ("a/b", "a/b/c"), ("a.", "a.b"), ("a/b/d", "a/b0"), ("aa", "aa/0"), ("B", "a b/0")]
    {
        let (names, _) = room.page("", after, 1).await?;
        ensure!(names == [first], "after {after}: {names:?}, not {first}");
    }
    let (names, more) = room.page("", "z/ä", 10).await?;
    ensure!(names.is_empty() && !more, "after the last: {names:?}, more: {more}");
    Ok(())
}

pub(super) async fn after_outside_the_prefix(room: &Room) -> Outcome {
    room.put_all(&["a/1", "b/1", "b/2", "c/1"]).await?;
    for (after, expected) in
        [("a", &["b/1", "b/2"][..]), ("a/1", &["b/1", "b/2"]), ("b", &["b/1", "b/2"]), ("b/1", &["b/2"]), ("b0", &[]), ("c/1", &[])]
    {
        let (names, more) = room.page("b/", after, 10).await?;
        ensure!(names == expected && !more, "b/ after {after}: {names:?}, more: {more}");
    }
    Ok(())
}

/// Names that sort between a folder's name and the objects in it must not be taken as listed
/// before.
pub(super) async fn after_in_a_folder_with_many_neighbours(room: &Room) -> Outcome {
    let neighbours = |range: std::ops::Range<usize>| range.map(|index| format!("a-{index:02}/0"));
    let ordered: Vec<String> = neighbours(0..30).chain(["a/0", "a/1", "a0", "b/0"].map(str::to_owned)).collect();
    room.put_all(&ordered.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    for (index, after) in ordered.iter().enumerate() {
        let (names, more) = room.page("", after, 1).await?;
        ensure!(names.first() == ordered.get(index + 1), "after {after}: {names:?}, not {:?}", ordered.get(index + 1));
        ensure!(more == (index + 2 < ordered.len()), "after {after}: more: {more}");
    }
    Ok(())
}

pub(super) async fn a_prefix_can_end_within_a_name(room: &Room) -> Outcome {
    room.put_all(&["a/1", "a/b/1", "a/bc", "a.b/1", "a@2/1", "ab"]).await?;
    let cases: [(&str, &[&str]); 9] = [
        ("a", &["a.b/1", "a/1", "a/b/1", "a/bc", "a@2/1", "ab"]),
        ("a/", &["a/1", "a/b/1", "a/bc"]),
        ("a/b", &["a/b/1", "a/bc"]),
        ("a/b/", &["a/b/1"]),
        ("a/b/1", &["a/b/1"]),
        ("a/b/1/", &[]),
        ("a@", &["a@2/1"]),
        ("b", &[]),
        ("a/c/", &[]),
    ];
    for (prefix, expected) in cases {
        let (names, more) = room.page(prefix, "", 10).await?;
        ensure!(names == expected && !more, "{prefix}: {names:?}, more: {more}");
    }
    Ok(())
}

pub(super) async fn a_thousand_on_a_page(room: &Room) -> Outcome {
    let name = |index: usize| format!("0/{:020}.tar.gz", index * 1000);
    let creating = (0..1005).map(|index| async move { room.store.create(&room.name(&name(index)), small("x")).await.map(drop) });
    stream::iter(creating).buffer_unordered(16).try_collect::<()>().await.map_err(text)?;
    let (names, more) = room.page("0/", "", 1000).await?;
    ensure!(names == (0..1000).map(name).collect::<Vec<_>>() && more, "{} names, more: {more}", names.len());
    let (names, more) = room.page("0/", &name(999), 1000).await?;
    ensure!(names == (1000..1005).map(name).collect::<Vec<_>>() && !more, "then {names:?}, more: {more}");
    Ok(())
}

pub(super) async fn folders_directly_under_a_prefix(room: &Room) -> Outcome {
    room.put_all(&["a/0/1", "a/1/1", "a/1/2", "a/10/1", "a/topic.json", "a.b/0/1", "a@2/topic.json", "file"]).await?;
    let cases: [(&str, &[&str]); 4] = [("", &["a", "a.b", "a@2"]), ("a/", &["0", "1", "10"]), ("a/0/", &[]), ("none/", &[])];
    for (prefix, expected) in cases {
        let folders = room.store.folders(&room.name(prefix)).await.map_err(text)?;
        ensure!(folders == expected, "under {prefix:?}: {folders:?}");
    }
    for object in ["a/1/1", "a/1/2"] {
        room.delete.delete(&room.name(object)).await.map_err(text)?;
    }
    let folders = room.store.folders(&room.name("a/")).await.map_err(text)?;
    ensure!(folders == ["0", "10"], "with all objects of one deleted: {folders:?}");
    Ok(())
}
