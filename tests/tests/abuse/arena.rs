//! The place where abuse happens: an agent in a memory cgroup with a well-behaved client beside it, and the verdict
//! afterwards.

use std::io::{self, ErrorKind};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use larder_tests::agent::{Agent, Builder};
use larder_tests::cgroup::Cgroup;
use larder_tests::probe::{Prober, Served};
use larder_tests::resp::{Client, Value};
use larder_tests::{poll_until, raise_file_limit};

use super::MIB;

/// How long any one step may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// An agent under test.
pub(crate) struct Arena {
    pub(crate) agent: Agent,
    // After the agent, so that it has ended when its cgroup is removed.
    cgroup: Option<Cgroup>,
    limit_bytes: usize,
    prober: Option<Prober>,
}

impl Arena {
    /// An agent under a limit of 128 MiB, which leaves `auto` 96 MiB.
    pub(crate) fn new() -> Self {
        Self::with(128 * MIB, Agent::builder())
    }

    /// An agent under another limit, or with other flags. Where no cgroup can be had (which is said loudly), the
    /// agent is told what `auto` would have found, and its own resident memory is held to the limit.
    pub(crate) fn with(limit_bytes: usize, builder: Builder) -> Self {
        raise_file_limit();
        let cgroup = Cgroup::new(limit_bytes as u64);
        let left = (limit_bytes / 5).max(32 * MIB);
        let builder = match &cgroup {
            Some(cgroup) => builder.cgroup(cgroup).args(&["--memory", "auto"]),
            None => builder.args(&["--memory", &(limit_bytes - left).to_string()]),
        };
        let agent = builder.start();
        let prober = Some(Prober::start(&agent));
        Self { agent, cgroup, limit_bytes, prober }
    }

    /// Puts a prober that keeps its one connection in the place of the one that comes back.
    pub(crate) fn keep_one_prober_connection(&mut self) {
        if let Some(prober) = self.prober.replace(Prober::start_on_one_connection(&self.agent)) {
            prober.finish();
        }
    }

    /// What the cache may take, as the agent understood it.
    pub(crate) fn memory(&self) -> usize {
        let reply = self.agent.client().call("CONFIG GET maxmemory");
        reply.get("maxmemory").and_then(Value::text).and_then(|text| text.parse().ok()).expect("a number")
    }

    /// The longest value it takes.
    pub(crate) fn max_value(&self) -> usize {
        let reply = self.agent.client().call("CONFIG GET proto-max-bulk-len");
        reply
            .get("proto-max-bulk-len")
            .and_then(Value::text)
            .and_then(|text| text.parse().ok())
            .expect("a number")
    }

    /// How often the cgroup's limit stood in the way, of page cache as well; 0 where there is none.
    pub(crate) fn limit_hits(&self) -> u64 {
        self.cgroup.as_ref().map_or(0, Cgroup::limit_hits)
    }

    /// Fills the cache to its limit with values of a kilobyte.
    pub(crate) fn fill(&self) {
        self.fill_with(1000, self.memory() * 5 / 4);
    }

    /// Stores so many bytes in values of this size, under keys of the fill's own.
    pub(crate) fn fill_with(&self, value_bytes: usize, bytes: usize) {
        let mut client = self.agent.client();
        let value = vec![b'f'; value_bytes];
        let count = bytes / (value_bytes + 64);
        for first in (0..count).step_by(200) {
            let names: Vec<_> = (first..count.min(first + 200))
                .map(|number| format!("fill:{value_bytes}:{number}").into_bytes())
                .collect();
            let commands: Vec<_> = names.iter().map(|name| [b"SET", &name[..], &value]).collect();
            let replies = client.pipeline(&commands).expect("a fill is answered");
            assert!(replies.iter().all(|reply| !reply.is_error()), "{:?}", replies[0]);
        }
    }

    /// The verdict: the agent lives, its memory stayed under the limit, and the well-behaved client was always
    /// answered. Panics if not; else tells how it was served.
    pub(crate) fn verdict(mut self) -> Served {
        let ended = self.agent.exited();
        let kills = self.cgroup.as_ref().map_or(0, Cgroup::oom_kills);
        assert!(
            ended.is_none() && kills == 0,
            "the agent ended ({ended:?}, {kills} killed for want of memory):\n{}",
            tail(&self.agent.log())
        );
        let log = self.agent.log();
        assert!(!log.contains("panicked"), "something panicked:\n{}", tail(&log));
        let served = self.prober.take().map(Prober::finish).expect("a prober");
        assert!(served.rounds > 0, "the prober did nothing");
        let peak = self.cgroup.as_ref().map_or_else(|| self.agent.vm_hwm(), Cgroup::max_usage_bytes);
        println!(
            "peak {} MiB of {}, prober {} rounds, worst {:?}",
            peak as usize / MIB,
            self.limit_bytes / MIB,
            served.rounds,
            served.worst
        );
        assert!(peak as usize <= self.limit_bytes);
        // It serves as before: a new client, a command, and a value of some size.
        let mut client = self.agent.client();
        assert_eq!(client.call("PING"), Value::Simple(b"PONG".to_vec()));
        let value = vec![b'v'; 10_000];
        assert!(!client.command(&[b"SET", &b"after"[..], &value]).expect("a reply").is_error());
        assert_eq!(client.call("GET after"), Value::Bulk(value));
        served
    }

    /// [`Arena::verdict`], and no answer took longer than `worst`.
    pub(crate) fn verdict_within(self, worst: Duration) {
        let served = self.verdict();
        assert!(served.worst <= worst, "somebody else had to wait for {:?}", served.worst);
    }
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// What became of a client that misbehaved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The agent closed it.
    Closed,
    /// It was answered.
    Answered(Value),
    /// Nothing came within the time given.
    Silence,
}

/// Reads the next reply of a client that may have been closed.
pub(crate) fn fate(client: &mut Client, within: Duration) -> Fate {
    client.set_read_limit(Some(within)).expect("a limit");
    match client.read() {
        Ok(reply) => Fate::Answered(reply),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Fate::Silence,
        Err(error) if error.kind() == ErrorKind::InvalidData => panic!("the reply is torn or wrong: {error}"),
        Err(_) => Fate::Closed,
    }
}

/// A connection that writes without caring what comes back, and gives up after a while.
pub(crate) struct Rude(pub(crate) UnixStream);

impl Rude {
    pub(crate) fn new(agent: &Agent) -> Self {
        let stream = UnixStream::connect(agent.socket()).expect("a connection");
        stream.set_write_timeout(Some(LIMIT)).expect("a limit");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        Self(stream)
    }

    /// Sends; false if the agent has closed the connection meanwhile.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        match self.0.write_all(bytes) {
            Ok(()) => true,
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => false,
            Err(error) => panic!("the agent neither reads nor closes: {error}"),
        }
    }

    /// Sends as much as the agent takes at once, without waiting; how much that was.
    pub(crate) fn send_what_fits(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set_nonblocking(true)?;
        let sent = self.0.write(bytes);
        self.0.set_nonblocking(false)?;
        sent
    }

    /// Whether the agent has closed the connection by the time that `within` is over; what came before is thrown away.
    pub(crate) fn is_closed_within(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut buffer = vec![0; 1 << 16];
        self.0.set_read_timeout(Some(Duration::from_millis(50))).expect("a limit");
        poll_until(within, || match self.0.read(&mut buffer) {
            Ok(0) => Some(true),
            Ok(_) => None,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                (Instant::now() >= deadline).then_some(false)
            }
            Err(_) => Some(true),
        })
        .unwrap_or(false)
    }
}
