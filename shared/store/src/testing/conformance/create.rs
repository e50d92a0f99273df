use bytes::Bytes;
use futures::future::join_all;

use super::{Outcome, Room, ensure, expect, small, text};
use crate::{Body, StoreErrorKind};

/// More than one part of any store's multipart upload.
const LARGE: usize = 24 << 20;

pub(super) async fn what_is_created_can_be_read(room: &Room) -> Outcome {
    let name = room.name("object");
    let body: Body = [&b"three"[..], b"pieces", b"\x00\xff"].into_iter().map(Bytes::from_static).collect();
    let created = room.store.create(&name, body.clone()).await.map_err(text)?;
    let object = room.store.get(&name).await.map_err(text)?;
    ensure!(object.body == body.to_bytes(), "read {:?}", object.body);
    ensure!(object.version == created, "created as {created:?}, read as {:?}", object.version);
    let part = room.store.get_range(&name, 0..4).await.map_err(text)?;
    ensure!(part.version == created, "created as {created:?}, a part read as {:?}", part.version);
    Ok(())
}

pub(super) async fn an_existing_object_is_never_touched(room: &Room) -> Outcome {
    let name = room.name("object");
    let version = room.store.create(&name, small("first")).await.map_err(text)?;
    expect(StoreErrorKind::AlreadyExists, room.store.create(&name, small("second")).await, "creating it again")?;
    expect(StoreErrorKind::AlreadyExists, room.store.create(&name, Body::new()).await, "creating it empty")?;
    let object = room.store.get(&name).await.map_err(text)?;
    ensure!(object.body == "first" && object.version == version, "it became {object:?}");
    Ok(())
}

pub(super) async fn of_sixteen_creators_one_wins(room: &Room) -> Outcome {
    let name = room.name("object");
    let bodies: Vec<Bytes> = (0..16u8).map(|creator| vec![creator; 1000 + usize::from(creator)].into()).collect();
    let tries = join_all(bodies.iter().map(|body| room.store.create(&name, body.clone().into()))).await;
    let object = room.store.get(&name).await.map_err(text)?;
    let mut winners = 0;
    for (body, result) in bodies.iter().zip(tries) {
        match result {
            Ok(version) => {
                winners += 1;
                ensure!(object.body == *body && object.version == version, "the content is not the winner's");
            }
            lost => expect(StoreErrorKind::AlreadyExists, lost, "losing")?,
        }
    }
    ensure!(winners == 1, "{winners} creators got success");
    Ok(())
}

pub(super) async fn an_empty_object(room: &Room) -> Outcome {
    let name = room.name("empty");
    room.store.create(&name, Body::new()).await.map_err(text)?;
    let object = room.store.get(&name).await.map_err(text)?;
    ensure!(object.body.is_empty(), "read {} bytes", object.body.len());
    let page = room.store.list(&room.base, "", 10).await.map_err(text)?;
    ensure!(page.objects.len() == 1 && page.objects[0].size == 0, "listed as {page:?}");
    expect(StoreErrorKind::AlreadyExists, room.store.create(&name, small("x")).await, "creating over an empty object")
}

pub(super) async fn a_large_object_in_many_pieces(room: &Room) -> Outcome {
    let name = room.name("large");
    let whole: Bytes = (0..LARGE).map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8).collect::<Vec<_>>().into();
    // Chunks of sizes that fit no part boundary.
    let body: Body = (0..LARGE).step_by(1_000_003).map(|start| whole.slice(start..LARGE.min(start + 1_000_003))).collect();
    room.store.create(&name, body).await.map_err(text)?;
    ensure!(room.store.get(&name).await.map_err(text)?.body == whole, "it is read as other bytes");
    let range = 7_999_999..16_000_001;
    let part = room.store.get_range(&name, range.clone()).await.map_err(text)?;
    ensure!(part.bytes == whole.slice(range.start as usize..range.end as usize), "the middle is read as other bytes");
    ensure!(part.size == LARGE as u64, "its size is reported as {}", part.size);
    expect(
        StoreErrorKind::AlreadyExists,
        room.store.create(&name, whole.slice(1..).into()).await,
        "creating another large object over it",
    )?;
    ensure!(room.store.get(&name).await.map_err(text)?.body == whole, "it was changed by a second creator");
    Ok(())
}

pub(super) async fn what_was_deleted_can_be_created(room: &Room) -> Outcome {
    let name = room.name("object");
    room.store.create(&name, small("first")).await.map_err(text)?;
    room.delete.delete(&name).await.map_err(text)?;
    expect(StoreErrorKind::NotFound, room.store.get(&name).await, "reading what was deleted")?;
    room.store.create(&name, small("second")).await.map_err(text)?;
    let object = room.store.get(&name).await.map_err(text)?;
    ensure!(object.body == "second", "read {:?}", object.body);
    Ok(())
}

pub(super) async fn deleting_what_is_not_there_is_no_error(room: &Room) -> Outcome {
    room.put("folder/object").await?;
    for name in ["folder/other", "folder", "no/such/folder"] {
        room.delete.delete(&room.name(name)).await.map_err(text)?;
    }
    let (names, _) = room.page("", "", 10).await?;
    ensure!(names == ["folder/object"], "left: {names:?}");
    Ok(())
}
