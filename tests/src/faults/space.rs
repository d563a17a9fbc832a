//! A disk of a given size: what is taken, and how much of a write fits.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{StatVfs, statvfs};

use super::Errno;
use super::fault::Kind;
use super::rule::Plan;
use super::tree::{Open, Tree};

/// What `st_blocks` counts in.
const SECTOR: u64 = 512;

/// Bytes that the files of a directory and of those in it take.
fn taken(directory: &Path) -> u64 {
    let Ok(entries) = directory.read_dir() else { return 0 };
    // What goes while this looks takes nothing.
    let bytes = entries.flatten().filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some(if metadata.is_dir() { taken(&entry.path()) } else { metadata.blocks() * SECTOR })
    });
    bytes.sum()
}

impl Tree {
    /// How many of `length` bytes at `offset` there is room for: all of them, or the first few, or `ENOSPC`.
    pub(super) fn fits(&self, plan: &Plan, open: &Open, offset: u64, length: u64) -> io::Result<u64> {
        let Some(rule) = &plan.full else { return Ok(length) };
        let Kind::Full(bytes) = rule.fault.kind else { return Ok(length) };
        // Holes are taken for room that the file has, unless it has less than lies before them.
        let has = open.file.metadata()?.blocks() * SECTOR;
        let needs = (offset + length).saturating_sub(has).min(length);
        let lacks = needs.saturating_sub(bytes.saturating_sub(taken(self.root())));
        if lacks == 0 {
            return Ok(length);
        }
        rule.count();
        if lacks < length { Ok(length - lacks) } else { Err(Errno::NOSPC.into()) }
    }

    /// What there is beneath, or on the disk of a given size.
    pub(super) fn room(&self) -> io::Result<StatVfs> {
        let mut room = statvfs(self.root())?;
        if let Some(bytes) = self.rules().full_bytes() {
            let unit = room.f_frsize.max(1);
            room.f_blocks = bytes / unit;
            room.f_bfree = room.f_bfree.min(bytes.saturating_sub(taken(self.root())) / unit);
            room.f_bavail = room.f_bavail.min(room.f_bfree);
        }
        Ok(room)
    }
}
