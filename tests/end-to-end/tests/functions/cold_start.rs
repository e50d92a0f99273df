//! The time from the start of a new container to its first byte from Kafka, by step. The numbers
//! are for reading: no test depends on them.

use std::time::{Duration, Instant};

use end_to_end::function::Function;
use end_to_end::kafka::unique;
use end_to_end::lambda::{Lambda, StandIn};
use end_to_end::runner::{Runner, Store};
use end_to_end::services::{require_kafka, require_minio};
use end_to_end::tap::Tap;
use serde_json::json;

#[test]
fn from_the_start_of_the_process_to_the_first_byte_from_kafka() {
    let (Some(mut kafka), Some(mut minio)) = (require_kafka(), require_minio()) else { return };
    let topic = kafka.create_topic("cold", 1, &[]);
    kafka.bulk(&topic, 1000, 200);
    let upstreams = (kafka.bootstrap.clone(), minio.endpoint.replace("http://", ""));
    let mut best: Option<Vec<(&str, Duration)>> = None;
    for _ in 0..5 {
        let (to_kafka, to_bucket) = (Tap::start(&upstreams.0), Tap::start(&upstreams.1));
        kafka.bootstrap.clone_from(&to_kafka.address);
        minio.endpoint = format!("http://{}", to_bucket.address);
        let runner = Runner::on(&kafka, Store::Minio(minio.clone(), unique("prefix")));
        let backup = runner.backup_config(&[&topic], json!({"GROUP_ID": unique("cold"), "MAX_SEGMENTS_PER_INVOCATION": 0}));
        let lambda = Lambda::start(StandIn::start(Duration::from_secs(60)), Function::Backup, &runner.variables(&backup), 1, 512);
        let report = lambda.invoke("{}").report();
        let answered = Instant::now();
        assert_eq!(report["records"], 1000, "{report}");
        let started = lambda.first_container();
        let seen = |moment: Option<Instant>| moment.expect("the invocation succeeded") - started;
        let times = vec![
            ("the first connection to Kafka is open", seen(to_kafka.connected())),
            ("the first byte from Kafka is there", seen(to_kafka.answered())),
            ("the container asks for an event: the initialisation is over", seen(lambda.api.first_asked())),
            ("the first byte from the bucket is there", seen(to_bucket.answered())),
            ("the invocation is answered: 1000 records are backed up", answered - started),
        ];
        if best.as_ref().is_none_or(|best| times[1].1 < best[1].1) {
            best = Some(times);
        }
    }
    println!("cold start, the best of five, from the start of the process:");
    let mut best = best.unwrap_or_default();
    best.sort_by_key(|(_, time)| *time);
    for (what, time) in best {
        println!("{:7.1} ms  {what}", time.as_secs_f64() * 1000.0);
    }
}
