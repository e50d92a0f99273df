use bytes::Bytes;
use futures::future::join_all;

use super::{Outcome, Room, ensure, expect, small, text};
use crate::StoreErrorKind;

pub(super) async fn an_unchanged_object_is_replaced(room: &Room) -> Outcome {
    let name = room.name("object");
    let first = room.store.create(&name, small("first")).await.map_err(text)?;
    let second = room.store.replace(&name, "second".into(), &first).await.map_err(text)?;
    ensure!(first != second, "both states have the version {first:?}");
    let object = room.store.get(&name).await.map_err(text)?;
    ensure!(object.body == "second" && object.version == second, "replaced as {second:?}, read {object:?}");
    let third = room.store.replace(&name, Bytes::new(), &object.version).await.map_err(text)?;
    let object = room.store.get(&name).await.map_err(text)?;
    ensure!(object.body.is_empty() && object.version == third, "replaced by nothing as {third:?}, read {object:?}");
    Ok(())
}

pub(super) async fn a_changed_object_is_not_replaced(room: &Room) -> Outcome {
    let name = room.name("object");
    let first = room.store.create(&name, small("first")).await.map_err(text)?;
    room.store.replace(&name, "second".into(), &first).await.map_err(text)?;
    expect(StoreErrorKind::Changed, room.store.replace(&name, "third".into(), &first).await, "replacing by an old version")?;
    let object = room.store.get(&name).await.map_err(text)?;
    ensure!(object.body == "second", "it became {:?}", object.body);
    Ok(())
}

pub(super) async fn a_missing_object_is_not_replaced(room: &Room) -> Outcome {
    let name = room.name("folder/object");
    let version = room.store.create(&name, small("first")).await.map_err(text)?;
    room.delete.delete(&name).await.map_err(text)?;
    expect(StoreErrorKind::Changed, room.store.replace(&name, "second".into(), &version).await, "replacing what was deleted")?;
    expect(StoreErrorKind::NotFound, room.store.get(&name).await, "reading it then")
}

pub(super) async fn of_eight_replacers_one_wins(room: &Room) -> Outcome {
    let name = room.name("object");
    let first = room.store.create(&name, small("first")).await.map_err(text)?;
    let bodies: Vec<Bytes> = (0..8u8).map(|replacer| vec![replacer; 500 + usize::from(replacer)].into()).collect();
    let tries = join_all(bodies.iter().map(|body| room.store.replace(&name, body.clone(), &first))).await;
    let object = room.store.get(&name).await.map_err(text)?;
    let mut winners = 0;
    for (body, result) in bodies.iter().zip(tries) {
        match result {
            Ok(version) => {
                winners += 1;
                ensure!(object.body == *body && object.version == version, "the content is not the winner's");
            }
            lost => expect(StoreErrorKind::Changed, lost, "losing")?,
        }
    }
    ensure!(winners == 1, "{winners} got success");
    Ok(())
}
