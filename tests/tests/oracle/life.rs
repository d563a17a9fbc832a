//! One life of the agent, from its start to its end, as its clients see it.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use larder_tests::poll_until;
use larder_tests::resp::{Client, Value, encode};

use super::findings::Findings;
use super::moment::{Span, now};

/// How long a new connection is tried for.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// What the clients of one life share.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) socket: PathBuf,
    /// How many there were before.
    pub(crate) number: u64,
    pub(crate) seed: u64,
    halted: AtomicBool,
    dying: AtomicBool,
}

impl Life {
    pub(crate) fn new(socket: PathBuf, number: u64, seed: u64) -> Self {
        Self { socket, number, seed, halted: AtomicBool::new(false), dying: AtomicBool::new(false) }
    }

    /// Tells the clients to end what they do and go.
    pub(crate) fn halt(&self) {
        self.halted.store(true, SeqCst);
    }

    pub(crate) fn goes_on(&self) -> bool {
        !self.halted.load(SeqCst)
    }

    /// Says that from now on connections may break.
    pub(crate) fn die(&self) {
        self.dying.store(true, SeqCst);
    }

    /// Connects and selects a database; `None` when the agent is gone.
    pub(crate) fn connect(&self, database: u32, findings: &mut Findings) -> Option<Client> {
        let connected = poll_until(CONNECT_LIMIT, || match Client::connect(&self.socket) {
            Err(_) if !self.dying.load(SeqCst) => None,
            other => Some(other),
        });
        let mut client = connected.and_then(Result::ok);
        let selected = client.as_mut().map(|client| client.command(&["SELECT", &database.to_string()]));
        match selected {
            Some(Ok(_)) => client,
            Some(Err(error)) => {
                self.lost(&error, findings);
                None
            }
            None if self.dying.load(SeqCst) => None,
            None => {
                findings.violation("", "no connection to an agent that runs");
                None
            }
        }
    }

    /// A connection was lost: only an agent that is ended may do that.
    pub(crate) fn lost(&self, error: &io::Error, findings: &mut Findings) {
        let in_time = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        if !(in_time && self.dying.load(SeqCst)) {
            findings.violation("", format_args!("the connection to an agent that runs was lost: {error}"));
        }
    }

    /// Sends commands in one write and reads their replies, as far as they come. `false`: the connection is lost.
    pub(crate) fn exchange(
        &self,
        client: &mut Client,
        commands: &[Vec<Vec<u8>>],
        findings: &mut Findings,
        mut each: impl FnMut(&mut Findings, usize, Span, &Value),
    ) -> bool {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
        let sent = now();
        let mut outcome = client.send_raw(&bytes);
        for number in 0..commands.len() {
            // What was sent before a broken write may have been answered.
            match client.read() {
                Ok(reply) => each(findings, number, Span { sent, answered: now() }, &reply),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        findings.tally.operations += commands.len() as u64;
        match outcome {
            Ok(()) => true,
            Err(error) => {
                self.lost(&error, findings);
                false
            }
        }
    }
}

/// A command of words that are text.
pub(crate) fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}
