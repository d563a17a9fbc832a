//! What every measurement is given: the programs, the cores, a scratch directory, and how short to be.

use std::path::Path;
use std::time::Duration;

use crate::cli::Options;
use crate::cpus::{self, Cpus};
use crate::program::Program;
use crate::server::{Launch, Server};

/// How long a server may take to answer when nothing slows it down.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(20);

/// The setting of one run.
pub(crate) struct Bench<'a> {
    /// The command line.
    pub(crate) options: &'a Options,
    /// The program being judged.
    pub(crate) subject: Program,
    /// What it is judged against.
    pub(crate) redis: Program,
    /// What else it is shown beside, if installed.
    pub(crate) valkey: Option<Program>,
    /// Who runs where.
    pub(crate) cpus: Cpus,
    /// A directory that goes when the program ends.
    pub(crate) scratch: &'a Path,
}

impl<'a> Bench<'a> {
    /// Finds the programs and the cores.
    pub(crate) fn new(options: &'a Options, scratch: &'a Path) -> anyhow::Result<Self> {
        Ok(Bench {
            options,
            subject: Program::subject(options)?,
            redis: Program::redis(options)?,
            valkey: Program::valkey(options)?,
            cpus: Cpus::choose(options)?,
            scratch,
        })
    }

    /// The subject, Redis and, if there is one, Valkey.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Program> {
        [&self.subject, &self.redis].into_iter().chain(&self.valkey)
    }

    /// False for figures left out by `--only`.
    pub(crate) fn wanted(&self, name: &str) -> bool {
        self.options.only.as_ref().is_none_or(|text| name.contains(text))
    }

    /// `full`, or `short` with `--quick`.
    pub(crate) fn choose<T>(&self, full: T, short: T) -> T {
        if self.options.quick { short } else { full }
    }

    /// Starts a program with one worker on the servers' core.
    pub(crate) fn start(&self, program: &Program) -> anyhow::Result<Server> {
        let cpus = self.cpus.server();
        Server::start(
            program,
            self.scratch,
            &Launch { workers: 1, cpus: &cpus, under: &[], patience: START_PATIENCE },
        )
    }

    /// Runs `work` on the load generator's core.
    pub(crate) fn on_load_core<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        cpus::pin(&self.cpus.load())?;
        let result = work();
        cpus::unpin()?;
        result
    }
}
