//! A real memory cgroup for a process under test, of version 1 or 2, whichever this machine has.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What the two versions call their files.
struct Names {
    limit: &'static str,
    swap_limit: &'static str,
    /// Whether the limit of swap is one of memory and swap together.
    swap_and_memory: bool,
    usage: &'static str,
    peak: &'static str,
    events: &'static str,
    /// Where it says how often the limit was met, and the word before the number if there is one.
    hits: (&'static str, &'static str),
}

const V1: Names = Names {
    limit: "memory.limit_in_bytes",
    swap_limit: "memory.memsw.limit_in_bytes",
    swap_and_memory: true,
    usage: "memory.usage_in_bytes",
    peak: "memory.max_usage_in_bytes",
    events: "memory.oom_control",
    hits: ("memory.failcnt", ""),
};

const V2: Names = Names {
    limit: "memory.max",
    swap_limit: "memory.swap.max",
    swap_and_memory: false,
    usage: "memory.current",
    peak: "memory.peak",
    events: "memory.events",
    hits: ("memory.events", "max "),
};

/// A memory cgroup with a limit; removed on drop, for which the processes in it must have ended.
pub struct Cgroup {
    path: PathBuf,
    names: &'static Names,
}

impl Cgroup {
    /// Makes one that may use `limit_bytes`, swap included. `None`, after saying so loudly, when this machine does
    /// not let us: the caller's test then has to skip what it wanted to show.
    pub fn new(limit_bytes: u64) -> Option<Self> {
        match Self::try_new(limit_bytes) {
            Ok(cgroup) => Some(cgroup),
            Err(reason) => {
                #[allow(
                    clippy::print_stderr,
                    reason = "the person who runs the tests must see what they do not show"
                )]
                {
                    eprintln!(
                        "!!! NO MEMORY CGROUP ({reason}): what this test says of a memory limit IS NOT TESTED"
                    );
                }
                None
            }
        }
    }

    fn try_new(limit_bytes: u64) -> Result<Self, String> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let (root, names) = controller()?;
        let path = root.join(format!("larder-tests-{}-{serial}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        let cgroup = Self { path, names };
        cgroup.write(names.limit, limit_bytes)?;
        // Without swap accounting the file is absent; then nothing of ours is swapped under a limit of its own either.
        let swap_bytes = if names.swap_and_memory { limit_bytes } else { 0 };
        if cgroup.path.join(names.swap_limit).exists() {
            cgroup.write(names.swap_limit, swap_bytes)?;
        }
        Ok(cgroup)
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a process into it. What the process used before stays charged to where it was; to have everything
    /// charged here, start it inside with [`crate::agent::Builder::cgroup`].
    pub fn add(&self, pid: u32) {
        self.write("cgroup.procs", u64::from(pid)).expect("a process of ours can be moved");
    }

    /// What it uses now, page cache included, in bytes.
    pub fn usage_bytes(&self) -> u64 {
        self.number(self.names.usage)
    }

    /// The most that it ever used, page cache included, in bytes.
    pub fn max_usage_bytes(&self) -> u64 {
        self.number(self.names.peak)
    }

    /// How many processes the kernel has killed for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let events = self.read(self.names.events);
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        count.unwrap_or_else(|| panic!("{} has no oom_kill:\n{events}", self.names.events))
    }

    /// How often something had to make room or wait since the limit was reached; page cache has to as well.
    pub fn limit_hits(&self) -> u64 {
        let (file, word) = self.names.hits;
        let text = self.read(file);
        let count = text.lines().find_map(|line| line.strip_prefix(word)?.trim().parse().ok());
        count.unwrap_or_else(|| panic!("{file} tells no hits:\n{text}"))
    }

    fn read(&self, file: &str) -> String {
        let path = self.path.join(file);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    fn number(&self, file: &str) -> u64 {
        self.read(file).trim().parse().unwrap_or_else(|error| panic!("{file} is no number: {error}"))
    }

    fn write(&self, file: &str, number: u64) -> Result<(), String> {
        let path = self.path.join(file);
        std::fs::write(&path, number.to_string())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The processes may have ended a moment ago and still be leaving.
        let removed =
            crate::poll_until(std::time::Duration::from_secs(5), || std::fs::remove_dir(&self.path).ok());
        if removed.is_none() && !std::thread::panicking() {
            panic!("{} cannot be removed: a process is still in it", self.path.display());
        }
    }
}

/// The directory under which a memory cgroup can be made, and the names of the files in it.
fn controller() -> Result<(PathBuf, &'static Names), String> {
    let v1 = Path::new("/sys/fs/cgroup/memory");
    if v1.join(V1.limit).exists() {
        return Ok((v1.to_owned(), &V1));
    }
    let v2 = Path::new("/sys/fs/cgroup");
    let controllers = std::fs::read_to_string(v2.join("cgroup.controllers"))
        .map_err(|error| format!("no memory controller of either version: {error}"))?;
    if !controllers.split_whitespace().any(|name| name == "memory") {
        return Err("cgroup v2 without a memory controller".to_owned());
    }
    std::fs::write(v2.join("cgroup.subtree_control"), "+memory")
        .map_err(|error| format!("the memory controller cannot be handed to a child: {error}"))?;
    Ok((v2.to_owned(), &V2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn charges_and_kills() {
        let Some(cgroup) = Cgroup::new(32 << 20) else { return };
        // `read` waits until it has been moved; then it wants more than there is.
        let script = "read go; x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        cgroup.add(child.id());
        drop(child.stdin.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.stdout, b"", "the limit did not hold");
        assert!(cgroup.oom_kills() >= 1);
        let peak = cgroup.max_usage_bytes();
        assert!((16 << 20..=32 << 20).contains(&peak), "{peak}");
        assert!(cgroup.usage_bytes() <= peak);
    }
}
