//! Records of every kind that has ever broken a backup.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::record::{Record, Step, Transaction};

const NOW: i64 = 1_780_000_000_000;
const LARGE: usize = 900 * 1024;

/// One record of each kind for every partition, and `more` random mixtures, in random order. The
/// same seed gives the same records.
///
/// Timestamps 0 and -1 are not included, see [`unsendable_timestamps`].
pub fn records(seed: u64, partitions: i32, more: usize) -> Vec<Record> {
    let random = &mut StdRng::seed_from_u64(seed);
    let mut records: Vec<_> = (0..partitions).flat_map(|partition| one_of_each(partition, random)).collect();
    records.extend((0..more).map(|_| mixture(random.random_range(0..partitions), random)));
    shuffle(&mut records, random);
    records
}

/// Records whose timestamps clients take for 'now' or refuse.
pub fn unsendable_timestamps(partition: i32) -> Vec<Record> {
    [0, -1].map(|timestamp| Record::new(partition, timestamp).value(format!("at {timestamp}"))).into()
}

/// Transactions of two producers, committed and aborted, interleaved with each other and with plain
/// records.
pub fn transactions(seed: u64, partitions: i32) -> Vec<Step> {
    let random = &mut StdRng::seed_from_u64(seed);
    let mut steps = Vec::new();
    for (round, outcomes) in [[true, false], [false, true], [false, false], [true, true]].into_iter().enumerate() {
        let producers = ["first", "second"].map(|name| format!("{name}-{seed}"));
        steps.extend(producers.iter().map(|producer| Step::Transaction { producer: producer.clone(), what: Transaction::Begin }));
        for n in 0..24 {
            let record = mixture(random.random_range(0..partitions), random).header("round", Some(format!("{round}/{n}").as_bytes()));
            match random.random_range(0..3) {
                2 => steps.push(Step::Send(record)),
                one => steps.push(Step::SendIn { producer: producers[one].clone(), record }),
            }
        }
        steps.extend(producers.into_iter().zip(outcomes).map(|(producer, committed)| Step::Transaction {
            producer,
            what: if committed { Transaction::Commit } else { Transaction::Abort },
        }));
    }
    steps
}

/// The records of `steps` that a reader of committed records sees, in order.
pub fn committed(steps: &[Step]) -> Vec<Record> {
    let end_of = |producer: &str, from: usize| {
        steps[from..].iter().find_map(|step| match step {
            Step::Transaction { producer: of, what } if of == producer && *what != Transaction::Begin => Some(*what),
            _ => None,
        })
    };
    let seen = steps.iter().enumerate().filter_map(|(at, step)| match step {
        Step::Send(record) => Some(record),
        Step::SendIn { producer, record } if end_of(producer, at) == Some(Transaction::Commit) => Some(record),
        _ => None,
    });
    seen.cloned().collect()
}

/// Keys that are overwritten repeatedly and deleted by tombstones, for a compacted topic.
pub fn overwritten_keys(seed: u64, partitions: i32, rounds: usize) -> Vec<Record> {
    let random = &mut StdRng::seed_from_u64(seed);
    let mut records = Vec::new();
    for round in 0..rounds {
        for key in 0..20 {
            let record = Record::new(key % partitions, NOW + round as i64).key(format!("key-{key}"));
            let deleted = round + 1 == rounds && key % 5 == 0;
            records.push(if deleted { record } else { record.value(format!("round {round}: {}", random.random::<u64>())) });
        }
    }
    records
}

fn one_of_each(partition: i32, random: &mut StdRng) -> Vec<Record> {
    let record = |timestamp| Record::new(partition, timestamp);
    let full = || record(NOW).key("key").value("value");
    let many = (0..200).fold(full(), |record, n| record.header(format!("h{}", n % 50), Some(n.to_string().as_bytes())));
    vec![
        record(NOW),
        record(NOW).key(""),
        record(NOW).value(""),
        record(NOW).key("").value(""),
        record(NOW).key("a tombstone"),
        record(NOW).value("a value without a key"),
        record(NOW).key([0]).value([0, 0, 0]),
        record(NOW).key([0xff, 0xfe, 0x80]).value([0xc3, 0x28]),
        record(NOW).key("schlüssel 鍵 🔑").value("línea una\nlínea dos\r\n\0\u{feff}\"{}\\"),
        record(NOW).key(noise(LARGE, random)).value("a large key"),
        record(NOW).key("a large value").value(noise(LARGE, random)),
        record(NOW).key(noise(LARGE, random)).value(vec![b'x'; LARGE]),
        full().header("twice", Some(b"1")).header("other", Some(b"2")).header("twice", Some(b"3")).header("twice", Some(b"1")),
        full().header("null", None).header("empty", Some(b"")).header("null", None),
        full().header("", Some(b"empty key")).header("", None).header("", Some(b"")),
        full().header([0xff, 0x00, 0xfe], Some(b"not UTF-8")).header([0xc3, 0x28], None),
        full().header("ключ 🔑", Some(&[0xff, 0x00])),
        full().header("large", Some(&noise(100_000, random))),
        many,
        record(1).key("the second millisecond of 1970"),
        record(946_684_800_000).key("2000-01-01"),
        record(NOW - 1).key("earlier than the ones before"),
        record(NOW + 86_400_000).key("later than the ones behind"),
    ]
}

fn mixture(partition: i32, random: &mut StdRng) -> Record {
    let mut record = Record::new(partition, NOW - random.random_range(0..100_000_000_000));
    record.key = maybe(random).map(|bytes| bytes.into());
    record.value = maybe(random).map(|bytes| bytes.into());
    for _ in 0..[0, 0, 1, 2, 5][random.random_range(0..5)] {
        let key = ["a", "b", "", "trace-id", "ключ"][random.random_range(0..5)];
        record = record.header(key, maybe(random).as_deref());
    }
    record
}

/// Null, empty, text or noise of up to 2,000 bytes.
fn maybe(random: &mut StdRng) -> Option<Vec<u8>> {
    match random.random_range(0..6) {
        0 => None,
        1 => Some(Vec::new()),
        2 | 3 => Some(format!("{{\"id\":{},\"state\":\"delivered\"}}", random.random_range(0..1_000_000)).into_bytes()),
        _ => {
            let len = random.random_range(1..2_000);
            Some(noise(len, random))
        }
    }
}

fn noise(len: usize, random: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; len];
    random.fill_bytes(&mut bytes);
    bytes
}

fn shuffle(records: &mut [Record], random: &mut StdRng) {
    for at in (1..records.len()).rev() {
        records.swap(at, random.random_range(0..=at));
    }
}
