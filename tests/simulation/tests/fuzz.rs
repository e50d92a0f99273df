//! No input, from any author, makes a reader panic, hang or use unbounded memory. The inputs are
//! those kept in `tests/fuzz/corpus`, and many changes of them, the same at every run.
//! `tests/fuzz/run` is the thorough test: libFuzzer, which sees what code an input reaches.
//!
//! `FUZZ_CHANGES=100000 cargo test -p simulation --test fuzz` tries as many changes for each
//! target.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use simulation::fuzz::TARGETS;

/// Edge values, as text and in bytes.
const EDGES: [i64; 12] = [0, 1, -1, 127, 128, 255, 65535, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN, 1 << 40];

#[test]
fn kept_inputs_and_changes_of_them() {
    let changes = std::env::var("FUZZ_CHANGES").ok().and_then(|count| count.parse().ok()).unwrap_or(3_000);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let kept: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        assert!(!kept.is_empty(), "no input is kept for {name}");
        kept.iter().for_each(|input| run(name, target, input));
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..changes {
            let mut input = kept[rng.random_range(0..kept.len())].clone();
            for _ in 0..rng.random_range(1..5) {
                change(&mut input, &kept, &mut rng);
            }
            run(name, target, &input);
        }
        println!("{name}: {} kept inputs, {changes} changes of them", kept.len());
    }
}

/// Runs one input. A failing input is written to a file, for inspection and for the corpus.
fn run(name: &str, target: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = catch_unwind(|| target(input)) {
        let file = std::env::temp_dir().join(format!("fuzz-{name}"));
        fs::write(&file, input).unwrap();
        println!("{name}: the input is in {}; put it into tests/fuzz/corpus/{name}", file.display());
        std::panic::resume_unwind(panic);
    }
}

fn change(input: &mut Vec<u8>, kept: &[Vec<u8>], rng: &mut SmallRng) {
    let at = rng.random_range(0..=input.len());
    let len = rng.random_range(0..=(input.len() - at).min(16));
    let edge = EDGES[rng.random_range(0..EDGES.len())];
    match rng.random_range(0..8) {
        0 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
        1 if at < input.len() => input[at] = rng.random(),
        2 => drop(input.drain(at..at + len)),
        3 => input.truncate(at),
        4 => drop(input.splice(at..at + len, edge.to_string().into_bytes())),
        5 => {
            let size = [1, 2, 4, 8][rng.random_range(0..4)];
            let end = input.len().min(at + size);
            drop(input.splice(at..end, edge.to_be_bytes()[8 - size..].to_vec()));
        }
        6 => {
            let piece = input[at..at + len].to_vec();
            let to = rng.random_range(0..=input.len());
            drop(input.splice(to..to, piece));
        }
        _ => {
            let other = &kept[rng.random_range(0..kept.len())];
            let from = rng.random_range(0..=other.len());
            let end = other.len().min(from + rng.random_range(0..64));
            drop(input.splice(at..at + len, other[from..end].to_vec()));
        }
    }
}
