//! The slow log: which commands took long, without the values they carried.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// Arguments kept of a command
const ARGUMENTS_MAX: usize = 32;
/// and bytes of each, as in Redis.
const ARGUMENT_BYTES_MAX: usize = 128;

/// One slow command.
#[derive(Clone, Debug)]
pub struct Slow {
    /// Its number, rising since the start.
    pub id: u64,
    /// When it ran, in Unix seconds.
    pub unix_s: i64,
    /// How long it took.
    pub micros: u64,
    /// Name and keys as they were, other arguments as their length.
    pub arguments: Vec<Vec<u8>>,
    /// Who sent it.
    pub address: String,
    /// What that client calls itself.
    pub name: String,
}

/// The latest slow commands, newest first.
#[derive(Debug, Default)]
pub struct SlowLog {
    next: AtomicU64,
    entries: Mutex<VecDeque<Slow>>,
}

/// Commands kept at most.
const ENTRIES_MAX: usize = 10_000;

impl SlowLog {
    /// Adds a command; older ones over `max` go, and over [`ENTRIES_MAX`] whatever `max` says.
    pub fn add(&self, mut slow: Slow, max: usize) {
        slow.id = self.next.fetch_add(1, Relaxed);
        let mut entries = self.entries.lock();
        entries.push_front(slow);
        entries.truncate(max.min(ENTRIES_MAX));
    }

    /// The latest entries.
    #[must_use]
    pub fn latest(&self, count: usize) -> Vec<Slow> {
        self.entries.lock().iter().take(count).cloned().collect()
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.entries.lock().clear();
    }
}

/// What the slow log keeps of a command's arguments: values are told by their length alone.
#[must_use]
pub fn redact<'a>(
    args: impl ExactSizeIterator<Item = &'a [u8]>,
    is_told: impl Fn(usize) -> bool,
) -> Vec<Vec<u8>> {
    let count = args.len();
    let mut kept: Vec<Vec<u8>> = args
        .take(if count > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { ARGUMENTS_MAX })
        .enumerate()
        .map(|(place, arg)| match is_told(place) {
            true if arg.len() <= ARGUMENT_BYTES_MAX => arg.to_vec(),
            true => {
                let mut cut = arg[..ARGUMENT_BYTES_MAX].to_vec();
                cut.extend(format!("... ({} more bytes)", arg.len() - ARGUMENT_BYTES_MAX).bytes());
                cut
            }
            false => format!("({} bytes)", arg.len()).into_bytes(),
        })
        .collect();
    if count > ARGUMENTS_MAX {
        kept.push(format!("... ({} more arguments)", count - ARGUMENTS_MAX + 1).into_bytes());
    }
    kept
}
