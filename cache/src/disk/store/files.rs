//! The directory of the store: files reserved before they are used, and pushed out after.
//!
//! Foyer keeps a block in a file and would make all of them itself, but sparse: the first write that finds the disk full ends
//! its writer for good. So the files are there, with all their bytes, before it looks for them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate, statfs};
use rustix::io::Errno;

use super::OpenError;
use super::shape::{PAGE, Shape};
use crate::clock::wall_nanos;

/// What foyer calls its files, a number of eight digits behind it.
const PREFIX: &str = "foyer-storage-direct-fs-";
/// File systems that are memory.
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
/// Bytes of zeros written at once where a file system cannot reserve.
const ZEROS: usize = 1 << 20;
/// The clock of files moves at least once in this time.
const TICK: Duration = Duration::from_millis(10);

/// What the blocks held when the directory was opened.
#[derive(Debug)]
pub(super) struct Blocks {
    /// All of them, for reading.
    pub(super) files: Arc<[File]>,
    /// Blocks that hold something, the one first that was written longest ago.
    pub(super) by_age: Vec<u32>,
    /// Of those that had to be emptied, what counts, as it was stored.
    pub(super) rescued: Vec<(u64, Bytes)>,
}

/// What a block is worth, and when it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    /// The greater, the later. (Foyer sets the length of each file when it opens it, so that their times say nothing.)
    pub(super) written: u64,
    /// How much of it still counts.
    pub(super) worth: u64,
}

/// What is to be known of what lies in blocks.
pub(super) trait Content {
    /// How many blocks are to be without content.
    fn empty_min(&self) -> usize;
    /// What a block is worth, and when it was written.
    fn weigh(&self, file: &File) -> Weight;
    /// What counts of it, as far as it is to be rescued.
    fn rescue(&self, file: &File) -> Vec<(u64, Bytes)>;
}

/// Makes the directory ready for foyer: every file in its full length and reserved, some without content.
pub(super) fn prepare(
    directory: &Path,
    shape: Shape,
    wipe: bool,
    content: &impl Content,
) -> Result<Blocks, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let kind = statfs(directory).map_err(io::Error::from)?.f_type as u64;
    if matches!(kind, TMPFS | RAMFS) {
        return Err(OpenError::Tmpfs);
    }
    if wipe || !fits(directory, shape)? {
        remove_all(directory)?;
    }
    reserve_all(directory, shape)?;
    written(directory, shape, content)
}

/// Reserves every file; if one cannot be, those that were created go again.
pub(super) fn reserve_all(directory: &Path, shape: Shape) -> Result<(), OpenError> {
    let mut created = Vec::new();
    let reserved =
        (0..shape.blocks).try_for_each(|block| reserve(&path(directory, block), shape, &mut created));
    if let Err(error) = reserved {
        for path in created {
            fs::remove_file(path)?;
        }
        return Err(error);
    }
    Ok(())
}

/// The file of a block.
pub(super) fn path(directory: &Path, block: usize) -> PathBuf {
    directory.join(format!("{PREFIX}{block:08}"))
}

fn ours(directory: &Path) -> io::Result<impl Iterator<Item = fs::DirEntry>> {
    let entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries
        .into_iter()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())))
}

/// Whether the files that are there are some of those that this shape wants. A block cut otherwise is another block.
fn fits(directory: &Path, shape: Shape) -> io::Result<bool> {
    let wanted: Vec<_> = (0..shape.blocks).map(|block| path(directory, block)).collect();
    for entry in ours(directory)? {
        let metadata = entry.metadata()?;
        // A file of another length was cut off: it can be lengthened, what is missing does not pass for what it was.
        let is_whole = metadata.is_file() && metadata.len() <= shape.block as u64;
        if !is_whole || wanted.binary_search(&entry.path()).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes the files of all blocks.
fn remove_all(directory: &Path) -> io::Result<()> {
    ours(directory)?.try_for_each(|entry| fs::remove_file(entry.path()))
}

/// Makes a file as long as a block, with all its bytes set aside.
fn reserve(path: &Path, shape: Shape, created: &mut Vec<PathBuf>) -> Result<(), OpenError> {
    let is_new = !path.exists();
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if is_new {
        created.push(path.to_owned());
    }
    let metadata = file.metadata()?;
    let length = shape.block as u64;
    if metadata.len() == length && metadata.blocks() * 512 >= length {
        return Ok(());
    }
    let done = match fallocate(&file, FallocateFlags::empty(), 0, length) {
        // What was there is kept, what follows is zeros.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(&file, metadata.len(), length),
        done => done.map_err(io::Error::from),
    };
    done.map_err(|error| match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => OpenError::NoRoom,
        _ => OpenError::Io(error),
    })
}

fn write_zeros(file: &File, mut from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS];
    while from < to {
        let step = ZEROS.min(usize::try_from(to - from).unwrap_or(ZEROS));
        file.write_all_at(&zeros[..step], from)?;
        from += step as u64;
    }
    Ok(())
}

/// Which blocks hold something.
///
/// Foyer takes a block again only when another one is full, and after a crash none may be empty: then its first write would
/// wait for ever. And where it has one only it reclaims the oldest before anybody could move what counts of it. So blocks of
/// which nothing counts are emptied, and if those are too few, those of which least does; of equals, the oldest.
fn written(directory: &Path, shape: Shape, content: &impl Content) -> Result<Blocks, OpenError> {
    let mut files = Vec::new();
    let mut blocks: Vec<(Weight, u32)> = Vec::new();
    let mut page = vec![0; PAGE];
    for block in 0..shape.blocks {
        let file = File::open(path(directory, block))?;
        file.read_exact_at(&mut page, 0)?;
        if page.iter().any(|byte| *byte != 0) {
            // There are at most 250.
            blocks.push((content.weigh(&file), block as u32));
        }
        files.push(file);
    }
    blocks.sort_unstable();
    let mut by_age: Vec<u32> = blocks.iter().map(|(_, block)| *block).collect();
    blocks.sort_by_key(|(weight, _)| weight.worth);
    let mut rescued = Vec::new();
    for (Weight { worth, .. }, block) in blocks {
        if worth > 0 && by_age.len() + content.empty_min() <= shape.blocks {
            break;
        }
        if worth > 0 {
            rescued.extend(content.rescue(&files[block as usize]));
        }
        let file = OpenOptions::new().write(true).open(path(directory, block as usize))?;
        file.write_all_at(&vec![0; PAGE], 0)?;
        by_age.retain(|other| *other != block);
    }
    Ok(Blocks { files: files.into(), by_age, rescued })
}

/// Which files were written to since they were last looked at.
#[derive(Debug)]
pub(super) struct Changes {
    files: Arc<[File]>,
    seen: Vec<Option<SystemTime>>,
}

impl Changes {
    pub(super) fn new(files: Arc<[File]>) -> Self {
        let seen = vec![None; files.len()];
        Self { files, seen }
    }

    /// Calls `look` for each block that changed.
    ///
    /// Foyer does not say which block it writes to; the times of the files do.
    pub(super) fn each(&mut self, mut look: impl FnMut(usize, &File) -> io::Result<()>) -> io::Result<()> {
        // Before any of the times is read.
        let now = UNIX_EPOCH + Duration::from_nanos(u64::try_from(wall_nanos()).unwrap_or(0));
        for (block, (file, seen)) in self.files.iter().zip(&mut self.seen).enumerate() {
            let modified = file.metadata()?.modified()?;
            if *seen == Some(modified) {
                continue;
            }
            look(block, file)?;
            // The clock of files is coarse: what follows at once may have the same time.
            *seen = (modified + TICK < now).then_some(modified);
        }
        Ok(())
    }
}

/// Writes files to the device and lets go of their page cache.
#[derive(Debug)]
pub(super) struct Pusher(Changes);

impl Pusher {
    pub(super) fn new(files: Arc<[File]>) -> Self {
        Self(Changes::new(files))
    }

    /// Pushes out what was written since the last time.
    pub(super) fn push(&mut self) -> io::Result<()> {
        self.0.each(|_, file| {
            file.sync_data()?;
            Ok(fadvise(file, 0, None, Advice::DontNeed)?)
        })
    }
}
