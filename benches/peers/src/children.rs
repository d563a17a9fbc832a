//! Every process this program starts, so that none outlives it: not on success, an error, Ctrl-C or the deadline.

use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// The live children; `None` once the program is ending and no more may be started.
static LIVE: Mutex<Option<Vec<Pid>>> = Mutex::new(Some(Vec::new()));

/// A child process that is killed and reaped when dropped.
pub(crate) struct Reaped {
    child: Child,
    pid: Pid,
}

impl Reaped {
    /// Starts `command`. The list is locked meanwhile, so `kill_all` either sees the child or prevents it.
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let mut live = lock();
        let Some(live) = live.as_mut() else { bail!("the program is ending: nothing more is started") };
        let child = command.spawn().with_context(|| {
            format!("cannot start {}: is it installed and in PATH?", command.get_program().display())
        })?;
        let pid = Pid::from_child(&child);
        live.push(pid);
        Ok(Reaped { child, pid })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// True if the process has ended.
    pub(crate) fn ended(&mut self) -> bool {
        self.exit_status().is_some()
    }

    /// How the process has ended, if it has.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        // Reaped while the list is locked: `kill_all` must not hit whoever gets this process id next.
        let mut live = lock();
        let status = self.child.try_wait().ok().flatten();
        if status.is_some()
            && let Some(live) = live.as_mut()
        {
            live.retain(|pid| *pid != self.pid);
        }
        status
    }

    /// Sends `signal` and waits until the process has ended, at most `patience`; an error says it did not.
    pub(crate) fn stop(&mut self, signal: Signal, patience: Duration) -> anyhow::Result<()> {
        // A process that is gone already is what is wanted.
        let _ = kill_process(self.pid, signal);
        let asked = Instant::now();
        while !self.ended() {
            if asked.elapsed() > patience {
                bail!("process {} did not end within {patience:?} of {signal:?}; it is killed", self.pid);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // Locked for the same reason as in `exit_status`; killing one that has ended does nothing.
        let mut live = lock();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(live) = live.as_mut() {
            live.retain(|pid| *pid != self.pid);
        }
    }
}

/// Kills all children and lets no more be started.
pub(crate) fn kill_all() {
    let mut live = lock();
    for pid in live.take().unwrap_or_default() {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// True once `kill_all` was called: errors from now on are its doing.
pub(crate) fn ending() -> bool {
    lock().is_none()
}

fn lock() -> MutexGuard<'static, Option<Vec<Pid>>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}
