//! What the journal asks of the file system: a room small enough to be replaced by one that fails.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, remove_file, rename};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

pub(super) trait Io: Debug + Send + Sync {
    /// An empty file; one that stands there is emptied.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// May write less than it was given.
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize>;
    /// Makes room behind the end of a file, which reads as zeros.
    fn allocate(&self, file: &File, at: u64, length: u64) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn unlink(&self, path: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Debug)]
pub(super) struct Real;

impl Io for Real {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
    }

    #[inline]
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        file.write_at(bytes, at)
    }

    fn allocate(&self, file: &File, at: u64, length: u64) -> io::Result<()> {
        match fallocate(file, FallocateFlags::empty(), at, length) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(self, file, at, length),
            result => Ok(result?),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        remove_file(path)
    }
}

/// For file systems that cannot allocate.
fn write_zeros(io: &dyn Io, file: &File, at: u64, length: u64) -> io::Result<()> {
    let zeros = vec![0; length.min(256 << 10) as usize];
    let mut done = 0;
    while done < length {
        let piece = &zeros[..(length - done).min(zeros.len() as u64) as usize];
        write_all(io, file, piece, at + done)?;
        done += piece.len() as u64;
    }
    Ok(())
}

#[inline]
pub(super) fn write_all(io: &dyn Io, file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match io.write(file, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
