//! What every store must do, as one suite that each adapter's tests run. The handlers rely on
//! nothing else, and on all of this.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use store::testing::{MemoryStore, conformance};
//! # async fn example() {
//! let store = Arc::new(MemoryStore::new());
//! match conformance::run(store.clone(), store, "conformance-1").await {
//!     Ok(checks) => println!("{checks} checks passed"),
//!     Err(failures) => panic!("{failures}"),
//! }
//! # }
//! ```

mod create;
mod list;
mod names;
mod read;
mod replace;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::testing::Delete;
use crate::{Body, ObjectStore, Result, StoreError, StoreErrorKind};

/// The result of a check: nothing, or what is wrong.
type Outcome = std::result::Result<(), String>;
type Check = for<'a> fn(&'a Room) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Fails a check with a message if a condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
use ensure;

/// Names each check function and boxes its future.
macro_rules! checks {
    ($($module:ident :: $check:ident),+ $(,)?) => {
        const CHECKS: &[(&str, Check)] = &[$((stringify!($check), |room| Box::pin($module::$check(room)))),+];
    };
}

checks![
    create::what_is_created_can_be_read,
    create::an_existing_object_is_never_touched,
    create::of_sixteen_creators_one_wins,
    create::an_empty_object,
    create::a_large_object_in_many_pieces,
    create::what_was_deleted_can_be_created,
    create::deleting_what_is_not_there_is_no_error,
    replace::an_unchanged_object_is_replaced,
    replace::a_changed_object_is_not_replaced,
    replace::a_missing_object_is_not_replaced,
    replace::of_eight_replacers_one_wins,
    read::a_missing_object_is_not_found,
    read::ranges_of_an_object,
    read::ranges_of_an_empty_object,
    list::names_come_in_byte_order,
    list::pages_follow_each_other,
    list::after_outside_the_prefix,
    list::after_in_a_folder_with_many_neighbours,
    list::a_prefix_can_end_within_a_name,
    list::a_thousand_on_a_page,
    list::folders_directly_under_a_prefix,
    names::odd_names_are_held,
    names::bad_names_are_refused,
    names::dots_at_the_end_are_kept_or_refused,
    names::an_object_and_a_folder_of_one_name,
    names::a_location_names_the_object,
];

/// Runs all checks in `store` under the folder `folder`, which nothing else uses, and leaves
/// nothing if they pass: `delete` deletes from the same store. Returns their number.
///
/// # Errors
/// Every check that failed, by name, with its result; one per line.
pub async fn run(store: Arc<dyn ObjectStore>, delete: Arc<dyn Delete>, folder: &str) -> std::result::Result<usize, String> {
    let mut failures = Vec::new();
    for (name, check) in CHECKS {
        let room = Room { store: store.clone(), delete: delete.clone(), base: format!("{folder}/{name}/") };
        let outcome = match check(&room).await {
            Ok(()) => room.clear().await.map_err(text),
            failed => failed,
        };
        if let Err(what) = outcome {
            failures.push(format!("{name}: {what}"));
        }
    }
    if failures.is_empty() { Ok(CHECKS.len()) } else { Err(failures.join("\n")) }
}

/// The store of one check, and the check's own folder.
struct Room {
    store: Arc<dyn ObjectStore>,
    delete: Arc<dyn Delete>,
    base: String,
}

impl Room {
    /// The full name of one of the check's objects.
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.base)
    }

    /// Creates an object with a few bytes in it.
    async fn put(&self, name: &str) -> Outcome {
        self.store.create(&self.name(name), small(name)).await.map(drop).map_err(text)
    }

    async fn put_all(&self, names: &[&str]) -> Outcome {
        for name in names {
            self.put(name).await?;
        }
        Ok(())
    }

    /// The names, without the check's folder, on the page of a listing; and whether more follow.
    async fn page(&self, prefix: &str, after: &str, limit: usize) -> std::result::Result<(Vec<String>, bool), String> {
        let after = if after.is_empty() { String::new() } else { self.name(after) };
        let page = self.store.list(&self.name(prefix), &after, limit).await.map_err(text)?;
        let names = page.objects.iter().map(|object| object.name.strip_prefix(&self.base).map(str::to_owned));
        let names: Option<Vec<String>> = names.collect();
        Ok((names.ok_or("a name outside of the prefix is listed")?, page.more))
    }

    async fn clear(&self) -> Result<()> {
        loop {
            let page = self.store.list(&self.base, "", 1000).await?;
            let deleting = page.objects.iter().map(|object| self.delete.delete(&object.name));
            stream::iter(deleting).buffer_unordered(16).try_collect::<()>().await?;
            if !page.more {
                return Ok(());
            }
        }
    }
}

fn small(text: &str) -> Body {
    Bytes::copy_from_slice(text.as_bytes()).into()
}

/// An error with its causes: the subject of a failing check.
fn text(error: StoreError) -> String {
    let mut text = format!("{:?}: {error}", error.kind);
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// Fails a check unless `result` is an error of `kind`.
fn expect<T: std::fmt::Debug>(kind: StoreErrorKind, result: Result<T>, doing: &str) -> Outcome {
    match result {
        Err(error) if error.kind == kind => Ok(()),
        Err(error) => Err(format!("{doing} should be {kind:?}, is {}", text(error))),
        Ok(value) => Err(format!("{doing} should be {kind:?}, gave {value:?}")),
    }
}
