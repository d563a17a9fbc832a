//! What a fault is: which calls it meets, how often, and what it does to them.

use std::time::Duration;

use super::Errno;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A file is opened or made.
    Open,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// Room is reserved, by `fallocate`.
    Allocate,
    /// A file is given another length.
    Truncate,
    /// `fsync` or `fdatasync`, of a file or a directory.
    Sync,
    /// A file is unlinked.
    Unlink,
    /// A file or directory is renamed; its old name is what a fault is looked up by.
    Rename,
}

/// What is done to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Fail(Errno),
    /// Half is done and said so.
    Short,
    /// Half is done and the call fails.
    Torn(Errno),
    /// One bit of what passes is another.
    Flip,
    /// It waits first, this long or until it is released.
    Stall(Option<Duration>),
    /// The file is cut to this length first.
    Cut(u64),
    /// The disk holds so many bytes.
    Full(u64),
}

/// Whose calls are met.
#[derive(Clone, Debug)]
pub(super) enum Names {
    All,
    Containing(String),
    Ending(String),
}

/// A fault, to be injected with [`super::FaultyDisk::inject`]: at first on every call of its kind, for every file.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(super) ops: Vec<Op>,
    pub(super) kind: Kind,
    pub(super) names: Names,
    pub(super) after: u64,
    pub(super) times: u64,
    pub(super) chance: f64,
    pub(super) seed: u64,
}

impl Fault {
    fn new(ops: &[Op], kind: Kind) -> Self {
        Self { ops: ops.to_vec(), kind, names: Names::All, after: 0, times: u64::MAX, chance: 1.0, seed: 1 }
    }

    /// Calls fail and do nothing.
    pub fn fail(ops: &[Op], errno: Errno) -> Self {
        Self::new(ops, Kind::Fail(errno))
    }

    /// A read gives half of what there is.
    pub fn short_read() -> Self {
        Self::new(&[Op::Read], Kind::Short)
    }

    /// A write takes half and says so.
    pub fn short_write() -> Self {
        Self::new(&[Op::Write], Kind::Short)
    }

    /// A write puts half of its bytes in the file, then fails.
    pub fn torn_write(errno: Errno) -> Self {
        Self::new(&[Op::Write], Kind::Torn(errno))
    }

    /// One bit of what is read is not what is in the file.
    pub fn flip_read() -> Self {
        Self::new(&[Op::Read], Kind::Flip)
    }

    /// One bit of what goes into the file is not what was written.
    pub fn flip_write() -> Self {
        Self::new(&[Op::Write], Kind::Flip)
    }

    /// Calls wait this long before they are carried out.
    pub fn stall_for(ops: &[Op], time: Duration) -> Self {
        Self::new(ops, Kind::Stall(Some(time)))
    }

    /// Calls wait for [`super::Injected::release`], or for the fault's or the disk's end, or until the thread that made them is killed;
    /// two minutes at most.
    pub fn stall(ops: &[Op]) -> Self {
        Self::new(ops, Kind::Stall(None))
    }

    /// Before such a call is carried out the file is cut to `length` bytes, unless it is shorter.
    pub fn cut(ops: &[Op], length: u64) -> Self {
        Self::new(ops, Kind::Cut(length))
    }

    /// The disk is one of `bytes`: writes that would take more than that for all files are carried out as far as there is room, then
    /// refused with `ENOSPC`, as `fallocate` is; `statvfs` says so. Room that a file has already can be overwritten. Neither
    /// [`Fault::after`] nor [`Fault::times`] nor [`Fault::chance`] changes that.
    pub fn full(bytes: u64) -> Self {
        Self::new(&[Op::Write, Op::Allocate], Kind::Full(bytes))
    }

    /// Only for files whose path, from the mount on, contains `part`.
    #[must_use]
    pub fn on(mut self, part: &str) -> Self {
        self.names = Names::Containing(part.to_owned());
        self
    }

    /// Only for files whose path ends in `end`.
    #[must_use]
    pub fn on_ending(mut self, end: &str) -> Self {
        self.names = Names::Ending(end.to_owned());
        self
    }

    /// Lets the first `calls` that would meet it pass.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// Fires so many times at most.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Fires at a call with this probability, from 0 to 1; the same seed chooses the same calls.
    #[must_use]
    pub fn chance(mut self, chance: f64, seed: u64) -> Self {
        self.chance = chance;
        self.seed = seed;
        self
    }

    pub(super) fn meets(&self, op: Op, path: &str) -> bool {
        self.ops.contains(&op)
            && match &self.names {
                Names::All => true,
                Names::Containing(part) => path.contains(part),
                Names::Ending(end) => path.ends_with(end),
            }
    }
}
