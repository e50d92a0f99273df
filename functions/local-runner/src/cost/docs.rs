//! The docs have the tables that `local-runner cost` prints.
#![allow(clippy::unwrap_used)]

use clap::Parser;

use super::{CostArgs, Estimate, HEADINGS, estimates, objects, part, positive};
use crate::cost::prices::Prices;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const FILES: [(&str, &str); 3] =
    [("docs/cost.md", "both"), ("infra/terraform/modules/aws/README.md", "aws"), ("infra/terraform/modules/azure/README.md", "azure")];

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: CostArgs,
}

fn args(line: &str) -> CostArgs {
    Command::try_parse_from(std::iter::once("cost").chain(line.split_whitespace())).unwrap().args
}

fn printed(platform: &str) -> Vec<Estimate> {
    estimates(&args(&format!("--platform {platform}")), &Prices::read().unwrap()).unwrap()
}

fn markdown<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.join(" | "));
    [headings.map(str::to_owned), headings.map(|_| "---".to_owned())].into_iter().chain(rows).map(line).collect()
}

/// Compares the table of this name in a file with the printed one. UPDATE_DOCS replaces it.
fn check(file: &str, name: &str, table: &str) {
    let path = format!("{ROOT}/{file}");
    let written = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = written.split_once(&begin).unwrap_or_else(|| panic!("{file} has no line {begin}"));
    let (_, after) = rest.split_once(&end).unwrap();
    let generated = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, generated).unwrap();
    } else {
        assert!(written == generated, "{file} is older than the prices: UPDATE_DOCS=1 cargo test -p local-runner cost::docs");
    }
}

#[test]
fn the_readmes_have_the_table_of_the_command() {
    for (file, platform) in FILES {
        check(file, "cost", &markdown(HEADINGS, printed(platform).iter().map(Estimate::row)));
    }
}

#[test]
fn the_docs_have_the_cost_of_objects() {
    let estimates = printed("aws");
    check("docs/platforms.md", "objects", &markdown(objects::HEADINGS, estimates.iter().flat_map(Estimate::object_rows)));
}

#[test]
fn the_examples_cost_as_much_as_a_calculation_by_hand() {
    let totals: Vec<String> =
        estimates(&args(""), &Prices::read().unwrap()).unwrap().iter().map(|one| format!("{} {:.2}", one.platform, one.total)).collect();
    assert_eq!(totals, ["AWS 9.31", "Azure 6.06", "AWS 71.58", "Azure 32.74", "AWS 631.63", "Azure 260.78"]);
}

#[test]
fn options_replace_assumptions_of_the_file() {
    let prices = Prices::read().unwrap();
    let cost = |line: &str| estimates(&args(line), &prices).unwrap().remove(0);
    let usual = cost("--gb-per-day 50 --platform aws");
    assert_eq!((usual.topics, usual.partitions, usual.shards), (5.0, 48.0, 1.0));
    assert!((cost("--gb-per-day 50 --platform aws --keep-days 60").storage - usual.storage * 2.0).abs() < 1e-9);
    assert!((cost("--gb-per-day 50 --platform aws --stored-part 0.5").storage - usual.storage * 2.0).abs() < 1e-9);
    assert_eq!(cost("--gb-per-day 50 --platform aws --other-zone-part 0").traffic, 0.0);
    assert!(cost("--gb-per-day 50 --platform aws --memory 4").compute > usual.compute * 2.0);
    assert!(cost("--gb-per-day 50 --platform aws --partitions 96").requests > usual.requests);
    assert!(cost("--gb-per-day 50 --platform aws --interval 3600").requests < usual.requests);
    assert!(cost("--gb-per-day 50 --platform aws --record-bytes 100 --records-per-segment 10000").requests > usual.requests);
    let many =
        |topics: u32, most: u32| cost(&format!("--gb-per-day 50 --platform aws --topics {topics} --metrics-max-topics {most}")).monitoring;
    assert!(many(6, 50) > many(5, 50) && many(5, 50) > usual.monitoring);
    assert_eq!(many(50, 50), many(500, 50), "by topic only up to METRICS_MAX_TOPICS");
    assert!((cost("--gb-per-day 50 --platform aws --dashboard").monitoring - usual.monitoring - 3.0).abs() < 1e-9);
    assert_eq!(cost("--gb-per-day 50 --platform azure").platform, "Azure");
}

#[test]
fn an_impossible_workload_is_refused_with_a_possible_one() {
    let error = estimates(&args("--gb-per-day 20000"), &Prices::read().unwrap()).unwrap_err().to_string();
    assert!(error.contains("use --shards 8 or more"), "{error}");
    assert!(estimates(&args("--gb-per-day 20000 --shards 8"), &Prices::read().unwrap()).is_ok());
    assert!(estimates(&args("--interval 1"), &Prices::read().unwrap()).is_err());
    for bad in ["0", "-1", "NaN", "inf", "many"] {
        assert!(positive(bad).is_err(), "{bad}");
    }
    assert!(part("0").is_ok() && part("1.1").is_err());
}
