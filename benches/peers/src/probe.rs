//! A connection that asks one small thing over and over and keeps the time of every answer.

use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::load::Conn;
use crate::procfs::CpuClock;
use crate::server::Server;
use crate::stats::percentile;

/// The waits of one phase.
pub(crate) struct Waits {
    /// The longest wait for an answer by the wall clock.
    pub(crate) worst_ms: f64,
    /// Half of the waits were no longer.
    pub(crate) median_ms: f64,
    /// 999 of 1,000 waits were no longer.
    pub(crate) p999_ms: f64,
    /// The longest wait less the time in which server or prober were ready but something else had their core.
    pub(crate) held_ms: f64,
}

/// The probing connection.
pub(crate) struct Probe {
    connection: Conn,
    question: Batch,
    verify: bool,
    server_clock: CpuClock,
    own_clock: CpuClock,
    waits_ns: Vec<u64>,
    held_ns: u64,
}

impl Probe {
    /// Connects to `server` and gets ready to ask `question`; it must be asked by the calling thread.
    pub(crate) fn open(server: &Server, question: Batch, verify: bool) -> anyhow::Result<Self> {
        Ok(Probe {
            connection: Conn::open(server.socket())?,
            question,
            verify,
            server_clock: CpuClock::open(server.pid())?,
            own_clock: CpuClock::of_this_thread()?,
            waits_ns: Vec::with_capacity(1 << 20),
            held_ns: 0,
        })
    }

    /// Asks once.
    pub(crate) fn ask(&mut self) -> anyhow::Result<()> {
        let (server, own) = (self.server_clock.read(), self.own_clock.read());
        let asked = Instant::now();
        self.connection.send(&self.question)?;
        self.connection.receive(&self.question, self.verify)?;
        let waited_ns = asked.elapsed().as_nanos() as u64;
        let (server_then, own_then) = (self.server_clock.read(), self.own_clock.read());
        let queued_ns = server_then.queued_ns - server.queued_ns + own_then.queued_ns - own.queued_ns;
        // A queueing that began before the question is charged to it in full: never count less than the server ran.
        let used_ns = (server_then.used_ns - server.used_ns).min(waited_ns);
        self.held_ns = self.held_ns.max(waited_ns.saturating_sub(queued_ns).max(used_ns));
        self.waits_ns.push(waited_ns);
        Ok(())
    }

    /// Asks again and again for `time`.
    pub(crate) fn ask_for(&mut self, time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.ask()?;
        }
        Ok(())
    }

    /// Sums up. At least one question must have been asked.
    pub(crate) fn finish(mut self) -> Waits {
        self.waits_ns.sort_unstable();
        let at = |share| percentile(&self.waits_ns, share) as f64 / 1e6;
        Waits {
            worst_ms: at(1.0),
            median_ms: at(0.5),
            p999_ms: at(0.999),
            held_ms: self.held_ns as f64 / 1e6,
        }
    }
}
