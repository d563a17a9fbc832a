//! Runs one case on the three servers, in step, and compares their replies.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::resp::{Client, Value, encode};

use super::case::{Case, Step};
use super::command::Command;
use super::compare::{Mismatch, compare, compare_all, parted};
use super::coverage::Coverage;
use super::mask::CLOCK_TOLERANCE_MS;
use super::reply::{MARKER, Reply, read_last, read_reply, read_several, read_until_marker, scan_on};
use super::trio::{Server, Trio};
use super::{CONNECTIONS, SHORT_MS, WAIT_MS};

/// How long a server may take for a reply.
const REPLY_LIMIT: Duration = Duration::from_secs(5);

/// How a case went.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Every reply of the subject was one of the peers'.
    Same,
    /// The machine was too slow for the replies to be certain: run it again.
    TooSlow,
    /// At this step it was not.
    Differs {
        /// Counted from 0.
        step: usize,
        /// How.
        mismatch: Mismatch,
    },
}

/// The connections of a case, and what is known of them.
pub(crate) struct Runner<'a> {
    trio: &'a mut Trio,
    /// By server, then by number.
    connections: [[Option<Client>; CONNECTIONS]; 3],
    /// By connection: what the subject has queued since MULTI.
    queues: [Option<Vec<Command>>; CONNECTIONS],
    /// When the first of the keys that now have a short TTL got it.
    short_since: Option<Instant>,
    /// Whether the peers executed different things, after which there is nothing certain to compare with.
    parted: bool,
    /// The replies of each step so far: the subject's, Redis's, Valkey's.
    pub(crate) replies: Vec<[Reply; 3]>,
}

impl<'a> Runner<'a> {
    /// Makes everything ready for a case.
    pub(crate) fn new(trio: &'a mut Trio) -> Self {
        trio.reset();
        let connections = [(); 3].map(|()| [(); CONNECTIONS].map(|()| None));
        Self {
            trio,
            connections,
            queues: Default::default(),
            short_since: None,
            parted: false,
            replies: Vec::new(),
        }
    }

    /// Runs `case` and notes in `coverage` what got a reply that is no error.
    pub(crate) fn run(&mut self, case: &Case, coverage: &mut Coverage) -> Outcome {
        for (connection, _) in case.resp3.iter().enumerate().filter(|(_, resp3)| **resp3) {
            self.exchange(connection, &[encode(&["HELLO", "3"])], read_reply);
        }
        for (step, what) in case.steps.iter().enumerate() {
            let started = Instant::now();
            self.trio.0[0].demote();
            let difference = self.step(what, coverage).err();
            let slow =
                self.short_since.is_some_and(|since| since.elapsed() > Duration::from_millis(SHORT_MS / 3))
                    || started.elapsed() > Duration::from_millis(CLOCK_TOLERANCE_MS.unsigned_abs() / 2);
            // A server that gave no answer is slow as well, and not for the machine's sake.
            let silent = self.replies.last().is_some_and(|replies| replies[0] == Reply::Silence);
            match difference {
                _ if slow && !silent => return Outcome::TooSlow,
                _ if self.parted => return Outcome::Same,
                Some(mismatch) => return Outcome::Differs { step, mismatch },
                None => {}
            }
        }
        Outcome::Same
    }

    fn step(&mut self, step: &Step, coverage: &mut Coverage) -> Result<(), Mismatch> {
        let now_ms = wall_clock_ms();
        let (replies, same) = match step {
            Step::Wait => {
                std::thread::sleep(Duration::from_millis(WAIT_MS));
                self.short_since = None;
                (nothing(), Ok(()))
            }
            // Left out: see there.
            Step::Send { connection, command, .. }
                if self.queues[*connection].is_some() && !self.trio.fits_transactions(command.name) =>
            {
                (nothing(), Ok(()))
            }
            Step::Send { connection, command, inline } => {
                self.before(*connection, command);
                let arguments = command.resolve(now_ms);
                let bytes = if *inline { inline_command(&arguments) } else { encode(&arguments) };
                let quits = command.name == "QUIT";
                let read = |client: &mut Client| if quits { read_last(client) } else { read_reply(client) };
                let replies = self.exchange(*connection, &[bytes], read);
                let queued = self.queues[*connection].clone().unwrap_or_default();
                let same = compare(command, &queued, &replies);
                self.parted |= parted(command, &queued, &replies);
                if same.is_ok() {
                    coverage.note(command, &queued, &replies[0]);
                }
                self.after(*connection, command, &replies[0]);
                (replies, same)
            }
            Step::Pipeline { connection, commands } => {
                commands.iter().for_each(|command| self.before(*connection, command));
                let bytes: Vec<_> = commands.iter().map(|command| encode(&command.resolve(now_ms))).collect();
                let replies =
                    self.exchange(*connection, &bytes, |client| read_several(client, commands.len()));
                let same = self.compare_pipeline(*connection, commands, &replies, coverage);
                (replies, same)
            }
            Step::FullScan { connection, options } => {
                let mut command = Command::of("SCAN", &["0"]);
                command.args.extend(options.iter().cloned());
                let arguments = command.resolve(now_ms);
                let replies =
                    self.exchange(*connection, &[encode(&arguments)], |client| scan_on(client, &arguments));
                let same = compare(&command, &[], &replies);
                if same.is_ok() {
                    coverage.note(&command, &[], &replies[0]);
                }
                self.after(*connection, &command, &replies[0]);
                (replies, same)
            }
            Step::Silent { connection, resp3, skip, commands } => {
                commands.iter().for_each(|command| self.before(*connection, command));
                let (sent, visible) = silent_commands(*resp3, *skip, commands);
                let bytes: Vec<_> = sent.iter().map(|command| encode(&command.resolve(now_ms))).collect();
                let replies = self.exchange(*connection, &bytes, read_until_marker);
                self.queues[*connection] = None;
                let same = compare_all("CLIENT|REPLY", &visible, &replies);
                if same.is_ok() {
                    coverage.note_word("CLIENT|REPLY", if *skip { &["SKIP"] } else { &["OFF", "ON"] });
                }
                (replies, same)
            }
        };
        self.replies.push(replies);
        same
    }

    /// Each reply of a pipeline by itself, as if the commands had been sent one after the other.
    fn compare_pipeline(
        &mut self,
        connection: usize,
        commands: &[Command],
        replies: &[Reply; 3],
        coverage: &mut Coverage,
    ) -> Result<(), Mismatch> {
        if !matches!(replies[0], Reply::Several(_)) {
            self.queues[connection] = None;
            return compare_all("a pipeline", commands, replies);
        }
        for (at, command) in commands.iter().enumerate() {
            let queued = self.queues[connection].clone().unwrap_or_default();
            let one = replies.each_ref().map(|reply| match reply {
                Reply::Several(values) => Reply::Value(values[at].clone()),
                other => other.clone(),
            });
            self.parted |= parted(command, &queued, &one);
            compare(command, &queued, &one)?;
            coverage.note(command, &queued, &one[0]);
            self.after(connection, command, &one[0]);
        }
        Ok(())
    }

    /// What must be known before `command` is sent.
    fn before(&mut self, connection: usize, command: &Command) {
        let queued = self.queues[connection].as_deref().unwrap_or_default();
        let executed = if command.name == "EXEC" { queued } else { std::slice::from_ref(command) };
        if executed.iter().any(Command::has_short_ttl) {
            self.short_since.get_or_insert_with(Instant::now);
        }
        if executed.iter().chain([command]).any(|command| command.name == "DBSIZE") {
            self.trio.0.iter_mut().for_each(Server::settle);
        }
    }

    /// What the subject's reply tells of a transaction.
    fn after(&mut self, connection: usize, command: &Command, reply: &Reply) {
        let queue = &mut self.queues[connection];
        let Reply::Value(value) = reply else {
            *queue = None;
            return;
        };
        let text = value.text().unwrap_or_default();
        match command.name {
            _ if *value == Value::Simple(b"QUEUED".to_vec()) => {
                queue.get_or_insert_default().push(command.clone());
            }
            "MULTI" if text == "OK" => *queue = Some(Vec::new()),
            // With a wrong number of arguments the transaction goes on, if only to be aborted.
            "EXEC" | "DISCARD" | "RESET" if !text.starts_with("ERR wrong number") => *queue = None,
            _ => {}
        }
    }

    /// Sends to all three before it reads from any, so that what they reply is of the same moment.
    fn exchange(
        &mut self,
        connection: usize,
        commands: &[Vec<u8>],
        read: impl Fn(&mut Client) -> Reply,
    ) -> [Reply; 3] {
        let bytes = commands.concat();
        let mut sent = [false; 3];
        for (at, server) in self.trio.0.iter().enumerate() {
            let slot = &mut self.connections[at][connection];
            if slot.is_none() {
                *slot = server.connect().filter(|client| client.set_read_limit(Some(REPLY_LIMIT)).is_ok());
            }
            sent[at] = slot.as_mut().is_some_and(|client| client.send_raw(&bytes).is_ok());
        }
        [0, 1, 2].map(|at| {
            let slot = &mut self.connections[at][connection];
            let reply = slot.as_mut().filter(|_| sent[at]).map_or(Reply::Closed, &read);
            if !matches!(reply, Reply::Value(_) | Reply::Several(_)) {
                *slot = None;
            }
            reply
        })
    }
}

/// For steps without replies.
fn nothing() -> [Reply; 3] {
    [(); 3].map(|()| Reply::Several(vec![]))
}

/// What a silent step sends, and of that what is answered.
fn silent_commands(resp3: bool, skip: bool, commands: &[Command]) -> (Vec<Command>, Vec<Command>) {
    let mut sent = vec![Command::of("RESET", &[])];
    if resp3 {
        sent.push(Command::of("HELLO", &["3"]));
    }
    let mut visible = sent.clone();
    sent.push(Command::of("CLIENT|REPLY", &[if skip { "SKIP" } else { "OFF" }]));
    sent.extend_from_slice(commands);
    if !skip {
        sent.push(Command::of("CLIENT|REPLY", &["ON"]));
        visible.push(Command::of("CLIENT|REPLY", &["ON"]));
    }
    sent.push(Command::of("ECHO", &[MARKER]));
    visible.push(Command::of("ECHO", &[MARKER]));
    (sent, visible)
}

/// Everything in quotes, with escapes for what is not a plain letter or digit.
fn inline_command(arguments: &[Vec<u8>]) -> Vec<u8> {
    let quoted = arguments.iter().map(|argument| {
        let escape = |byte: &u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        format!("\"{}\"", argument.iter().map(escape).collect::<String>())
    });
    format!("{}\r\n", quoted.collect::<Vec<_>>().join(" ")).into_bytes()
}

fn wall_clock_ms() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}
