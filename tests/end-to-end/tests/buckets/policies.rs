//! The permissions of the Terraform module's roles are enough. MinIO refuses what a policy does not
//! name, as S3 does.

use std::path::Path;

use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
use end_to_end::awkward;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Read, unique};
use end_to_end::runner::{Runner, Store};
use end_to_end::services::{Minio, require_kafka, require_minio};
use serde_json::{Value, json};

/// Each action with its purpose. `iam.tf` builds the policies from it.
const ACTIONS: &str = include_str!("../../../../infra/terraform/modules/aws/actions.json");

/// The topic is deleted and created again, and both of its generations are restored. Each has a
/// role of its own; the newest is also restored without its number.
#[test]
fn the_roles_of_the_aws_module_suffice() {
    let (Some(kafka), Some(minio)) = (require_kafka(), require_minio()) else { return };
    let (prefix, copies) = (unique("prefix"), [unique("copy"), unique("copy")]);
    let topic = kafka.create_topic("role", 2, &[]);
    let written = [awkward::records(45, 2, 300), awkward::records(46, 2, 200)];

    let objects = [format!("{prefix}/*")];
    let backup = Runner::on(&kafka, role(&minio, &prefix, "backup", &objects, &[]));
    let config = backup.backup_config(&[&topic], crate::buckets::small_segments());
    kafka.produce(&topic, &written[0]);
    backup.back_up(&config);
    let before = kafka.dump(&topic, Read::Committed);
    kafka.delete_topic(&topic);
    kafka.create_topic_named(&topic, 2, &[]);
    kafka.produce(&topic, &written[1]);
    backup.back_up(&config);
    let after = kafka.dump(&topic, Read::Committed);

    let folders = [topic.clone(), format!("{topic}@2")];
    for ((folder, copy), dump) in folders.iter().zip(&copies).zip([&before, &after]) {
        let own = [format!("{prefix}/@restore/{copy}/*"), format!("{prefix}/@restore/@target/*")];
        let objects = [format!("{prefix}/{folder}/*"), format!("{prefix}/@cluster/*"), format!("{prefix}/@restore/*")];
        let restore = Runner::on(&kafka, role(&minio, &prefix, "restore", &objects, &own));
        let generation = if *folder == topic { format!("{topic}@1") } else { folder.clone() };
        restore.restore(&restore.restore_config(&generation, copy, json!({"RESTORE_ID": copy})));
        assert_identical(dump, &kafka.dump(copy, Read::Uncommitted));
    }

    // The policy of iam.tf for a topic without a number.
    let copy = unique("copy");
    let own = [format!("{prefix}/@restore/{copy}/*"), format!("{prefix}/@restore/@target/*")];
    let ours = ["@cluster/*", "@restore/*"].map(|folder| format!("{prefix}/{folder}"));
    let objects = [&ours[..], &[format!("{prefix}/{topic}/*"), format!("{prefix}/{topic}@*/*")]].concat();
    let restore = Runner::on(&kafka, role(&minio, &prefix, "restore", &objects, &own));
    restore.restore(&restore.restore_config(&topic, &copy, json!({"RESTORE_ID": copy})));
    assert_identical(&after, &kafka.dump(&copy, Read::Uncommitted));

    // The policies are enforced: this role does not cover the other generation.
    let objects = [format!("{prefix}/{topic}/*"), format!("{prefix}/@cluster/*")];
    let other = Runner::on(&kafka, role(&minio, &prefix, "restore", &objects, &[]));
    let config = other.restore_config(&folders[1], &unique("copy"), Value::Null);
    other.run([Path::new("restore"), &config, Path::new("--once")]).failed_with(&["s3:GetObject"]);
}

/// A restore writes into the bucket, a plan does not.
#[test]
fn a_plan_needs_no_right_to_write() {
    let (Some(kafka), Some(minio)) = (require_kafka(), require_minio()) else { return };
    let prefix = unique("prefix");
    let topic = kafka.create_topic("planned", 2, &[]);
    kafka.produce(&topic, &awkward::records(47, 2, 100));
    let objects = [format!("{prefix}/*")];
    let backup = Runner::on(&kafka, role(&minio, &prefix, "backup", &objects, &[]));
    backup.back_up(&backup.backup_config(&[&topic], Value::Null));

    let reading = Runner::on(&kafka, role(&minio, &prefix, "restore", &objects, &[]));
    let config = reading.restore_config("*", "{topic}-copy", json!({"BACKUP_TOPIC_NAME": ["*"]}));
    let plan = reading.run([Path::new("plan"), &config]).succeeded().reports().remove(0);
    assert_eq!(plan["topics"][0]["target"], format!("{topic}-copy"), "{plan}");
    // The right is really missing.
    reading.run([Path::new("restore"), &config, Path::new("--once")]).failed_with(&["s3:PutObject"]);
    assert!(!kafka.topic_exists(&format!("{topic}-copy")));
}

/// MinIO as a client with this role sees it.
fn role(minio: &Minio, prefix: &str, role: &str, objects: &[String], checkpoints: &[String]) -> Store {
    let all: Value = serde_json::from_str(ACTIONS).expect("actions.json is JSON");
    let statement = |subject: &str, names: &[String]| {
        let actions: Vec<&String> = all[role][subject].as_object().expect("a table of actions").keys().collect();
        let resources: Vec<String> = names.iter().map(|name| format!("arn:aws:s3:::{name}")).collect();
        json!({"Effect": "Allow", "Action": actions, "Resource": resources})
    };
    let in_bucket = |names: &[String]| names.iter().map(|name| format!("{}/{name}", minio.bucket)).collect::<Vec<String>>();
    let mut statements = vec![statement("objects", &in_bucket(objects)), statement("bucket", std::slice::from_ref(&minio.bucket))];
    if !checkpoints.is_empty() {
        statements.push(statement("checkpoints", &in_bucket(checkpoints)));
    }
    let policy = json!({"Version": "2012-10-17", "Statement": statements});

    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&minio.endpoint)
        .credentials_provider(Credentials::new(&minio.access_key, &minio.secret_key, None, None, "test"))
        .build();
    let client = aws_sdk_sts::Client::from_conf(config);
    let request =
        client.assume_role().role_arn("arn:aws:iam::123456789012:role/function").role_session_name("test").policy(policy.to_string());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let answer = runtime.block_on(request.send()).expect("MinIO returns credentials for a subset of its rights");
    let session = answer.credentials().expect("credentials");
    let minio = Minio { access_key: session.access_key_id().into(), secret_key: session.secret_access_key().into(), ..minio.clone() };
    Store::S3(minio, prefix.to_owned(), session.session_token().to_owned())
}
