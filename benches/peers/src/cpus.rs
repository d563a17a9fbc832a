//! Which cores the servers and the load generator run on.

use std::sync::OnceLock;

use anyhow::{Context as _, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::cli::Options;

/// The cores this program was started with, before it pinned itself anywhere.
static ALLOWED: OnceLock<CpuSet> = OnceLock::new();

/// A placement of servers and load on cores.
#[derive(Clone)]
pub(crate) struct Cpus {
    allowed: Vec<usize>,
    server: usize,
    load: usize,
}

impl Cpus {
    /// Takes the cores from the options, else the first and the last one allowed. One core is not enough: the load
    /// generator's time slices would be read as the server's latency.
    pub(crate) fn choose(options: &Options) -> anyhow::Result<Self> {
        let set = sched_getaffinity(None).context("cannot read the allowed cores")?;
        let set = ALLOWED.get_or_init(|| set);
        let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect();
        let (Some(first), Some(last)) = (allowed.first(), allowed.last()) else {
            bail!("no core is allowed")
        };
        let (server, load) = (options.server_cpu.unwrap_or(*first), options.load_cpu.unwrap_or(*last));
        if server == load {
            bail!("server and load generator would share core {server}: two cores are needed");
        }
        if let Some(cpu) = [server, load].iter().find(|cpu| !allowed.contains(cpu)) {
            bail!("core {cpu} is not among the allowed ones, {allowed:?}");
        }
        Ok(Cpus { allowed, server, load })
    }

    /// The one core of the servers.
    pub(crate) fn server(&self) -> Vec<usize> {
        vec![self.server]
    }

    /// The one core of the load generator.
    pub(crate) fn load(&self) -> Vec<usize> {
        vec![self.load]
    }

    /// Cores for two workers and for the load beside them. With fewer than four both get all there are: two workers
    /// must really run at once, or what they share would cost nothing.
    pub(crate) fn for_two_workers(&self) -> (Vec<usize>, Vec<usize>) {
        if self.allowed.len() < 4 {
            return (self.allowed.clone(), self.allowed.clone());
        }
        (self.allowed[..2].to_vec(), self.allowed[2..].to_vec())
    }

    /// For the head of the report.
    pub(crate) fn describe(&self) -> String {
        format!(
            "servers on core {}, load on core {}, cores allowed {:?}",
            self.server, self.load, self.allowed
        )
    }
}

/// Pins the calling thread, and with it every process it starts from now on.
pub(crate) fn pin(cpus: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu);
    }
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on cores {cpus:?}"))
}

/// Lets the calling thread run on all cores again.
pub(crate) fn unpin() -> anyhow::Result<()> {
    let Some(set) = ALLOWED.get() else { return Ok(()) };
    sched_setaffinity(None, set).context("cannot run on all cores again")
}
