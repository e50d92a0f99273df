use super::*;
use crate::testing::Delete;

#[async_trait]
impl Delete for S3BucketStore {
    async fn delete(&self, name: &str) -> Result<()> {
        self.check(name)?;
        let asked = self.asked("s3:DeleteObject", name, StoreErrorKind::Other);
        let delete = |_| async { self.site.answer(&asked, self.client.delete_object().bucket(&self.site.bucket).key(name).send().await) };
        match self.retry.run(&asked.location, 0, delete).await {
            Err(error) if error.kind != StoreErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
