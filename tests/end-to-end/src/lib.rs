//! The harness of the end-to-end tests. The tests are in `tests/`, the scripts of the servers in
//! `../services/`, the programs with Kafka's own client in `../java/`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`services`] | which servers are available; a test without its server reports it, and fails under `CI=true` |
//! | [`kafka`] | topics created, filled and read with Kafka's own client and tools, never with ours |
//! | [`admin`] | what administrators and other programs do to a cluster |
//! | [`groups`] | consumer groups, and the other state of a cluster except records |
//! | [`cluster`] | a cluster for one test, whose brokers it may kill |
//! | [`record`] | a record as Kafka's own client sees it |
//! | [`old_formats`] | logs as brokers before Kafka 0.11 wrote them |
//! | [`awkward`] | records of every kind that has ever broken a backup |
//! | [`proxy`] | a proxy that makes a store's requests fail |
//! | [`runner`] | the program under test, its configuration files, and its death |
//! | [`function`] | the functions as processes |
//! | [`lambda`], [`azure`] | their platforms around them |
//! | [`tap`] | a proxy that records when the first bytes pass |
//! | [`http`] | the protocol of the platforms |
//! | [`round_trip`] | the main job, done twice |
//! | [`compare`] | source and copy, record for record |

pub mod admin;
pub mod awkward;
pub mod azure;
pub mod cluster;
pub mod compare;
pub mod function;
pub mod groups;
pub mod http;
pub mod kafka;
pub mod lambda;
pub mod old_formats;
pub mod proxy;
pub mod record;
pub mod round_trip;
pub mod runner;
pub mod services;
pub mod tap;
