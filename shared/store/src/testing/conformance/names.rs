use super::{Outcome, Room, ensure, expect, small, text};
use crate::{MAX_NAME, StoreErrorKind};

/// Ordinary names of topics and restores, and names that need escaping somewhere.
const ODD: [&str; 15] = [
    "orders@2/0/00000000000000000000.tar.gz",
    "a b/c d",
    "1+1=2",
    "100%/%2F%20",
    "a&b;c,d",
    "question?mark#fragment",
    "quote'\"`s",
    "<xml>&amp;</xml>",
    "[brackets]{braces}(parentheses)",
    "~tilde/$dollar/!bang/*star/|pipe/^caret",
    "ünïcödé/日本語/🙂",
    "e\u{301}/combining",
    ".hidden/..almost",
    "-dash/--help",
    "colon:c",
];

pub(super) async fn odd_names_are_held(room: &Room) -> Outcome {
    for name in ODD {
        let full = room.name(name);
        room.store.create(&full, small(name)).await.map_err(|error| format!("creating {name}: {}", text(error)))?;
        let object = room.store.get(&full).await.map_err(|error| format!("reading {name}: {}", text(error)))?;
        ensure!(object.body == name, "{name} is read as {:?}", object.body);
        expect(StoreErrorKind::AlreadyExists, room.store.create(&full, small("other")).await, &format!("creating {name} again"))?;
        let part = room.store.get_range(&full, 1..3).await.map_err(|error| format!("reading a part of {name}: {}", text(error)))?;
        ensure!(part.bytes == name.as_bytes()[1..3], "1..3 of {name} is read as {:?}", part.bytes);
        let version = room.store.replace(&full, "new".into(), &object.version).await;
        version.map_err(|error| format!("replacing {name}: {}", text(error)))?;
        let (listed, _) = room.page(name, "", 10).await?;
        ensure!(listed == [name], "{name} is listed as {listed:?}");
    }
    let mut sorted = ODD.to_vec();
    sorted.sort_unstable();
    let (listed, _) = room.page("", "", 100).await?;
    ensure!(listed == sorted, "listed {listed:?}");
    for pair in sorted.windows(2) {
        let (listed, _) = room.page("", pair[0], 1).await?;
        ensure!(listed == pair[1..], "after {}: {listed:?}", pair[0]);
    }
    for name in ODD {
        room.delete.delete(&room.name(name)).await.map_err(|error| format!("deleting {name}: {}", text(error)))?;
    }
    let (listed, _) = room.page("", "", 100).await?;
    ensure!(listed.is_empty(), "deleted, but listed: {listed:?}");
    Ok(())
}

pub(super) async fn bad_names_are_refused(room: &Room) -> Outcome {
    let long = "x/".repeat(MAX_NAME / 2) + "x";
    for name in ["", "a/", "a//b", "/a", "..", "../a", "a/../b", "a/./b", "a\0b", "a\nb", "a\\b", &long] {
        let full = room.name(name);
        expect(StoreErrorKind::BadName, room.store.create(&full, small("x")).await, &format!("creating {name:?}"))?;
        expect(StoreErrorKind::BadName, room.store.get(&full).await, &format!("reading {name:?}"))?;
        expect(StoreErrorKind::BadName, room.store.get_range(&full, 0..1).await, &format!("reading a part of {name:?}"))?;
        expect(StoreErrorKind::BadName, room.delete.delete(&full).await, &format!("deleting {name:?}"))?;
    }
    Ok(())
}

/// Azure advises against them, because they can be read as the name without the dot. A store keeps
/// them unchanged, or refuses them.
pub(super) async fn dots_at_the_end_are_kept_or_refused(room: &Room) -> Outcome {
    for (without, with) in [("object", "object."), ("folder/object", "folder./object")] {
        room.put(without).await?;
        if let Err(error) = room.store.create(&room.name(with), small(with)).await {
            ensure!(error.kind == StoreErrorKind::BadName, "creating {with} next to {without}: {}", text(error));
            continue;
        }
        let object = room.store.get(&room.name(with)).await.map_err(text)?;
        ensure!(object.body == with, "{with} is read as {:?}", object.body);
    }
    Ok(())
}

/// Some stores can hold both; the others refuse the second one. None may lose the first one.
pub(super) async fn an_object_and_a_folder_of_one_name(room: &Room) -> Outcome {
    for (first, second) in [("object", "object/below"), ("folder/object", "folder")] {
        room.put(first).await?;
        if let Err(error) = room.store.create(&room.name(second), small(second)).await {
            ensure!(error.kind == StoreErrorKind::BadName, "creating {second} next to {first}: {}", text(error));
        }
        let object = room.store.get(&room.name(first)).await.map_err(text)?;
        ensure!(object.body == first, "{first} became {:?}", object.body);
    }
    Ok(())
}

pub(super) async fn a_location_names_the_object(room: &Room) -> Outcome {
    let name = room.name("no such object");
    let location = room.store.location(&name);
    ensure!(location.ends_with(&name), "{location} does not end in {name}");
    let error = room.store.get(&name).await.expect_err("nothing was created");
    ensure!(error.location == location && error.to_string().contains(&name), "an error about it says: {error}");
    Ok(())
}
