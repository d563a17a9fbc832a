//! A client that fills memory, so that what the others keep goes to disk.

use crate::findings::Findings;
use crate::life::{Life, words};
use crate::random::Random;

const DATABASE: u32 = 15;
const KEYS: u64 = 1500;
const DEPTH: usize = 8;

pub(crate) fn live(life: &Life) -> Findings {
    let mut findings = Findings::new("ballast");
    let mut random = Random::of(life.seed, life.number, 600);
    let value = "b".repeat(16 << 10);
    let Some(mut client) = life.connect(DATABASE, &mut findings) else { return findings };
    while life.goes_on() {
        let sets: Vec<_> =
            (0..DEPTH).map(|_| words(&["SET", &random.below(KEYS).to_string(), &value])).collect();
        if !life.exchange(&mut client, &sets, &mut findings, |_, _, _, _| ()) {
            break;
        }
    }
    findings
}
