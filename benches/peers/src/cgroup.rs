//! A memory cgroup for each server, of version 1 or 2, so that page cache is part of what it may take.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Those that are there, for whoever ends the program before they are dropped.
static MADE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A memory cgroup with a limit; removed on drop, for which the processes in it must have ended.
pub(crate) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes one that may use `limit_bytes`. It needs root, or a subtree that was delegated to us.
    pub(crate) fn new(limit_bytes: u64) -> anyhow::Result<Self> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let (root, limit) = match v1.join("memory.limit_in_bytes").exists() {
            true => (v1, "memory.limit_in_bytes"),
            false => (Path::new("/sys/fs/cgroup"), "memory.max"),
        };
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("larder-peers-{}-{serial}", std::process::id()));
        std::fs::create_dir(&path)
            .with_context(|| format!("cannot make the memory cgroup {}: it needs root", path.display()))?;
        MADE.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        let cgroup = Self { path };
        std::fs::write(cgroup.path.join(limit), limit_bytes.to_string())
            .context("cannot limit a memory cgroup")?;
        Ok(cgroup)
    }

    /// A command line that joins it and becomes the one that follows, so that nothing is charged elsewhere.
    pub(crate) fn under(&self) -> Vec<String> {
        let join = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
        vec!["sh".to_owned(), "-c".to_owned(), join.to_owned(), self.path.display().to_string()]
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.path);
        MADE.lock().unwrap_or_else(PoisonError::into_inner).retain(|made| *made != self.path);
    }
}

/// Removes those that are left, when their processes are being killed.
pub(crate) fn remove_all() {
    for path in std::mem::take(&mut *MADE.lock().unwrap_or_else(PoisonError::into_inner)) {
        remove(&path);
    }
}

fn remove(path: &Path) {
    let asked = Instant::now();
    // A process that has ended takes a moment to leave.
    while std::fs::remove_dir(path).is_err() && asked.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(5));
    }
}
