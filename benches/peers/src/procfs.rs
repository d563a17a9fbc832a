//! What the kernel says about a process: CPU time to the nanosecond, resident memory, context switches.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Pid;

/// What some threads have had from the scheduler.
#[derive(Clone, Copy)]
pub(crate) struct CpuTimes {
    /// Nanoseconds on a core.
    pub(crate) used_ns: u64,
    /// Nanoseconds ready to run while something else had the core.
    pub(crate) queued_ns: u64,
}

/// Reads the CPU time of all threads of one process, without allocating and without reopening anything.
pub(crate) struct CpuClock {
    threads: Vec<File>,
}

impl CpuClock {
    /// Opens the clocks of the threads that exist now: open it after the server has answered once.
    pub(crate) fn open(pid: Pid) -> anyhow::Result<Self> {
        let threads = tasks(pid)?
            .into_iter()
            .map(|task| File::open(task.join("schedstat")))
            .collect::<Result<Vec<_>, _>>()
            .context("cannot read schedstat: the kernel needs CONFIG_SCHED_INFO")?;
        Ok(CpuClock { threads })
    }

    /// The calling thread's own.
    pub(crate) fn of_this_thread() -> anyhow::Result<Self> {
        let own = File::open("/proc/thread-self/schedstat").context("cannot read this thread's schedstat")?;
        Ok(CpuClock { threads: vec![own] })
    }

    /// What the threads have used and waited for so far, together. Exact for threads that sleep; what a running one
    /// has used is up to a tick behind.
    pub(crate) fn read(&self) -> CpuTimes {
        let mut sum = CpuTimes { used_ns: 0, queued_ns: 0 };
        for thread in &self.threads {
            let mut text = [0; 96];
            // A thread that has ended reads as an error or as nothing; what it used is no longer asked for.
            let Ok(length) = thread.read_at(&mut text, 0) else { continue };
            let mut words = text[..length].split(|byte| *byte == b' ').map(|word| {
                word.iter()
                    .filter(|byte| byte.is_ascii_digit())
                    .fold(0, |n, digit| n * 10 + u64::from(digit - b'0'))
            });
            sum.used_ns += words.next().unwrap_or(0);
            sum.queued_ns += words.next().unwrap_or(0);
        }
        sum
    }

    /// The CPU used, after the threads have gone to sleep (at most 50 ms), so that nothing is still to be added.
    pub(crate) fn settled_ns(&self) -> u64 {
        let asked = Instant::now();
        let mut last = self.read().used_ns;
        loop {
            std::thread::sleep(Duration::from_millis(2));
            let now = self.read().used_ns;
            if now == last || asked.elapsed() > Duration::from_millis(50) {
                return now;
            }
            last = now;
        }
    }
}

/// What a process has used of a machine since some moment, threads that come and go included.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Nanoseconds on a core, of the threads that exist now.
    pub(crate) cpu_ns: u64,
    /// Bytes that made pages of files dirty.
    pub(crate) written: u64,
}

/// Adds up what a process uses.
pub(crate) struct Meter {
    pid: Pid,
    threads: HashMap<PathBuf, u64>,
    written: u64,
}

impl Meter {
    /// Begins now.
    pub(crate) fn begin(pid: Pid) -> anyhow::Result<Self> {
        let mut meter = Meter { pid, threads: HashMap::new(), written: 0 };
        meter.lap()?;
        Ok(meter)
    }

    /// What was used since the process began.
    pub(crate) fn since_start(pid: Pid) -> anyhow::Result<Usage> {
        Meter { pid, threads: HashMap::new(), written: 0 }.lap()
    }

    /// What was used since the last time. A thread that ended meanwhile has taken its last nanoseconds along.
    pub(crate) fn lap(&mut self) -> anyhow::Result<Usage> {
        let mut usage = Usage::default();
        let mut threads = HashMap::new();
        for task in tasks(self.pid)? {
            let Ok(text) = std::fs::read_to_string(task.join("schedstat")) else { continue };
            let used = text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
            usage.cpu_ns += used - self.threads.get(&task).copied().unwrap_or(0);
            threads.insert(task, used);
        }
        self.threads = threads;
        let written = io_field(self.pid, "write_bytes:")?;
        usage.written = written - self.written;
        self.written = written;
        Ok(usage)
    }
}

/// Bytes that the process has read so far by `read` and its like, from sockets and files.
pub(crate) fn read_bytes(pid: Pid) -> anyhow::Result<u64> {
    io_field(pid, "rchar:")
}

fn io_field(pid: Pid, name: &str) -> anyhow::Result<u64> {
    field(format!("/proc/{}/io", pid.as_raw_nonzero()).as_ref(), name)
}

/// Resident bytes, counted page by page (the cheap counters of `status` lag by up to a batch for each core).
pub(crate) fn rss_bytes(pid: Pid) -> anyhow::Result<u64> {
    let path = format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero());
    kilobytes(&path, "Rss:")
}

/// The most resident bytes the process ever had.
pub(crate) fn rss_peak_bytes(pid: Pid) -> anyhow::Result<u64> {
    kilobytes(&format!("/proc/{}/status", pid.as_raw_nonzero()), "VmHWM:")
}

/// Resident bytes once they have stopped falling for two seconds; waits at most `patience`.
///
/// Tables that grow by doubling and allocators that give pages back do so some time after the last command.
pub(crate) fn settled_rss_bytes(pid: Pid, patience: Duration) -> anyhow::Result<u64> {
    let asked = Instant::now();
    let mut lowest = rss_bytes(pid)?;
    let mut lowest_at = Instant::now();
    while lowest_at.elapsed() < Duration::from_secs(2) && asked.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(100));
        let now = rss_bytes(pid)?;
        if now < lowest {
            lowest = now;
            lowest_at = Instant::now();
        }
    }
    rss_bytes(pid)
}

/// How often the threads of the process have gone to sleep of their own accord.
pub(crate) fn voluntary_switches(pid: Pid) -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in tasks(pid)? {
        sum += field(&task.join("status"), "voluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

/// True if every thread of the process is being traced.
pub(crate) fn traced(pid: Pid) -> anyhow::Result<bool> {
    for task in tasks(pid)? {
        if field(&task.join("status"), "TracerPid:")? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn tasks(pid: Pid) -> anyhow::Result<Vec<PathBuf>> {
    let path = format!("/proc/{}/task", pid.as_raw_nonzero());
    let mut tasks = Vec::new();
    for entry in
        std::fs::read_dir(&path).with_context(|| format!("cannot list {path}: the server is gone"))?
    {
        tasks.push(entry.context("cannot list threads")?.path());
    }
    Ok(tasks)
}

fn kilobytes(path: &str, name: &str) -> anyhow::Result<u64> {
    Ok(field(path.as_ref(), name)? * 1024)
}

fn field(path: &std::path::Path, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}: the server is gone", path.display()))?;
    let value =
        text.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.split_whitespace().next());
    match value.map(str::parse) {
        Some(Ok(value)) => Ok(value),
        _ => bail!("{} has no number {name}: the kernel is unknown to this program", path.display()),
    }
}
