//! What a restore of a large cluster costs in requests: 500 topics with 20 partitions each,
//! restored by 8 shards.

use archive::catalog::Generation;
use archive::testing::{add_generation, add_segment, generation};
use config::TargetName;
use host::Event;
use store::testing::MemoryStore;

use super::selection;
use super::targets::Targets;

const TOPICS: i32 = 500;
const PARTITIONS: i32 = 20;
const SHARDS: u32 = 8;

/// Copies of one segment: creating 10,000 would take longer than everything else here.
async fn add_topics(bucket: &MemoryStore) {
    for topic in 0..TOPICS {
        add_generation(bucket, &Generation { partitions: PARTITIONS, ..generation(&format!("topic-{topic:03}")) });
        for partition in 0..PARTITIONS {
            add_segment(bucket, &format!("topic-{topic:03}"), partition, 0..1, 0).await;
        }
    }
}

#[tokio::test]
async fn ten_thousand_partitions_cost_few_requests_once_they_are_restored() {
    let mut targets = Targets::new();
    targets.settings.topics = selection(&["*"], &[]);
    targets.settings.target = TargetName::new("copy-{topic}");
    add_topics(&targets.bucket).await;
    let shard = |number| Event { shard: Some((number, SHARDS)), ..Event::default() };
    // The first invocation does all one-time work; half of its partitions are left for a second
    // one.
    targets.settings.max_segments = Some(625);
    let (report, first, first_kafka) = targets.counted(shard(0)).await;
    assert_eq!(report.records, 625);
    targets.settings.max_segments = None;
    let (report, second, second_kafka) = targets.counted(shard(0)).await;
    assert!(report.caught_up && report.succeeded && report.finished_at.is_none(), "its part is restored");
    let (mut middle, mut middle_kafka) = (0, 0);
    for number in 1..SHARDS - 1 {
        let (report, bucket, kafka) = targets.counted(shard(number)).await;
        assert!(report.records > 1_200 && report.finished_at.is_none(), "{number}: {}", report.records);
        (middle, middle_kafka) = (bucket, kafka);
    }
    let (report, last, last_kafka) = targets.counted(shard(SHARDS - 1)).await;
    assert!(report.has_finished && report.succeeded, "{:?}", report.done);
    let (report, idle, idle_kafka) = targets.counted(shard(3)).await;
    assert!(report.finished_at.is_some() && report.records == 0);
    // To the bucket: most requests of the first invocation find the ends of the 10,000 partitions.
    assert!(first <= 40_000 && second <= 8_000 && middle <= 14_000 && last <= 25_000, "{first}, {second}, {middle}, {last}");
    assert!(
        first_kafka <= 3_500 && second_kafka <= 2_200 && middle_kafka <= 4_200 && last_kafka <= 4_200,
        "{first_kafka}, {second_kafka}, …"
    );
    assert!(idle <= 10 && idle_kafka <= 3, "{idle} and {idle_kafka} with nothing left");
}
