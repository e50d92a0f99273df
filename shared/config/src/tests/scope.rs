//! The scope of a restore.

use serde_json::json;

use super::*;
use crate::AsOf;

/// The example with these keys.
fn restore_with(with: &Value) -> RestoreSettings {
    let text = changed(RESTORE, &json!({"RESTORE_PARTITION_STRATEGY": "same", "BACKUP_TOPIC_NAME": "orders"}), &[]);
    restore(&changed(&text, with, &[]), &[]).unwrap()
}

/// The example of `docs/configuration.md`.
#[test]
fn a_whole_cluster_is_restored_as_of_its_newest_snapshot() {
    let docs = include_str!("../../../../docs/configuration.md");
    let (_, example) = docs.split_once("<!-- example: dr.json -->\n```json\n").unwrap();
    let settings = restore(example.split_once("```").unwrap().0, &[]).unwrap();
    assert!(settings.is_of_several() && settings.topics.takes("orders") && !settings.topics.takes("__consumer_offsets"));
    assert_eq!((settings.target.of("orders").as_str(), settings.as_of), ("orders", Some(AsOf::Latest)));
    assert_eq!((settings.restore_id, settings.backup_cluster, settings.partitions), (None, None, None));
}

#[test]
fn a_restore_is_of_names_globs_and_regular_expressions_less_others() {
    let topics = |include: Value, exclude: &str| {
        restore_with(&json!({"BACKUP_TOPIC_NAME": include, "RESTORE_TOPIC_NAME": "dr.{topic}", "RESTORE_EXCLUDE_TOPIC_NAMES": exclude}))
            .topics
    };
    let all = ["orders", "payments", "pay-test", "users-1"].map(str::to_owned).into();
    let expected = ["orders@1", "payments", "users-1"].map(str::to_owned).into();
    for include in
        [json!(["orders@1", "pay*", "^users-\\d"]), json!("orders@1, pay*,^users-\\d"), json!("[\"orders@1\",\"pay*\",\"^users-\\\\d\"]")]
    {
        assert_eq!(topics(include.clone(), "*-test").of(&all).names, expected, "{include}");
    }
    let but_the_first = topics(json!(["*", "orders@1"]), "orders").of(&all).names;
    assert_eq!(
        but_the_first,
        ["orders@1", "pay-test", "payments", "users-1"].map(str::to_owned).into(),
        "one generation in place of the newest"
    );
}

#[test]
fn targets_that_hold_the_topics_name() {
    for (of, target, into) in
        [("orders@2", "{topic}", "orders"), ("orders", "{topic}-{topic}", "orders-orders"), ("orders", "copy", "copy")]
    {
        let settings = restore_with(&json!({"BACKUP_TOPIC_NAME": of, "RESTORE_TOPIC_NAME": target}));
        assert_eq!(settings.target.of("orders"), into);
        assert_eq!(settings.restore_id.unwrap(), format!("{of}-to-{into}"));
    }
    let target = restore_with(&json!({"BACKUP_TOPIC_NAME": "a*,b", "RESTORE_TOPIC_NAME": "__transaction_{topic}"})).target;
    assert_eq!(target.legal_of("a-b").as_deref(), Ok("__transaction_a-b"));
    assert!(target.legal_of("state").unwrap_err().contains("internal"), "what a pattern finds is looked at when it is found");
    assert!(target.legal_of(&"a".repeat(240)).unwrap_err().contains("249"));
}

/// An id derived from the names alone would be the same for another choice.
#[test]
fn only_the_whole_of_one_topic_has_an_id_by_its_names() {
    let id = |with: &Value| restore_with(with).restore_id;
    assert_eq!(id(&json!({})).as_deref(), Some("orders-to-davinder-restore.test"));
    assert_eq!(
        id(&json!({"BACKUP_CLUSTER": "a", "RESTORE_UNTIL": "2026-11-27T14:00:00Z"})).as_deref(),
        Some("orders-to-davinder-restore.test")
    );
    let choices = [
        json!({"RESTORE_AS_OF": "latest"}),
        json!({"BACKUP_PARTITIONS": "0"}),
        json!({"BACKUP_TOPIC_NAME": "a,b", "RESTORE_TOPIC_NAME": "{topic}"}),
        json!({"BACKUP_TOPIC_NAME": "^a", "RESTORE_TOPIC_NAME": "{topic}"}),
    ];
    for choice in choices {
        assert_eq!(id(&choice), None, "{choice}");
        assert_eq!(id(&changed_value(&choice, "RESTORE_ID", "drill")).as_deref(), Some("drill"), "{choice}");
    }
}

fn changed_value(object: &Value, key: &str, value: &str) -> Value {
    serde_json::from_str(&changed(&object.to_string(), &json!({ key: value }), &[])).unwrap()
}

#[test]
fn a_restore_is_of_some_partitions_of_some_cluster_up_to_a_moment() {
    for (written, meant) in [
        (json!("0,4-7"), vec![0, 4, 5, 6, 7]),
        (json!([0, "4-7"]), vec![0, 4, 5, 6, 7]),
        (json!("4-7, 5"), vec![4, 5, 6, 7]),
        (json!(3), vec![3]),
        (json!("0-99999"), (0..100_000).collect()),
    ] {
        let partitions = restore_with(&json!({"BACKUP_PARTITIONS": written})).partitions.unwrap();
        assert_eq!(partitions.into_iter().collect::<Vec<i32>>(), meant, "{written}");
    }
    assert_eq!(
        restore_with(&json!({"BACKUP_CLUSTER": " J8_sWPg5TBqGX9dvEPxFyA"})).backup_cluster.as_deref(),
        Some("J8_sWPg5TBqGX9dvEPxFyA")
    );
    let as_of = |text: &str| restore_with(&json!({"RESTORE_AS_OF": text, "RESTORE_FROM": "2026-11-01T00:00:00Z"})).as_of;
    assert_eq!(as_of("Latest"), Some(AsOf::Latest));
    assert_eq!(as_of("2026-11-27T15:00:00+01:00"), Some(AsOf::Time(1_795_788_000_000)));
    assert!(restore_with(&json!({"RESTORE_ANYWAY": "behind"})).is_allowed("behind"));

    let own = changed(RESTORE, &json!({"RESTORE_PARTITION_STRATEGY": "same", "RESTORE_AS_OF": "latest", "BACKUP_PARTITIONS": "1"}), &[]);
    let settings = restore(&own, &[]).unwrap();
    assert_eq!(
        (settings.topics.has_name("davinder.test"), settings.restore_id),
        (true, None),
        "a topic's own folder is a topic like any other"
    );
}

#[test]
fn what_is_finished_has_an_end() {
    let of = |finish: &str, as_of: &str| {
        let with =
            json!({"RESTORE_FINISH": finish, "RESTORE_AS_OF": as_of, "BACKUP_TOPIC_NAME": "orders", "RESTORE_PARTITION_STRATEGY": "same"});
        let without: &[&str] = if as_of.is_empty() { &["RESTORE_AS_OF"] } else { &[] };
        restore(&changed(RESTORE, &with, without), &[])
    };
    let some = of("groups, ACLS", "latest").unwrap();
    assert_eq!(some.finish, [crate::FinishPart::Groups, crate::FinishPart::Acls].into());
    assert!(some.groups.takes_group("anything"));
    assert_eq!(of("all", "latest").unwrap().finish.len(), 3);
    assert!(of("all", "").unwrap_err().to_string().contains("has no end"));
    assert!(of("topics", "latest").unwrap_err().to_string().contains("must be one of groups, configs, acls, all"));
}
