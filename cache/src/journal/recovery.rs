//! Recovery: what stands in a directory, and whether it may be believed.

use std::fs::File;
use std::io;
use std::path::Path;

use super::codec::{self, Undecodable};
use super::fold::Fold;
use super::frame::{Broken, Frames, Source, end_of_data};
use super::header::{BLOCK, Header};
use super::sealer::Secrecy;
use super::state::State;

/// Why a journal says nothing: whatever the disk holds is not to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is none.
    NoJournal,
    /// Another version wrote it, or something else.
    OtherFormat,
    /// The machine was restarted since, and nothing is synced.
    OtherBoot,
    /// Something could not be written to it.
    Poisoned,
    /// It is not what was written.
    Damaged,
    /// Its first snapshot was never finished.
    Unfinished,
    /// Its names are sealed with another key, or with none where there should be one.
    OtherKey,
    /// It cannot be read.
    Unreadable,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::NoJournal,
        Self::OtherFormat,
        Self::OtherBoot,
        Self::Poisoned,
        Self::Damaged,
        Self::Unfinished,
        Self::OtherKey,
        Self::Unreadable,
    ];

    /// A word for logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NoJournal => "no_journal",
            Self::OtherFormat => "other_format",
            Self::OtherBoot => "other_boot",
            Self::Poisoned => "poisoned",
            Self::Damaged => "damaged",
            Self::Unfinished => "unfinished",
            Self::OtherKey => "other_key",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What a journal was found to say.
#[derive(Debug)]
pub enum Recovery {
    /// Nothing: a fresh one was begun, under a fresh seed for a fresh store.
    Cold(Reason),
    /// Everything that was acknowledged, and perhaps some that was not.
    Warm(Box<State>),
}

/// A journal that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) header: Header,
    pub(super) state: State,
    /// Where its last whole frame ends.
    pub(super) tail: u64,
    /// The end of what is not zero.
    pub(super) end: u64,
    pub(super) chain: u32,
    pub(super) length: u64,
}

impl From<Broken> for Reason {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Damaged => Self::Damaged,
            Broken::Unreadable => Self::Unreadable,
        }
    }
}

impl From<Undecodable> for Reason {
    fn from(undecodable: Undecodable) -> Self {
        match undecodable {
            Undecodable::Malformed => Self::Damaged,
            Undecodable::UnknownKind => Self::OtherFormat,
            Undecodable::Unopened => Self::OtherKey,
        }
    }
}

/// Opens and reads the journal at `path`.
pub(super) fn read_file(path: &Path, boot: [u8; 16], secrecy: &Secrecy) -> Result<(File, Read), Reason> {
    let open = File::options().read(true).write(true).open(path);
    let file = open.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Reason::NoJournal,
        _ => Reason::Unreadable,
    })?;
    let length = file.metadata().map_err(|_| Reason::Unreadable)?.len();
    let read = read(&file, length, boot, secrecy)?;
    Ok((file, read))
}

/// Reads a journal of `length` bytes. The store's incarnation is taken from it.
pub(super) fn read<S: Source + ?Sized>(
    source: &S,
    length: u64,
    boot: [u8; 16],
    secrecy: &Secrecy,
) -> Result<Read, Reason> {
    let mut block = [0; BLOCK];
    if length < BLOCK as u64 {
        return Err(Reason::Damaged);
    }
    let unreadable = |_| Reason::Unreadable;
    source.read_exact_at(&mut block, 0).map_err(unreadable)?;
    let (header, said) = Header::decode(&block)?;
    if header.boot != boot {
        return Err(Reason::OtherBoot);
    }
    if header.is_sealed != secrecy.sealer.is_some() {
        return Err(Reason::OtherKey);
    }
    if length < said {
        return Err(Reason::Damaged);
    }
    let secrecy = Secrecy { incarnation: header.incarnation, ..secrecy.clone() };
    let end = end_of_data(source, BLOCK as u64, length).map_err(unreadable)?;
    let mut frames = Frames::new(source, BLOCK as u64, end, header.chain);
    let mut fold = Fold::default();
    let mut plain = Vec::new();
    while let Some(frame) = frames.next()? {
        let entry = codec::decode(frame.kind, frame.body, &secrecy, &mut plain)?;
        fold.apply(&entry).map_err(|_| Reason::Damaged)?;
    }
    let (tail, chain) = (frames.at(), frames.chain());
    let state = fold.finish(end.saturating_sub(tail)).ok_or(Reason::Unfinished)?;
    Ok(Read { header, state, tail, end, chain, length })
}
