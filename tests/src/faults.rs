//! A disk that fails when a test says so: a FUSE file system that passes everything on to a directory beneath it, through which
//! an unmodified program keeps its files, with faults that are set while it runs and counted as they fire.
//!
//! Reads and writes bypass the page cache, so every call of the program is seen, in requests of 1 MiB at most: a longer write
//! is several calls here. Locks are the kernel's own, as on a local disk. There are no links, no extended attributes and no
//! shared mappings.
//!
//! Let other processes do what may stall: a process that is killed while it waits for a file system of its own can end only when
//! the next run unmounts that.

mod data;
mod fault;
mod filesystem;
mod gate;
mod meta;
mod mount;
mod nodes;
mod passing;
mod rule;
mod space;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::fault::{Fault, Op};
use self::mount::Mounted;
pub use self::rule::Injected;
use self::tree::Tree;
/// The errors that a program can be made to see.
pub use rustix::io::Errno;

/// A mounted file system; unmounted on drop, whoever still uses it, and its files removed.
#[derive(Debug)]
pub struct FaultyDisk {
    // Dropped in this order: what stalls is released before anybody waits for the session's end.
    tree: Arc<Tree>,
    mounted: Mounted,
}

impl FaultyDisk {
    /// Mounts one over an empty directory, after unmounting those whose tests were killed. `None`, said loudly, where that is
    /// impossible: the test has to skip what it wanted to show.
    pub fn mount() -> Option<Self> {
        mount::unmount_leftovers();
        let mounted = Self::try_mount();
        #[allow(
            clippy::print_stderr,
            reason = "the person who runs the tests must see what they do not show"
        )]
        if let Err(reason) = &mounted {
            eprintln!(
                "!!! NO FUSE ({reason}): what this test says of a failing disk IS NOT TESTED. It takes /dev/fuse and either \
                 root, or the package fuse3, or a user namespace of one's own (`unshare -Urm tests/run`)"
            );
        }
        mounted.ok()
    }

    fn try_mount() -> Result<Self, String> {
        let (tree, mounted) = Mounted::new()?;
        Ok(Self { tree, mounted })
    }

    /// Where the program is to keep its files.
    pub fn path(&self) -> &Path {
        self.mounted.point()
    }

    /// The directory beneath: what is done there is done behind the program's back, and meets no fault.
    pub fn beneath(&self) -> PathBuf {
        self.tree.root().to_owned()
    }

    /// Begins with a fault, which lasts until it has fired as often as it may, is cleared, or the disk is dropped. Of several
    /// that fit a call, stalls and cuts come first, and of the others the one that was injected first.
    pub fn inject(&self, fault: Fault) -> Injected {
        self.tree.rules().add(fault)
    }

    /// Clears all faults and releases whatever they stall.
    pub fn heal(&self) {
        self.tree.rules().clear();
    }
}

impl Drop for FaultyDisk {
    fn drop(&mut self) {
        self.tree.rules().close();
        self.mounted.unmount();
    }
}
