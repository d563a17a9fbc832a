//! The numbers by which the kernel knows files, which are those of the directory beneath, and the paths that they stand for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fuser::INodeNo;

#[derive(Debug)]
struct Node {
    /// From the root on.
    path: PathBuf,
    /// How often the kernel was told of it and has not forgotten that.
    lookups: u64,
    /// Its path names it no more, though it may be open.
    is_unlinked: bool,
}

/// What the kernel knows; it says what it forgets.
#[derive(Debug)]
pub(super) struct Nodes(Mutex<HashMap<u64, Node>>);

impl Nodes {
    pub(super) fn new() -> Self {
        let root = Node { path: PathBuf::new(), lookups: 1, is_unlinked: false };
        Self(Mutex::new(HashMap::from([(INodeNo::ROOT.0, root)])))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Node>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kernel is told that `path` is `number`.
    pub(super) fn tell(&self, number: u64, path: PathBuf) {
        let mut nodes = self.lock();
        let node =
            nodes.entry(number).or_insert(Node { path: PathBuf::new(), lookups: 0, is_unlinked: false });
        node.path = path;
        node.lookups += 1;
        node.is_unlinked = false;
    }

    pub(super) fn forget(&self, number: u64, lookups: u64) {
        let mut nodes = self.lock();
        if let Some(node) = nodes.get_mut(&number).filter(|_| number != INodeNo::ROOT.0) {
            node.lookups = node.lookups.saturating_sub(lookups);
            if node.lookups == 0 {
                nodes.remove(&number);
            }
        }
    }

    /// Where it lies; `None` when it is unlinked.
    pub(super) fn path(&self, number: u64) -> Option<PathBuf> {
        self.lock().get(&number).filter(|node| !node.is_unlinked).map(|node| node.path.clone())
    }

    /// The path by which faults know it: of an unlinked file, its last.
    pub(super) fn name(&self, number: u64) -> Option<Box<Path>> {
        self.lock().get(&number).map(|node| node.path.as_path().into())
    }

    pub(super) fn unlink(&self, number: u64) {
        if let Some(node) = self.lock().get_mut(&number) {
            node.is_unlinked = true;
        }
    }

    /// Moves what lies at `from`, and in it, to `to`; what lay there is unlinked.
    pub(super) fn rename(&self, from: &Path, to: &Path) {
        for node in self.lock().values_mut().filter(|node| !node.is_unlinked) {
            if let Ok(rest) = node.path.strip_prefix(from) {
                node.path = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            } else if node.path == to {
                node.is_unlinked = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_renames_and_end_with_their_files() {
        let nodes = Nodes::new();
        for (number, path) in [(10, "a"), (11, "a/x"), (12, "b"), (13, "ab")] {
            nodes.tell(number, path.into());
        }
        nodes.rename(Path::new("a"), Path::new("b"));
        let paths = [10, 11, 12, 13].map(|number| nodes.path(number));
        assert_eq!(paths, [Some("b".into()), Some("b/x".into()), None, Some("ab".into())]);
        assert_eq!(nodes.name(12).as_deref(), Some(Path::new("b")));
        nodes.unlink(11);
        assert_eq!(nodes.path(11), None);
        nodes.tell(11, "new".into());
        nodes.forget(11, 1);
        assert_eq!(nodes.path(11), Some("new".into()));
        nodes.forget(11, 1);
        nodes.forget(INodeNo::ROOT.0, 100);
        assert_eq!([nodes.path(11), nodes.path(1)], [None, Some("".into())]);
    }
}
