//! One of the two that are compared: a server in a memory cgroup over a directory, and a client of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::{Advice, fadvise};

use super::client::{Client, Dialect};
use super::zipf::Sizes;
use crate::bench::{Bench, START_PATIENCE};
use crate::cgroup::Cgroup;
use crate::procfs::{self, Meter, Usage};
use crate::program::Program;
use crate::server::{Launch, Server};

/// What both may take.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// Bytes that the server is told to take,
    pub(super) memory: u64,
    /// that its cgroup lets it take, page cache included,
    pub(super) cgroup: u64,
    /// and of disk.
    pub(super) disk: u64,
}

/// Where a value was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nowhere,
    InMemory,
    OnDisk,
}

pub(super) struct Side {
    pub(super) client: Client,
    server: Server,
    meter: Meter,
    directory: PathBuf,
    sizes: Sizes,
    // Last: it can be removed when the server is gone.
    _cgroup: Cgroup,
}

impl Side {
    pub(super) fn larder(bench: &Bench<'_>, room: Room, sizes: Sizes) -> anyhow::Result<Self> {
        let directory = directory(bench, "larder")?;
        let program = bench.subject.with_disk(room.memory, &directory, room.disk)?;
        let side = Self::start(bench, &program, Dialect::Resp, room, sizes, directory)?;
        has_disk(&side.server)?;
        Ok(side)
    }

    pub(super) fn memcached(bench: &Bench<'_>, room: Room, sizes: Sizes) -> anyhow::Result<Self> {
        let directory = directory(bench, "memcached")?;
        let program = Program::memcached(room.memory, &directory.join("ext"), room.disk, sizes.least)?;
        Self::start(bench, &program, Dialect::Memcached, room, sizes, directory)
    }

    fn start(
        bench: &Bench<'_>,
        program: &Program,
        dialect: Dialect,
        room: Room,
        sizes: Sizes,
        directory: PathBuf,
    ) -> anyhow::Result<Self> {
        let cgroup = Cgroup::new(room.cgroup)?;
        let cpus = bench.cpus.server();
        let launch = Launch { workers: 1, cpus: &cpus, under: &cgroup.under(), patience: START_PATIENCE };
        let server = Server::start(program, bench.scratch, &launch)?;
        let client = Client::connect(server.socket(), dialect, sizes)?;
        let meter = Meter::begin(server.pid())?;
        Ok(Self { client, server, meter, directory, sizes, _cgroup: cgroup })
    }

    /// What it used since it was asked last.
    pub(super) fn used(&mut self) -> anyhow::Result<Usage> {
        self.meter.lap()
    }

    /// Waits until it has written nothing for a second; returns what it has used since it was asked last.
    pub(super) fn used_until_quiet(&mut self) -> anyhow::Result<Usage> {
        let asked = Instant::now();
        let mut sum = self.meter.lap()?;
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < Duration::from_secs(1) && asked.elapsed() < Duration::from_secs(15) {
            std::thread::sleep(Duration::from_millis(50));
            let usage = self.meter.lap()?;
            sum = Usage { cpu_ns: sum.cpu_ns + usage.cpu_ns, written: sum.written + usage.written };
            if usage.written > 0 {
                quiet_since = Instant::now();
            }
        }
        Ok(sum)
    }

    /// Asks for a key; returns where its value was and the nanoseconds that it took. A server that reads more than the request
    /// and the value's length has read a file. Nothing else may be going on.
    pub(super) fn probe(&mut self, key: u64) -> anyhow::Result<(Found, u64)> {
        let before = procfs::read_bytes(self.server.pid())?;
        let asked = Instant::now();
        let is_there = self.client.get(key)?;
        let took = asked.elapsed().as_nanos() as u64;
        let read = procfs::read_bytes(self.server.pid())? - before;
        let from_files = read >= (self.client.request_bytes() + self.sizes.of(key)) as u64;
        let found = match (is_there, from_files) {
            (false, _) => Found::Nowhere,
            (true, false) => Found::InMemory,
            (true, true) => Found::OnDisk,
        };
        Ok((found, took))
    }

    /// Has its files in the page cache, on our account, or not there at all.
    pub(super) fn page_cache(&self, is_warm: bool) -> anyhow::Result<()> {
        page_cache(&self.directory, is_warm)
    }

    pub(super) fn rss_bytes(&self) -> anyhow::Result<u64> {
        procfs::rss_bytes(self.server.pid())
    }
}

impl Drop for Side {
    /// A file that is open goes when the server does; the disk is wanted back for the next one.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Has the files of a directory in the page cache, on our account, or not there at all.
pub(super) fn page_cache(directory: &Path, is_warm: bool) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory).context("cannot list a directory of ours")? {
        let path = entry.context("cannot list a directory of ours")?.path();
        let mut file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        file.sync_data().context("cannot write a file out")?;
        fadvise(&file, 0, None, Advice::DontNeed).context("cannot drop a file from the page cache")?;
        if is_warm {
            std::io::copy(&mut file, &mut std::io::sink()).context("cannot read a file")?;
        }
    }
    Ok(())
}

/// An error if a server could not have its disk tier, and serves without.
pub(super) fn has_disk(server: &Server) -> anyhow::Result<()> {
    let log = server.log()?;
    let why = log.lines().find(|line| line.contains("no disk tier"));
    anyhow::ensure!(why.is_none(), "give it room by setting TMPDIR: {}", why.unwrap_or_default());
    Ok(())
}

/// A new directory for a server's files.
pub(super) fn directory(bench: &Bench<'_>, name: &str) -> anyhow::Result<PathBuf> {
    let directory = tempfile::Builder::new().prefix(name).tempdir_in(bench.scratch);
    Ok(directory.context("cannot create a directory")?.keep())
}
