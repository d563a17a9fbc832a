//! The directory beneath, what is open in it, and the faults that its users meet.

use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use fuser::{FileAttr, INodeNo};

use super::fault::{Kind, Op};
use super::meta::attributes;
use super::nodes::Nodes;
use super::rule::{Plan, Rules};

/// Calls that are stalled in threads of their own; one more keeps a thread of the session.
const STALLED_MAX: usize = 256;

/// An open file.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) file: File,
    pub(super) number: u64,
}

/// One entry of a directory: number, whether what it names is a directory or something else, name.
pub(super) type Entry = (u64, fuser::FileType, std::ffi::OsString);

/// Everything that the session's threads and the test's handle share.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    pub(super) nodes: Nodes,
    opens: Mutex<HashMap<u64, Arc<Open>>>,
    /// What is left to be told of the directories that are being listed.
    pub(super) lists: Mutex<HashMap<u64, Vec<Entry>>>,
    handles: AtomicU64,
    rules: Arc<Rules>,
    stalled: AtomicUsize,
    /// Held while something may grow on a disk of a given size.
    pub(super) growth: Mutex<()>,
}

impl Tree {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            nodes: Nodes::new(),
            opens: Mutex::default(),
            lists: Mutex::default(),
            handles: AtomicU64::new(1),
            rules: Arc::default(),
            stalled: AtomicUsize::new(0),
            growth: Mutex::default(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// A number for something that is opened.
    pub(super) fn handle(&self) -> u64 {
        self.handles.fetch_add(1, Relaxed)
    }

    pub(super) fn enter(&self, open: Open) -> u64 {
        let handle = self.handle();
        self.opens.lock().unwrap_or_else(PoisonError::into_inner).insert(handle, Arc::new(open));
        handle
    }

    pub(super) fn leave(&self, handle: u64) {
        self.opens.lock().unwrap_or_else(PoisonError::into_inner).remove(&handle);
    }

    pub(super) fn open(&self, handle: u64) -> Option<Arc<Open>> {
        self.opens.lock().unwrap_or_else(PoisonError::into_inner).get(&handle).cloned()
    }

    /// Where a file lies beneath.
    ///
    /// # Errors
    /// If it is unlinked.
    pub(super) fn place(&self, number: u64) -> io::Result<PathBuf> {
        let path = self.nodes.path(number).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.root.join(path))
    }

    /// What a handle stands for, or any handle of the file, or the file opened anew.
    ///
    /// # Errors
    /// If it is unlinked and nowhere open, or cannot be opened.
    pub(super) fn file(&self, number: u64, handle: Option<u64>, options: &OpenOptions) -> io::Result<File> {
        if let Some(open) = handle.and_then(|handle| self.open(handle)) {
            return open.file.try_clone();
        }
        self.place(number).and_then(|place| options.open(place)).or_else(|error| {
            let opens = self.opens.lock().unwrap_or_else(PoisonError::into_inner);
            opens.values().find(|open| open.number == number).ok_or(error)?.file.try_clone()
        })
    }

    /// The attributes of a file, open or not, unlinked or not.
    pub(super) fn attributes(&self, number: u64, handle: Option<u64>) -> io::Result<FileAttr> {
        let metadata = match handle.and_then(|handle| self.open(handle)) {
            Some(open) => open.file.metadata()?,
            None => match self.place(number).and_then(|place| place.symlink_metadata()) {
                Ok(metadata) => metadata,
                Err(_) => self.file(number, None, OpenOptions::new().read(true))?.metadata()?,
            },
        };
        Ok(attributes(&metadata, number))
    }

    /// Tells the kernel of a file: its attributes under the number that it now knows.
    pub(super) fn tell(&self, path: PathBuf, metadata: &Metadata) -> FileAttr {
        let number = if path.as_os_str().is_empty() { INodeNo::ROOT.0 } else { metadata.ino() };
        self.nodes.tell(number, path);
        attributes(metadata, number)
    }

    /// What faults there are for a call on a file.
    pub(super) fn plan(&self, op: Op, caller: u32, number: u64) -> Plan {
        self.rules.plan(op, caller, || self.nodes.name(number))
    }

    /// Cuts the file, if that is planned.
    pub(super) fn cut(&self, plan: &Plan, number: u64) {
        let Some(rule) = &plan.cut else { return };
        let Kind::Cut(length) = rule.fault.kind else { return };
        let cut = || {
            let file = self.file(number, None, OpenOptions::new().write(true))?;
            let is_longer = file.metadata()?.len() > length;
            if is_longer { file.set_len(length).map(|()| true) } else { Ok(false) }
        };
        if !cut().unwrap_or(false) {
            rule.take_back();
        }
    }

    /// Does `work` after what stalls it, in a thread of its own then, so that other calls are served meanwhile.
    pub(super) fn later(self: &Arc<Self>, plan: Plan, work: impl FnOnce(&Self, &Plan) + Send + 'static) {
        if !plan.is_stalled() {
            return work(self, &plan);
        }
        let tree = Arc::clone(self);
        let wait_and_work = move || {
            plan.wait();
            work(&tree, &plan);
            tree.stalled.fetch_sub(1, Relaxed);
        };
        if self.stalled.fetch_add(1, Relaxed) < STALLED_MAX {
            std::thread::spawn(wait_and_work);
        } else {
            wait_and_work();
        }
    }
}
