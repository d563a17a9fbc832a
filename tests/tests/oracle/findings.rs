//! What a kind of clients found: figures, the latest history of each key, and what cannot be explained by it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::AddAssign;

use super::moment::now;

/// Lines that are kept of a key.
const LINES: usize = 24;
/// Violations that are kept with their histories; more are counted.
const SHOWN: usize = 5;
/// Longer words are cut in histories.
const WORD: usize = 48;

/// Figures of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) reads: u64,
    pub(crate) hits: u64,
    pub(crate) hits_after_restart: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.unacknowledged += other.unacknowledged;
        self.reads += other.reads;
        self.hits += other.hits;
        self.hits_after_restart += other.hits_after_restart;
    }
}

/// One kind's findings.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) who: String,
    pub(crate) tally: Tally,
    pub(crate) violations: u64,
    shown: Vec<String>,
    histories: BTreeMap<String, VecDeque<String>>,
}

impl Findings {
    pub(crate) fn new(who: impl Into<String>) -> Self {
        Self {
            who: who.into(),
            tally: Tally::default(),
            violations: 0,
            shown: Vec::new(),
            histories: BTreeMap::new(),
        }
    }

    /// Adds a line to the history of a key.
    pub(crate) fn note(&mut self, key: &str, line: impl fmt::Display) {
        if !self.histories.contains_key(key) {
            self.histories.insert(key.to_owned(), VecDeque::new());
        }
        let lines = self.histories.get_mut(key).expect("it was put there");
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_string());
    }

    /// Notes what cannot be explained.
    pub(crate) fn violation(&mut self, key: &str, what: impl fmt::Display) {
        self.violations += 1;
        if self.shown.len() == SHOWN {
            return;
        }
        let mut text = format!("{}, {key}, {:.6?}: {what}", self.who, now());
        for line in self.histories.get(key).into_iter().flatten() {
            text.push_str("\n    ");
            text.push_str(line);
        }
        self.shown.push(text);
    }

    /// The first violations with the histories of their keys.
    pub(crate) fn shown(&self) -> &[String] {
        &self.shown
    }
}

/// The words of a command or a value, cut to what a line bears.
pub(crate) fn brief(words: &[impl AsRef<[u8]>]) -> String {
    let cut = |word: &[u8]| match word.get(..WORD) {
        Some(start) => format!("{}..({})", start.escape_ascii(), word.len()),
        None => word.escape_ascii().to_string(),
    };
    words.iter().map(|word| cut(word.as_ref())).collect::<Vec<_>>().join(" ")
}
