//! Mounting, unmounting whoever still uses it, and what was left mounted by tests that were killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

use super::passing::Passing;
use super::tree::Tree;
use crate::process::poll_until;

/// Begins the names of what is mounted and of its directories; the process follows that mounted it.
const PREFIX: &str = "larder-faults-";

/// Threads that answer the kernel.
const THREADS: usize = 4;

/// What the last calls may take once nothing stalls them.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A mount with the directories of its own.
#[derive(Debug)]
pub(super) struct Mounted {
    point: PathBuf,
    session: Option<BackgroundSession>,
    directory: Option<TempDir>,
}

impl Mounted {
    pub(super) fn new() -> Result<(Arc<Tree>, Self), String> {
        let device = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
        device.map_err(|error| format!("/dev/fuse: {error}"))?;
        let identity = identity(std::process::id()).ok_or("/proc does not tell of this process")?;
        let directory = TempDir::with_prefix(PREFIX).map_err(|error| error.to_string())?;
        let [beneath, point] = ["beneath", "mount"].map(|name| directory.path().join(name));
        for path in [&beneath, &point] {
            fs::create_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
        }

        let tree = Arc::new(Tree::new(beneath));
        let mut config = Config::default();
        config.mount_options =
            vec![MountOption::FSName(format!("{PREFIX}{identity}")), MountOption::DefaultPermissions];
        // Only root may let other users in without being asked; they are whom an agent may run as.
        config.acl = if rustix::process::geteuid().is_root() { SessionACL::All } else { SessionACL::Owner };
        config.n_threads = Some(THREADS);
        let session = fuser::spawn_mount(Passing::new(Arc::clone(&tree)), &point, &config)
            .map_err(|error| format!("mounting: {error}"))?;
        Ok((tree, Self { point, session: Some(session), directory: Some(directory) }))
    }

    pub(super) fn point(&self) -> &Path {
        &self.point
    }

    /// Unmounts it, ending the calls of whoever still uses it with an error, and removes its directories. What stalls must have been
    /// released.
    pub(super) fn unmount(&mut self) {
        let Some(session) = self.session.take() else { return };
        let unmounted = unmount_forcibly(&self.point);
        // Where nobody may end the others' calls, the session lasts until they close their files: they are not waited for.
        if poll_until(END_LIMIT, || session.guard.is_finished().then_some(())).is_some() {
            // How it ended matters to nobody: it was told to.
            let _ = session.join();
        }
        if let Err(error) = unmounted {
            // Nothing may be removed through a mount.
            let left = self.directory.take().map(TempDir::keep).unwrap_or_default();
            assert!(std::thread::panicking(), "{} cannot be unmounted: {error}", left.display());
        }
    }
}

/// Ends all calls and takes the mount away from its place, used or not.
fn unmount_forcibly(point: &Path) -> io::Result<()> {
    let flags = [UnmountFlags::FORCE | UnmountFlags::DETACH, UnmountFlags::DETACH];
    if flags.into_iter().any(|flags| unmount(point, flags).is_ok()) {
        return Ok(());
    }
    // Others than root may end the calls of what they mounted where the kernel's control files are mounted, as they are by default.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if let Some(connection) = mounts.lines().find_map(|line| connection(line, point)) {
        let _ = fs::write(format!("/sys/fs/fuse/connections/{connection}/abort"), "1");
    }
    let words = ["-u", "-z", "-q", "--"];
    let ended = Command::new("fusermount3")
        .args(words)
        .arg(point)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if ended.success() { Ok(()) } else { Err(io::Error::other(format!("fusermount3: {ended}"))) }
}

/// The number under which the kernel controls what is mounted at `point`, if that is what a line of `mountinfo` is about.
fn connection<'a>(line: &'a str, point: &Path) -> Option<&'a str> {
    let mut fields = line.split(' ').skip(2);
    let device = fields.next()?.strip_prefix("0:")?;
    (fields.nth(1).map(Path::new) == Some(point)).then_some(device)
}

/// Unmounts what processes left that have ended since, and removes the directories of it.
pub(super) fn unmount_leftovers() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for (point, owner) in mounts.lines().filter_map(ours) {
        let pid = owner.split_once('-').and_then(|(pid, _)| pid.parse().ok());
        if pid.is_some_and(|pid| identity(pid).as_deref() == Some(owner) && !is_ending(pid)) {
            continue;
        }
        let directory = Path::new(point).parent().filter(|directory| {
            directory.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
        });
        // Another test may be doing the same; what cannot be unmounted or removed is left to the next.
        if unmount_forcibly(Path::new(point)).is_ok()
            && let Some(directory) = directory
        {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// The mount point in a line of `mountinfo` and the process that mounted it, if it is a mount of these tests.
fn ours(line: &str) -> Option<(&str, &str)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let owner = kind.next().filter(|kind| kind.starts_with("fuse")).and(kind.next())?.strip_prefix(PREFIX)?;
    Some((place.split(' ').nth(4)?, owner))
}

/// A process as nothing else is called, even after its end: its id and when it began.
fn identity(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything. The 22nd field of all is the 20th after it.
    let start = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.to_owned();
    Some(format!("{pid}-{start}"))
}

/// Whether a thread or process has ended or been killed; one that waits for a file system may be long in ending.
pub(super) fn is_ending(pid: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return true };
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let killed = |name| {
        let signals = field(name).and_then(|signals| u64::from_str_radix(signals, 16).ok());
        signals.is_some_and(|signals| signals & (1 << (rustix::process::Signal::KILL.as_raw() - 1)) != 0)
    };
    field("State:").is_some_and(|state| state.starts_with(['Z', 'X']))
        || killed("SigPnd:")
        || killed("ShdPnd:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_its_own_mounts_and_processes_from_others() {
        let line = "36 35 0:30 / /tmp/larder-faults-x/mount rw,nosuid shared:9 - fuse larder-faults-77-1234 rw,user_id=0";
        assert_eq!(ours(line), Some(("/tmp/larder-faults-x/mount", "77-1234")));
        assert_eq!(connection(line, Path::new("/tmp/larder-faults-x/mount")), Some("30"));
        assert_eq!(connection(line, Path::new("/tmp/larder-faults-y/mount")), None);
        assert_eq!(ours(&line.replace("fuse larder", "ext4 larder")), None);
        assert_eq!(ours(&line.replace("faults-77", "others-77")), None);

        let pid = std::process::id();
        assert!(identity(pid).is_some_and(|identity| identity.starts_with(&format!("{pid}-"))));
        assert!(!is_ending(pid));
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep runs");
        assert!(!is_ending(child.id()));
        child.kill().expect("a child of ours can be killed");
        assert!(poll_until(END_LIMIT, || is_ending(child.id()).then_some(())).is_some());
        child.wait().expect("it ends");
        assert_eq!(identity(child.id()), None);
    }
}
