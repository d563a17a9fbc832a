//! From what the kernel asks to what is done beneath: names to paths, flags to flags, results to replies.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use fuser::{
    FileAttr, FileType, Generation, INodeNo, OpenAccMode, OpenFlags, ReplyEmpty, ReplyEntry, ReplyWrite,
    Request,
};
use rustix::fs::OFlags;

use super::fault::Op;
use super::tree::{Entry, Tree};

/// The kernel asks anew each time, since files may change behind its back.
pub(super) const NOT_AT_ALL: Duration = Duration::ZERO;

/// The file system as the session knows it.
#[derive(Debug)]
pub(super) struct Passing(pub(super) Arc<Tree>);

impl Passing {
    pub(super) fn new(tree: Arc<Tree>) -> Self {
        Self(tree)
    }

    pub(super) fn path(&self, parent: INodeNo, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.0.nodes.path(parent.0).ok_or(io::ErrorKind::NotFound)?.join(name))
    }

    pub(super) fn find(&self, parent: INodeNo, name: &OsStr) -> io::Result<FileAttr> {
        let path = self.path(parent, name)?;
        let metadata = self.0.root().join(&path).symlink_metadata()?;
        Ok(self.0.tell(path, &metadata))
    }

    pub(super) fn remove(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        reply: ReplyEmpty,
        is_directory: bool,
    ) {
        let found = self.path(parent, name).and_then(|path| {
            let place = self.0.root().join(path);
            Ok((place.symlink_metadata()?.ino(), place))
        });
        let (number, place) = match found {
            Ok(found) => found,
            Err(error) => return reply.error(error.into()),
        };
        // The kernel looked the name up, so that its number is known.
        let plan = self.0.plan(Op::Unlink, request.pid(), number);
        self.0.later(plan, move |tree, plan| {
            let removed = plan
                .refusal()
                .map_err(io::Error::from)
                .and_then(|()| if is_directory { fs::remove_dir(&place) } else { fs::remove_file(&place) });
            end(removed.inspect(|()| tree.nodes.unlink(number)), reply);
        });
    }

    /// What is in a directory.
    pub(super) fn list(&self, number: INodeNo) -> io::Result<Vec<Entry>> {
        let entries = fs::read_dir(self.0.place(number.0)?)?.map(|entry| {
            let entry = entry?;
            let kind = FileType::from_std(entry.file_type()?).unwrap_or(FileType::RegularFile);
            Ok((entry.ino(), kind, entry.file_name()))
        });
        let above = [".", ".."].map(|name| Ok((number.0, FileType::Directory, name.into())));
        above.into_iter().chain(entries).collect()
    }

    pub(super) fn lists(&self) -> MutexGuard<'_, HashMap<u64, Vec<Entry>>> {
        self.0.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn end(result: io::Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error.into()),
    }
}

pub(super) fn end_entry(result: io::Result<FileAttr>, reply: ReplyEntry) {
    match result {
        Ok(attributes) => reply.entry(&NOT_AT_ALL, &attributes, Generation(0)),
        Err(error) => reply.error(error.into()),
    }
}

pub(super) fn end_write(result: io::Result<usize>, reply: ReplyWrite) {
    match result {
        Ok(length) => reply.written(length as u32),
        Err(error) => reply.error(error.into()),
    }
}

/// How a file is opened beneath: as it was asked for, but through the page cache, since its bytes lie in memory of ours.
pub(super) fn options(flags: i32) -> OpenOptions {
    let access = OpenFlags(flags).acc_mode();
    let mut options = OpenOptions::new();
    options.read(access != OpenAccMode::O_WRONLY).write(access != OpenAccMode::O_RDONLY);
    let passed =
        OFlags::APPEND | OFlags::TRUNC | OFlags::DSYNC | OFlags::SYNC | OFlags::NOFOLLOW | OFlags::EXCL;
    options.custom_flags((OFlags::from_bits_retain(flags as u32) & passed).bits() as i32);
    options
}

/// Makes a file that of the user who asked for it, as far as this process may.
pub(super) fn give(file: &File, (user, group): (u32, u32)) -> io::Result<()> {
    let metadata = file.metadata()?;
    if (metadata.uid(), metadata.gid()) == (user, group) {
        return Ok(());
    }
    fchown(file, Some(user), Some(group))
}
