use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;

/// A store whose objects a test can delete.
#[async_trait]
pub trait Delete: Debug + Send + Sync {
    /// Deletes the object; a name that does not exist is not an error.
    ///
    /// # Errors
    /// [`StoreErrorKind::BadName`](crate::StoreErrorKind::BadName), or an error of the store.
    async fn delete(&self, name: &str) -> Result<()>;
}

/// Below a path: for a [`PrefixStore`](crate::PrefixStore).
#[derive(Debug)]
pub struct Under(pub Arc<dyn Delete>, pub &'static str);

#[async_trait]
impl Delete for Under {
    async fn delete(&self, name: &str) -> Result<()> {
        self.0.delete(&format!("{}/{name}", self.1)).await
    }
}
