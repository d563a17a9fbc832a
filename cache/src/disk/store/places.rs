//! Where segments lie in the files, so that what is in the page cache is read on the spot.
//!
//! Foyer reads whole segments on another thread. A hit wants one entry, and two wake-ups cost several times what copying it
//! does. Foyer does not say where a segment lies; its files do: each block is a row of runs, and a run begins with a page that names its segments. What is read by that
//! must prove itself, by foyer's checksum and the segment's id, or by the entry's own checksum, which covers them. If anything is not as expected, foyer is asked, whose index
//! alone says what there is.
//!
//! ```text
//! page:  checksum  count  | hash  sequence  offset  length | ...      all big-endian, offsets from the page's beginning
//!        8         4      | 8     8         4       4
//! entry: key length  value length  hash  sequence  checksum  magic | value | incarnation  number (little-endian)
//!        4           4             8     8         8         4
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, Bytes};
use parking_lot::{Mutex, RwLock};
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, preadv2};
use twox_hash::XxHash64;

use super::files::Changes;
use super::shape::{BLOB_INDEX, PAGE, Shape};
use crate::disk::segment::Identity;
use crate::disk::segment::parse::is_proven;
use crate::layout::Span;

/// What is longer would keep a worker too long.
const AT_ONCE_MAX: usize = 256 << 10;
const MAGIC: u32 = 0x9703_2700;
const HEADER: usize = 36;
const ID: usize = 16;
/// Bytes before the first name in a page, and of each.
const PAGE_HEADER: usize = 12;
const NAME: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    block: u16,
    /// Pages from the block's beginning.
    page: u32,
    bytes: u32,
}

#[derive(Debug)]
pub(super) struct Places {
    incarnation: u64,
    shape: Shape,
    files: Arc<[File]>,
    map: RwLock<HashMap<u64, Place>>,
    changes: Mutex<Changes>,
    /// Whether the file system can say "not in the page cache" instead of waiting.
    is_able: AtomicBool,
}

impl Places {
    pub(super) fn new(incarnation: u64, shape: Shape, files: Arc<[File]>) -> Self {
        for file in &*files {
            // What lies around an entry is somebody else's; where this is not known, more is read than need be.
            let _ = fadvise(file, 0, None, Advice::Random);
        }
        let changes = Mutex::new(Changes::new(files.clone()));
        Self { incarnation, shape, files, map: RwLock::default(), changes, is_able: AtomicBool::new(true) }
    }

    /// Looks at the blocks that were written to since the last time.
    pub(super) fn learn(&self, has: impl Fn(u64) -> bool) -> io::Result<()> {
        let mut changes = self.changes.lock();
        let mut found = Vec::new();
        changes.each(|block, file| self.scan(block, file, &mut found))?;
        let mut map = self.map.write();
        // Never more than there can be: forgetting was missed, and what is missing is read by foyer.
        if map.len() + found.len() > 2 * self.shape.bytes() / PAGE {
            map.clear();
        }
        map.extend(found.into_iter().filter(|(number, _)| has(*number)));
        Ok(())
    }

    fn scan(&self, block: usize, file: &File, found: &mut Vec<(u64, Place)>) -> io::Result<()> {
        each_name(file, self.shape, self.incarnation, |Named { number, at, bytes, .. }| {
            // A block has fewer than 2^20 pages, and there are at most 250 blocks.
            found.push((number, Place { block: block as u16, page: (at / PAGE) as u32, bytes }));
        })
    }

    /// In which block a segment lies, and where in it.
    pub(super) fn of(&self, number: u64) -> Option<(usize, usize)> {
        let place = *self.map.read().get(&number)?;
        Some((usize::from(place.block), place.page as usize * PAGE))
    }

    /// Bytes that a segment takes, if its place is known.
    pub(super) fn bytes_of(&self, number: u64) -> Option<usize> {
        self.map.read().get(&number).map(|place| place.bytes as usize)
    }

    pub(super) fn forget(&self, number: u64) {
        self.map.write().remove(&number);
    }

    /// The segment's bytes, if its place is known and all of it lies in the page cache.
    pub(super) fn read(&self, number: u64) -> Option<Bytes> {
        let place = *self.map.read().get(&number)?;
        if place.bytes as usize > AT_ONCE_MAX {
            return None;
        }
        let bytes = self.read_cached(place, 0, place.bytes as usize)?;
        proven(self.incarnation, number, &bytes)
    }

    /// An entry's bytes, if its place is known and it lies in the page cache; if not, the kernel begins to read it.
    pub(super) fn read_span_cached(&self, number: u64, span: Span) -> Option<Bytes> {
        let (place, from) = self.place_of(number, span)?;
        self.proven_entry(number, self.read_cached(place, from, span.bytes as usize)?)
    }

    /// An entry's bytes, if its place is known. Waits for the disk.
    pub(super) fn read_span(&self, number: u64, span: Span) -> Option<Bytes> {
        let (place, from) = self.place_of(number, span)?;
        let mut bytes = vec![0; span.bytes as usize];
        self.file(place)?.read_exact_at(&mut bytes, Self::at(place) + from as u64).ok()?;
        self.proven_entry(number, bytes.into())
    }

    /// Has the kernel begin to read an entry, where it does not when asked for what is cached.
    pub(super) fn announce(&self, number: u64, span: Span) {
        if self.is_able.load(Ordering::Relaxed) {
            return;
        }
        if let Some((place, from)) = self.place_of(number, span)
            && let Some(file) = self.file(place)
        {
            let length = std::num::NonZeroU64::new(u64::from(span.bytes));
            // If it does not, entries are read one after the other.
            let _ = fadvise(file, Self::at(place) + from as u64, length, Advice::WillNeed);
        }
    }

    /// Where an entry lies: in which segment's place, and behind so many bytes of it.
    fn place_of(&self, number: u64, span: Span) -> Option<(Place, usize)> {
        let place = *self.map.read().get(&number)?;
        let from = HEADER + span.from as usize;
        (from + span.bytes as usize + ID <= place.bytes as usize).then_some((place, from))
    }

    fn proven_entry(&self, number: u64, bytes: Bytes) -> Option<Bytes> {
        is_proven(&bytes, Identity { incarnation: self.incarnation, number }).then_some(bytes)
    }

    fn file(&self, place: Place) -> Option<&File> {
        self.files.get(usize::from(place.block))
    }

    fn at(place: Place) -> u64 {
        u64::from(place.page) * PAGE as u64
    }

    fn read_cached(&self, place: Place, from: usize, length: usize) -> Option<Bytes> {
        if !self.is_able.load(Ordering::Relaxed) {
            return None;
        }
        let file = self.file(place)?;
        let mut bytes = vec![0; length];
        let at = Self::at(place) + from as u64;
        match preadv2(file, &mut [IoSliceMut::new(&mut bytes)], at, ReadWriteFlags::NOWAIT) {
            Ok(read) if read == bytes.len() => Some(bytes.into()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => {
                self.is_able.store(false, Ordering::Relaxed);
                None
            }
            _ => None,
        }
    }
}

/// The value of an entry that is whole and has this number.
fn proven(incarnation: u64, number: u64, bytes: &Bytes) -> Option<Bytes> {
    let (mut header, rest) = bytes.split_at_checked(HEADER)?;
    let (key, value) = (header.get_u32() as usize, header.get_u32() as usize);
    header.advance(16);
    let (checksum, magic) = (header.get_u64(), header.get_u32());
    if magic != MAGIC || key != ID || value.checked_add(ID)? != rest.len() {
        return None;
    }
    let mut id = &rest[value..];
    let is_it = id.get_u64_le() == incarnation && id.get_u64_le() == number;
    (is_it && XxHash64::oneshot(0, rest) == checksum).then(|| bytes.slice(HEADER..HEADER + value))
}

/// What a segment was stored as, from a place in a block.
pub(super) fn read_from(file: &File, incarnation: u64, number: u64, at: usize, length: u32) -> Option<Bytes> {
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, at as u64).ok()?;
    proven(incarnation, number, &bytes.into())
}

/// What a block says of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) number: u64,
    /// Greater than that of all that was written before, by whichever process.
    pub(super) sequence: u64,
    /// Where it begins in the block,
    pub(super) at: usize,
    /// and its bytes.
    pub(super) bytes: u32,
}

/// Calls `each` with every segment that a block names.
pub(super) fn each_name(
    file: &File,
    shape: Shape,
    incarnation: u64,
    mut each: impl FnMut(Named),
) -> io::Result<()> {
    let mut page = [0; BLOB_INDEX];
    let mut at = 0;
    while at + BLOB_INDEX <= shape.block {
        file.read_exact_at(&mut page, at as u64)?;
        let (checksum, sealed) = page.split_at(8);
        if XxHash64::oneshot(0, sealed).to_be_bytes() != checksum {
            return Ok(());
        }
        let count = (&page[8..]).get_u32() as usize;
        let names = page[PAGE_HEADER..].chunks_exact(NAME).take(count);
        let mut next = 0;
        for mut name in names {
            let (number, sequence) = (name.get_u64() ^ incarnation, name.get_u64());
            let (offset, bytes) = (name.get_u32(), name.get_u32());
            next = (offset as usize + bytes as usize).next_multiple_of(PAGE);
            each(Named { number, sequence, at: at + offset as usize, bytes });
        }
        if next == 0 {
            return Ok(());
        }
        at += next;
    }
    Ok(())
}
