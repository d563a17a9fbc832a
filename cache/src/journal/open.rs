//! Opening: the journal that is there is continued or, if it is not to be believed, another begun.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8};

use parking_lot::Mutex;

use super::begin::write_roots;
use super::header::Header;
use super::io::{Io, Real};
use super::log::{Log, STEP};
use super::record::{Record, sealed_bytes};
use super::recovery::{Read, Reason, Recovery, read_file};
use super::sealer::{Sealer, Secrecy};
use super::state::Roots;
use super::statistics::Counters;
use super::{Failed, HEALTHY, Journal, Pending, Writer};

/// The file in its directory.
pub const NAME: &str = "journal";
/// Becomes the journal by being renamed.
const NAME_NEW: &str = "journal.new";
/// What a journal may at least grow to.
pub const SIZE_MIN: u64 = STEP;

/// Zero is left for what is older than any record.
const FIRST_SEQUENCE: u64 = 1;

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The file's length at most; at least [`SIZE_MIN`] is allowed. What does not fit is a write that fails.
    pub max_bytes: u64,
    /// How many databases there are. Each has an incarnation from the beginning; one that was not there before gets a fresh one.
    pub databases: u16,
    /// How many parts keys are divided among where the journal is begun.
    pub parts: u16,
    /// Seals names and control values, if given.
    pub sealer: Option<Arc<dyn Sealer>>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { max_bytes: 256 << 20, databases: 16, parts: 1, sealer: None }
    }
}

/// Why there is no journal at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The kernel does not say which boot this is. A later start will not believe what was there.
    #[error("the boot id cannot be read: {0}")]
    Boot(io::Error),
    /// Neither can the one that is there be continued nor another be begun. A later start will not believe it.
    #[error("the journal cannot be written: {0}")]
    Write(io::Error),
    /// As before, but a later start may believe the one that is there: nothing may be acknowledged meanwhile.
    #[error("the journal can neither be written nor be invalidated: {0}")]
    Unsafe(io::Error),
}

impl Journal {
    /// Opens the journal of a directory or begins one. Nobody else may have it open.
    ///
    /// # Errors
    /// If it cannot be written to.
    pub fn open(directory: &Path, options: OpenOptions) -> Result<(Self, Recovery), OpenError> {
        let boot = boot_id().map_err(|error| match give_up(&Real, &directory.join(NAME), error) {
            OpenError::Write(error) => OpenError::Boot(error),
            other => other,
        })?;
        Self::open_with(directory, options, boot, Box::new(Real))
    }

    pub(super) fn open_with(
        directory: &Path,
        options: OpenOptions,
        boot: [u8; 16],
        io: Box<dyn Io>,
    ) -> Result<(Self, Recovery), OpenError> {
        let (path, path_new) = (directory.join(NAME), directory.join(NAME_NEW));
        let max = options.max_bytes.max(SIZE_MIN);
        let mut secrecy = Secrecy { sealer: options.sealer, incarnation: 0 };
        let found = read_file(&path, boot, &secrecy).and_then(|(file, read)| {
            let Read { header, state, tail, end, chain, length } = read;
            let log = Log::resume(file, tail, chain, length, max);
            // What was cut short gives way to what is written next.
            log.clear(&*io, end).map_err(|_| Reason::Unreadable)?;
            Ok((header, log, state))
        });
        let (header, log, mut recovery, roots, next_sequence) = match found {
            Ok((header, log, state)) => {
                let (roots, next) = (state.roots.clone(), state.next_sequence);
                (header, log, Recovery::Warm(Box::new(state)), roots, next)
            }
            Err(reason) => {
                let mut roots = Roots::default();
                for (number, incarnation) in roots.missing(options.databases) {
                    roots.apply(&Record::Database { number, incarnation });
                }
                let begin = || {
                    let header = fresh_header(boot, secrecy.sealer.is_some(), options.parts)?;
                    let mut log = Log::create(&*io, &path_new, &header, max)?;
                    write_roots(&*io, &mut log, &roots, FIRST_SEQUENCE)?;
                    io.rename(&path_new, &path)?;
                    Ok((header, log))
                };
                let (header, log) = begin().map_err(|error| give_up(&*io, &path, error))?;
                (header, log, Recovery::Cold(reason), roots, FIRST_SEQUENCE)
            }
        };
        secrecy.incarnation = header.incarnation;
        let counters = Counters::new(log.tail);
        let pending = Pending { buffer: Vec::new(), next_sequence, roots, is_on: true, is_broken: false };
        let journal = Self {
            io,
            path,
            path_new,
            header,
            secrecy,
            max,
            pending: Mutex::new(pending),
            outstanding: AtomicBool::new(false),
            health: AtomicU8::new(HEALTHY),
            writer: Mutex::new(Writer { log, spare: Vec::new(), is_compacting: false, failure: None }),
            counters,
        };
        if let Recovery::Warm(state) = &mut recovery {
            // What a compaction that was cut short has left.
            let _ = std::fs::remove_file(&journal.path_new);
            journal.counters.found_living(state.segments.iter().map(|s| sealed_bytes(s.dead.len())).sum());
            journal.append(&Record::Opened);
            for (number, incarnation) in state.roots.missing(options.databases) {
                let record = Record::Database { number, incarnation };
                state.roots.apply(&record);
                journal.append(&record);
            }
            state.next_sequence = journal.next_sequence();
            if let Err(failed) = journal.commit() {
                let error = journal.failure().unwrap_or(io::ErrorKind::Other).into();
                return Err(match failed {
                    Failed::Poisoned => OpenError::Write(error),
                    Failed::Unsafe => OpenError::Unsafe(error),
                });
            }
        }
        Ok((journal, recovery))
    }
}

fn boot_id() -> io::Result<[u8; 16]> {
    let text = std::fs::read("/proc/sys/kernel/random/boot_id")?;
    let mut id = [0; 16];
    let digits = text.iter().filter_map(|&digit| char::from(digit).to_digit(16));
    digits.take(32).enumerate().for_each(|(i, digit)| id[i / 2] = id[i / 2] << 4 | digit as u8);
    Ok(id)
}

/// Removes what a later start might believe after others have acknowledged changes without a journal.
fn give_up(io: &dyn Io, path: &Path, error: io::Error) -> OpenError {
    match io.unlink(path) {
        Ok(()) => OpenError::Write(error),
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => OpenError::Write(error),
        Err(_) => OpenError::Unsafe(error),
    }
}

fn fresh_header(boot: [u8; 16], is_sealed: bool, parts: u16) -> io::Result<Header> {
    let mut random = [0; 28];
    let mut filled = 0;
    while filled < random.len() {
        filled += rustix::rand::getrandom(&mut random[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    let mut seed = [0; 16];
    seed.copy_from_slice(&random[..16]);
    let word = |at: usize| random[at..at + 4].iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
    let incarnation = u64::from(word(16)) << 32 | u64::from(word(20));
    Ok(Header { boot, seed, incarnation, chain: word(24), is_sealed, parts })
}
