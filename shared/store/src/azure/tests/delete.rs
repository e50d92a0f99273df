use async_trait::async_trait;

use crate::azure::AzureBlobStore;
use crate::testing::Delete;
use crate::{ObjectStore, Result, StoreErrorKind};

#[async_trait]
impl Delete for AzureBlobStore {
    async fn delete(&self, name: &str) -> Result<()> {
        self.check(name)?;
        let blob = self.container.blob_client(name);
        match self.retry.run(&self.location(name), 0, |_| async { self.site.answer(name, blob.delete(None).await) }).await {
            Err(error) if error.kind != StoreErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
