//! How many bytes of a volume the disk tier takes.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::statvfs;
use rustix::io::Errno;

use super::units::{approx_size, exact_size, size};

/// What an explicit `disk-size` may be, in bytes: what the engine can divide into files that are neither too small nor too
/// many.
pub(super) const BYTES: std::ops::RangeInclusive<u64> = 4 << 20..=1000 << 30;
/// The engine takes whole pages.
const PAGE: u64 = 4096;
/// The largest directory is a page under the upper bound: a file is shorter than 4 GiB, and there are at most 250.
const STORE_MAX: u64 = *BYTES.end() - PAGE;
/// What `auto` takes at most where no volume limit is given.
const AUTO_MAX: u64 = 1 << 30;
/// Of the volume, one part in this many stays free.
const FREE_PART: u64 = 5;
/// How the engine's files are called, or begin.
const OWN: [&str; 2] = ["foyer-storage-direct-fs-", "journal"];

/// How much of the volume the disk tier is to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskSize {
    /// A share of the volume.
    Auto,
    /// This many bytes, from 4 MiB to 1000 GiB.
    Bytes(u64),
}

impl DiskSize {
    /// Reads `auto` or a size.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("auto") { Ok(Self::Auto) } else { size(text, BYTES).map(Self::Bytes) }
    }
}

/// What [`DiskSize::parse`] reads.
impl fmt::Display for DiskSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Bytes(bytes) => f.write_str(&exact_size(*bytes)),
        }
    }
}

/// What the disk tier may take, and how that came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskRoom {
    /// Bytes for the files of entries together: whole pages, from 4 MiB to 1000 GiB less a page. The journal
    /// comes on top.
    pub bytes: u64,
    /// Words that follow "disk 819.1 MiB: ".
    pub origin: String,
}

/// A volume, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// All that its file system can hold.
    pub capacity: u64,
    /// What may still be written to it.
    pub free: u64,
    /// What the disk tier's files of an earlier run hold.
    pub own: u64,
}

/// What the disk tier may take of the volume that `directory` is on, or will be on once it is created.
///
/// # Errors
/// If less than 4 MiB remain, or the volume cannot be looked at: what is wrong and what to do, in a sentence.
pub fn disk_room(directory: &Path, size: DiskSize, volume_limit: Option<u64>) -> Result<DiskRoom, String> {
    Volume::of(directory)
        .map_err(|error| {
            format!("the volume cannot be looked at: {error}; correct the path or its permissions")
        })
        .and_then(|volume| volume.room(size, volume_limit))
        .map_err(|why| format!("disk {directory:?}: {why}"))
}

impl Volume {
    /// The volume that `directory` is on, or will be on once it is created.
    ///
    /// # Errors
    /// If the directory or its volume cannot be read.
    pub fn of(directory: &Path) -> io::Result<Self> {
        // A directory that is yet to be made will be on the volume of the nearest that is there.
        let figures = directory
            .ancestors()
            .map(|ancestor| if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor })
            .find_map(|ancestor| match statvfs(ancestor) {
                Err(Errno::NOENT) => None,
                found => Some(found),
            })
            .unwrap_or(Err(Errno::NOENT))?;
        Ok(Self {
            capacity: figures.f_blocks.saturating_mul(figures.f_frsize),
            free: figures.f_bavail.saturating_mul(figures.f_frsize),
            own: own_bytes(directory)?,
        })
    }

    /// What the disk tier may take of this volume. `volume_limit` is what the volume may hold where that is less than its
    /// file system can, as that of an emptyDir.
    ///
    /// # Errors
    /// If less than 4 MiB remain: why, and what to do.
    pub fn room(self, size: DiskSize, volume_limit: Option<u64>) -> Result<DiskRoom, String> {
        let least = approx_size(*BYTES.start());
        let capacity = approx_size(self.capacity);
        let (wanted, origin) = match (size, volume_limit) {
            (DiskSize::Bytes(bytes), _) => (bytes, "set by disk-size".to_owned()),
            (DiskSize::Auto, Some(limit)) => {
                (limit / 5 * 4, format!("80% of the volume limit {}", approx_size(limit)))
            }
            (DiskSize::Auto, None) if self.capacity / 20 < AUTO_MAX => {
                (self.capacity / 20, format!("5% of the volume's {capacity}"))
            }
            (DiskSize::Auto, None) => {
                (AUTO_MAX, format!("what auto takes at most, of the volume's {capacity}"))
            }
        };
        if wanted < *BYTES.start() {
            return Err(format!(
                "{origin} is less than the {least} that the disk tier needs; set --disk-size"
            ));
        }
        if matches!(size, DiskSize::Bytes(_)) {
            // Who says how much has thought about the rest; whether there is room shows when it is reserved.
            return Ok(DiskRoom { bytes: wanted.min(STORE_MAX) / PAGE * PAGE, origin });
        }
        let unused = self.free.saturating_add(self.own);
        let most = unused.saturating_sub(self.capacity.div_ceil(FREE_PART));
        let bytes = wanted.min(most).min(STORE_MAX) / PAGE * PAGE;
        if bytes < *BYTES.start() {
            return Err(format!(
                "of the volume's {capacity} a fifth must stay free, and {} are; that leaves less than the {least} that the \
                 disk tier needs; free some of it, set --disk-size, give another --disk, or none",
                approx_size(unused)
            ));
        }
        if wanted <= most {
            return Ok(DiskRoom { bytes, origin });
        }
        let origin = format!("what leaves a fifth of the volume's {capacity} free");
        Ok(DiskRoom { bytes, origin })
    }
}

/// What the files of an earlier run take of the volume. A file that goes meanwhile counts for nothing.
fn own_bytes(directory: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let is_own = OWN.iter().any(|own| name.as_encoded_bytes().starts_with(own.as_bytes()));
        if is_own
            && let Ok(metadata) = entry.metadata()
            && metadata.is_file()
        {
            // What it takes, not how long it is: it may have holes.
            bytes += metadata.blocks() * 512;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
