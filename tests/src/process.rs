//! What the agent and the peers have in common: a child process that is killed on drop, and waiting by polling.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often a condition is looked at while waiting for it.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Polls `condition` until it gives a value or `limit` has passed; `None` means that it never did.
pub fn poll_until<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// A field of `/proc/PID/status` that is given in kB, as bytes: `VmRSS`, `VmHWM`, `RssAnon` and their like.
/// `None` when the process has ended or has no such field.
pub fn status_bytes(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Lets this test open as many files as the system allows; returns how many that is.
pub fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Refused, the old limit holds; the caller sees that by what is returned.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A child that does not outlive its owner.
pub(crate) struct Process(Child);

impl Process {
    /// Starts `command`; panics with the program's name when that fails.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        match command.spawn() {
            Ok(child) => Self(child),
            Err(error) => panic!("cannot start {}: {error}", Path::new(command.get_program()).display()),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The exit status, when it has ended already.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child of ours can be waited for")
    }

    /// Sends `signal`; nothing happens when the process has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.exited().is_none() {
            let pid = Pid::from_child(&self.0);
            // It may end between the look and the signal; it is not yet reaped then, so the pid is still its own.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits until it has ended, `limit` at most.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        poll_until(limit, || self.exited())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
