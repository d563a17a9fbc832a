//! One connection: a task that reads, runs and replies in turns, and never waits while it holds anything shared.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use larder_cache::clock::{boot_nanos, now};
use larder_cache::{Fetches, Room};

use super::clients::Client;
use super::node::Node;
use super::session::{Session, Wait};
use super::stream::Stream;
use super::unread::{Pressure, note_full, note_sent};
use super::worker::{READ_BYTES, Scratch, with_scratch};
use crate::command::{Args, Verdict, execute};
use crate::resp::{Decoder, Limits, Out, Progress, ProtocolError, Reply};

/// Unsent bytes from which on no further command is run: what the client sends is kept, unread, until it reads.
const OUTPUT_HIGH: usize = 256 * 1024;
/// Replies from which on they are sent before the next command runs.
const OUTPUT_FLUSH: usize = 64 * 1024;
/// Commands from this length on are read into an allocation of their own.
const OWN_FRAME_FROM: usize = 16 * 1024;
/// Time after which running commands lets others go on, in nanoseconds,
const TURN_NANOS: u64 = 1_000_000;
/// and reads after which a turn does: each is some hundred commands at most.
const READS_A_TURN: usize = 4;
/// The longest argument of the protocol, 512 MiB.
const BULK_MAX: i64 = 512 << 20;
/// Empty lines between two looks at the clock.
const NOTHINGS_A_LOOK: u32 = 4096;
/// Pieces sent by one `writev`.
const PIECES_MAX: usize = 64;

/// Why a turn ended.
#[derive(Debug)]
enum Next {
    /// The connection is over.
    Close,
    /// Others go on first, and new ones too.
    Yield,
    /// Others that can go on do so first.
    StepBack,
    /// Nothing happens for a while.
    Sleep(Duration),
    /// What the session wants from disk is fetched.
    Fetch,
}

/// Why commands stopped being run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// There are none left, or only part of one.
    Exhausted,
    /// The client has to read first.
    OutputHigh,
    /// This turn was long enough, or room is being made.
    Yield,
    /// Another worker holds the shard of the next command.
    Barred,
    /// Commands are paused for so many milliseconds.
    Paused(u64),
    /// The last command has begun something that has to end first.
    Waiting,
    /// The next command wants something from disk.
    Fetching,
    /// The connection closes after what is written.
    Closing,
}

/// How far a turn has come.
struct Turn {
    /// Bytes of its source that are done with.
    consumed: usize,
    /// The present, in nanoseconds on the boot clock,
    clock: u64,
    /// and when others shall go on.
    ends: u64,
}

struct Connection {
    node: Arc<Node>,
    session: Session,
    /// Bytes received; no allocation while empty.
    input: Vec<u8>,
    /// How many of them were run already.
    ran: usize,
    /// Whether input is read to the end of one long command and no further, to become an allocation of its own.
    own_frame: bool,
    /// The place within a torn command.
    torn: Option<Box<Decoder>>,
    /// Bytes that a torn command still needs at least.
    needed: usize,
    /// Replies that the socket did not take.
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// How much is sent at a time.
    pressure: Pressure,
    /// Whether input may hold a whole command that was not run yet.
    runnable: bool,
    /// The client sends no more.
    ended: bool,
    /// Whether others went on because another worker held a shard: next time it waits.
    has_stepped_back: bool,
    /// What was last told of buffer bytes.
    told: usize,
}

/// Serves a client until either side ends it.
pub async fn serve(node: Arc<Node>, client: Arc<Client>, owes_password: bool) {
    let mut connection = Connection {
        session: Session::new(client, owes_password),
        node,
        input: Vec::new(),
        ran: 0,
        own_frame: false,
        torn: None,
        needed: 0,
        unsent: VecDeque::new(),
        unsent_bytes: 0,
        pressure: Pressure::default(),
        runnable: false,
        ended: false,
        has_stepped_back: false,
        told: 0,
    };
    loop {
        match std::future::poll_fn(|cx| connection.poll_turn(cx)).await {
            Next::Close => break,
            Next::Yield => tokio::task::yield_now().await,
            Next::StepBack => step_back().await,
            Next::Sleep(time) => tokio::time::sleep(time).await,
            Next::Fetch => connection.fetch().await,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        crate::command::forget_watches(&self.node, &mut self.session);
        let client = &self.session.client;
        client.has_ended.store(true, Relaxed);
        self.node.change_buffers(self.told, 0);
        self.node.lingering.keep(&self.node, client);
        self.node.clients.remove(client.id);
    }
}

impl Connection {
    /// Waits for what the session wants from disk.
    async fn fetch(&mut self) {
        let wanted = std::mem::take(&mut self.session.wanted);
        let before = std::mem::take(&mut self.session.fetched);
        let keys = self.session.wanted_keys;
        self.session.fetched = self.node.cache.fetch(wanted, keys, before).await;
        self.tell();
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let client = Arc::clone(&self.session.client);
        for _ in 0..READS_A_TURN {
            if !self.unsent.is_empty() {
                match self.send_unsent(&client.stream) {
                    Ok(()) => {}
                    Err(_) => return Poll::Ready(Next::Close),
                }
            }
            if self.session.wait.is_some()
                && let Some(next) = with_scratch(|scratch| self.advance_wait(&client.stream, scratch))
            {
                return Poll::Ready(next);
            }
            if self.runnable && self.unsent_bytes < OUTPUT_HIGH && self.session.wait.is_none() {
                let stop = with_scratch(|scratch| self.run_kept(&client.stream, scratch));
                self.tell();
                match stop {
                    Err(_) => return Poll::Ready(Next::Close),
                    Ok(Stop::Paused(ms)) => return Poll::Ready(Next::Sleep(pause_step(ms))),
                    Ok(Stop::Yield) => return Poll::Ready(Next::Yield),
                    Ok(Stop::Barred) => return Poll::Ready(Next::StepBack),
                    Ok(Stop::Fetching) => return Poll::Ready(Next::Fetch),
                    Ok(Stop::Waiting) => continue,
                    Ok(Stop::Exhausted | Stop::OutputHigh | Stop::Closing) => {}
                }
            }
            let is_done = self.session.closing || (self.ended && !self.runnable);
            if is_done && self.unsent.is_empty() {
                return Poll::Ready(Next::Close);
            }
            let mut is_blocked = true;
            if !self.unsent.is_empty() {
                match client.stream.poll_writable(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => is_blocked = false,
                    Poll::Ready(Err(_)) => return Poll::Ready(Next::Close),
                }
            }
            // Who sends much waits until the cache has given way to what came so far.
            if self.input.len() >= READ_BYTES && self.node.cache.make_room(0, now()) == Room::Busy {
                return Poll::Ready(Next::Yield);
            }
            if !self.ended && !self.session.closing {
                match client.stream.poll_readable(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Next::Close),
                    Poll::Ready(Ok(())) => {
                        is_blocked = false;
                        let stop = with_scratch(|scratch| self.read_and_run(&client.stream, scratch));
                        self.tell();
                        match stop {
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                            Err(_) => return Poll::Ready(Next::Close),
                            Ok(Stop::Paused(ms)) => return Poll::Ready(Next::Sleep(pause_step(ms))),
                            Ok(Stop::Yield) => return Poll::Ready(Next::Yield),
                            Ok(Stop::Barred) => return Poll::Ready(Next::StepBack),
                            Ok(Stop::Fetching) => return Poll::Ready(Next::Fetch),
                            Ok(_) => {}
                        }
                    }
                }
            }
            if is_blocked {
                return Poll::Pending;
            }
        }
        Poll::Ready(Next::Yield)
    }

    /// Reads once and runs what is whole.
    fn read_and_run(&mut self, stream: &Stream, scratch: &mut Scratch) -> io::Result<Stop> {
        let may_run = self.unsent_bytes < OUTPUT_HIGH && self.session.wait.is_none();
        if may_run && self.input.is_empty() && self.torn.is_none() {
            return self.read_into_scratch(stream, scratch);
        }
        let got = self.read_into_input(stream)?;
        if got == 0 {
            self.ended = true;
            return Ok(Stop::Exhausted);
        }
        scratch.received(&self.node, got);
        self.needed = self.needed.saturating_sub(got);
        if self.needed > 0 && self.torn.is_some() {
            return Ok(Stop::Exhausted);
        }
        self.runnable = true;
        if may_run { self.run_kept(stream, scratch) } else { Ok(Stop::OutputHigh) }
    }

    /// Reads into the worker's memory; what is torn is kept.
    fn read_into_scratch(&mut self, stream: &Stream, scratch: &mut Scratch) -> io::Result<Stop> {
        let mut input = std::mem::take(&mut scratch.input);
        let result = stream.read_once(|fd| {
            let got = rustix::io::read(fd, &mut *input)?;
            Ok((got, got < input.len()))
        });
        let stop = result.and_then(|got| {
            self.ended = got == 0;
            scratch.received(&self.node, got);
            let (stop, consumed) = self.run(stream, scratch, Source::Shared(&input[..got]))?;
            self.input.extend_from_slice(&input[consumed..got]);
            self.settle(stop);
            Ok(stop)
        });
        scratch.input = input;
        stop
    }

    /// Reads behind what was received before: room is made for what has come and half as much again, not for what was
    /// announced, until a quarter of it has come.
    fn read_into_input(&mut self, stream: &Stream) -> io::Result<usize> {
        self.own_frame = self.needed >= OWN_FRAME_FROM && self.ran == 0;
        let held = self.input.len();
        let room = match self.needed {
            needed if self.own_frame && needed / 4 <= held => needed,
            needed if self.own_frame => needed.min(held.max(READ_BYTES)),
            _ => READ_BYTES.max(held / 2),
        };
        if self.input.capacity() - held < room.min(READ_BYTES) {
            self.input.reserve_exact(room);
        }
        let space = self.input.capacity() - held;
        let input = &mut self.input;
        stream.read_once(|fd| {
            let got = rustix::io::read(fd, rustix::buffer::spare_capacity(input))?;
            Ok((got, got < space))
        })
    }

    /// Runs what was received before.
    fn run_kept(&mut self, stream: &Stream, scratch: &mut Scratch) -> io::Result<Stop> {
        let input = std::mem::take(&mut self.input);
        if self.own_frame && self.ran == 0 {
            let owner = Bytes::from(input);
            let (stop, consumed) = self.run(stream, scratch, Source::Owned(&owner))?;
            if consumed < owner.len() {
                // Nobody else holds it, so this is no copy.
                self.input = Vec::from(owner);
                self.ran = consumed;
            }
            self.settle(stop);
            return Ok(stop);
        }
        let (stop, consumed) = self.run(stream, scratch, Source::Shared(&input[self.ran..]))?;
        self.input = input;
        self.ran += consumed;
        self.settle(stop);
        Ok(stop)
    }

    /// Gives back the room of what was run, and notes whether there is more to run.
    fn settle(&mut self, stop: Stop) {
        if self.ran == self.input.len() || stop == Stop::Closing {
            self.input = Vec::new();
            self.ran = 0;
        } else if self.ran > self.input.len() / 2 {
            self.input.drain(..self.ran);
            self.input.shrink_to(self.input.len() + READ_BYTES);
            self.ran = 0;
        }
        self.runnable = stop != Stop::Exhausted && !self.input.is_empty();
    }

    /// Runs whole commands from the start of `source`; returns why it stopped and how many bytes are done with.
    fn run(
        &mut self,
        stream: &Stream,
        scratch: &mut Scratch,
        source: Source<'_>,
    ) -> io::Result<(Stop, usize)> {
        // Whatever the connection before has left behind is none of this one's business.
        match self.torn.take() {
            Some(torn) => scratch.decoder = *torn,
            None => scratch.decoder.clear(),
        }
        if !scratch.out.is_empty() {
            scratch.out.clear();
        }
        let clock = boot_nanos();
        self.session.client.active_ms.store(clock / 1_000_000, Relaxed);
        self.needed = 0;
        scratch.out.set_limit(self.node.reply_limit().max(OUTPUT_FLUSH * 2));
        let mut turn = Turn { consumed: 0, clock, ends: clock + TURN_NANOS };
        let stop = loop {
            let stop = self.run_until_full(scratch, source, &mut turn)?;
            self.send(stream, &mut scratch.out, &scratch.tally)?;
            match stop {
                Some(stop) => break stop,
                None if self.unsent_bytes >= OUTPUT_HIGH => break Stop::OutputHigh,
                None if turn.clock >= turn.ends && turn.consumed < source.bytes().len() => break Stop::Yield,
                None => {}
            }
        };
        self.note_transaction();
        if stop == Stop::Exhausted && !self.session.fetched.is_empty() {
            // What was read for commands behind those that ran has found none of them.
            self.session.fetched = Fetches::default();
        }
        Ok((stop, turn.consumed))
    }

    /// Runs whole commands until there is a reason to stop, or until there are replies enough to be sent (`None`).
    fn run_until_full(
        &mut self,
        scratch: &mut Scratch,
        source: Source<'_>,
        turn: &mut Turn,
    ) -> io::Result<Option<Stop>> {
        let Scratch { out, decoder, tally, .. } = scratch;
        let bytes = source.bytes();
        let arguments_max = self.node.arguments_max();
        let mut nothings = 0u32;
        let mut stay = self.node.cache.stay();
        // Who waits for another worker with nothing to show for it may as well let others here read and write meanwhile.
        stay.step_back(turn.consumed == 0 && !std::mem::take(&mut self.has_stepped_back));
        // Bytes of a command that waits for the disk, and of those behind it that were looked at since.
        let mut ahead = 0;
        while turn.consumed + ahead < bytes.len() {
            if out.len() >= OUTPUT_FLUSH && ahead == 0 {
                return Ok(None);
            }
            let unauthenticated = self.session.owes_password;
            let limits = Limits { bulk_max: BULK_MAX, arguments_max, unauthenticated };
            let progress = decoder.decode(&bytes[turn.consumed + ahead..], limits);
            if ahead > 0 {
                // There is no other call of the decoder, since its first would pay for a second.
                let rest = &bytes[turn.consumed + ahead..];
                let looked_at = foresee(&self.node, &mut self.session, &progress, rest, decoder);
                decoder.clear();
                match looked_at {
                    Some(length) if ahead < READ_BYTES => ahead += length,
                    _ => break,
                }
                continue;
            }
            let (length, verdict) = match progress {
                Ok(Progress::Nothing(length)) => {
                    turn.consumed += length;
                    decoder.clear();
                    nothings += 1;
                    if nothings.is_multiple_of(NOTHINGS_A_LOOK) && boot_nanos() >= turn.ends {
                        return Ok(Some(Stop::Yield));
                    }
                    continue;
                }
                Ok(Progress::Incomplete(needed)) => {
                    self.needed = needed;
                    if decoder.is_within_command() {
                        self.torn = Some(Box::new(std::mem::take(decoder)));
                    }
                    return Ok(Some(Stop::Exhausted));
                }
                Ok(Progress::Command(length)) => {
                    let args = source.args(turn.consumed, length, decoder);
                    (length, execute(&self.node, &mut stay, &mut self.session, tally, args, out, turn.clock))
                }
                Ok(Progress::Inline(length, text)) => {
                    let args = Args::new(&text, decoder.spans());
                    (length, execute(&self.node, &mut stay, &mut self.session, tally, args, out, turn.clock))
                }
                Err(error) => {
                    tally.protocol_errors.add(1);
                    out.error(&format!("ERR {error}"));
                    self.session.closing = true;
                    return Ok(Some(Stop::Closing));
                }
            };
            let decoder_keys = decoder.spans().len();
            decoder.clear();
            turn.clock = verdict.1;
            if out.has_overflowed() {
                tally.clients_closed_for_buffers.add(1);
                tracing::warn!(
                    client = self.session.client.id,
                    "a reply was larger than all buffers may be: closed"
                );
                out.clear();
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            match verdict.0 {
                Verdict::Done => turn.consumed += length,
                Verdict::Paused(ms) => return Ok(Some(Stop::Paused(ms))),
                Verdict::Busy => return Ok(Some(Stop::Yield)),
                Verdict::Barred => {
                    self.has_stepped_back = true;
                    return Ok(Some(Stop::Barred));
                }
                Verdict::Fetching => {
                    self.session.wanted_keys = decoder_keys;
                    stay.release();
                    ahead = length;
                    continue;
                }
            }
            if self.session.closing {
                return Ok(Some(Stop::Closing));
            }
            if self.session.wait.is_some() {
                return Ok(Some(Stop::Waiting));
            }
            if turn.clock >= turn.ends && turn.consumed < bytes.len() {
                return Ok(Some(Stop::Yield));
            }
        }
        Ok(Some(if ahead > 0 { Stop::Fetching } else { Stop::Exhausted }))
    }

    /// Sends replies, or keeps what the socket does not take.
    fn send(
        &mut self,
        stream: &Stream,
        out: &mut Out,
        tally: &crate::metrics::tally::Tally,
    ) -> io::Result<()> {
        // Whoever reads this may rely on it.
        if self.node.cache.commit().is_err() {
            tracing::error!(
                client = self.session.client.id,
                "the disk tier's journal can neither be written nor be invalidated: closed without an answer"
            );
            out.clear();
            return Err(io::ErrorKind::Other.into());
        }
        if out.is_empty() {
            return Ok(());
        }
        let total = out.len();
        let mut sent = 0;
        if self.unsent.is_empty()
            && let Some(bytes) = out.as_one()
        {
            let most = self.pressure.write_max(&self.node, &self.session.client);
            let piece = &bytes[..most.map_or(total, |most| most.min(total))];
            sent = match stream.write_once(most.is_some(), |fd| Ok(rustix::io::write(fd, piece)?)) {
                Ok(sent) => {
                    note_sent(&self.node, &self.session.client, sent);
                    sent
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => {
                    out.clear();
                    return Err(error);
                }
            };
        }
        tally.bytes_out.add(total as u64);
        if sent == total {
            out.clear();
            return Ok(());
        }
        out.move_rest(sent, &mut self.unsent);
        self.unsent_bytes += total - sent;
        self.send_unsent(stream)
    }

    /// Sends what was kept, as far as the socket takes it.
    fn send_unsent(&mut self, stream: &Stream) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let most = self.pressure.write_max(&self.node, &self.session.client);
            let mut room = most.unwrap_or(usize::MAX);
            let pieces: Vec<IoSlice<'_>> = self
                .unsent
                .iter()
                .take(PIECES_MAX)
                .map(|piece| {
                    let length = piece.len().min(room);
                    room -= length;
                    IoSlice::new(&piece[..length])
                })
                .take_while(|piece| !piece.is_empty())
                .collect();
            let result = stream.write_once(most.is_some(), |fd| Ok(rustix::io::writev(fd, &pieces)?));
            drop(pieces);
            let mut sent = match result {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            note_sent(&self.node, &self.session.client, sent);
            self.unsent_bytes -= sent;
            while let Some(first) = self.unsent.front_mut() {
                if sent < first.len() {
                    bytes::Buf::advance(first, sent);
                    break;
                }
                sent -= first.len();
                self.unsent.pop_front();
            }
        }
        if self.unsent.is_empty() {
            self.unsent.shrink_to_fit();
        }
        self.tell();
        Ok(())
    }

    /// Goes on with what a command has begun; `None` when it is finished.
    fn advance_wait(&mut self, stream: &Stream, scratch: &mut Scratch) -> Option<Next> {
        match self.session.wait.take()? {
            Wait::Sleep(ms) => {
                self.session.wait = Some(Wait::Awoken);
                Some(Next::Sleep(Duration::from_millis(ms)))
            }
            Wait::Awoken => {
                if !self.session.wait_is_silent {
                    scratch.out.raw(b"+OK\r\n");
                }
                self.send(stream, &mut scratch.out, &scratch.tally).err().map(|_| Next::Close)
            }
            Wait::Keys(mut wait) => {
                if wait.found.is_empty() {
                    wait.found.set_limit(self.node.reply_limit());
                }
                let cache = &self.node.cache;
                let now = now();
                let database = wait.database;
                let fetched = std::mem::take(&mut self.session.fetched);
                let wanted = &mut self.session.wanted;
                let is_done = crate::command::step_keys(&mut wait, |cursor, count, show| {
                    let (next, waits) = cache.scan(database, cursor, count, now, &fetched, show);
                    let has_to_wait = !waits.is_empty();
                    *wanted = waits;
                    (next, has_to_wait)
                });
                if wait.found.has_overflowed() {
                    scratch.tally.clients_closed_for_buffers.add(1);
                    return Some(Next::Close);
                }
                if !is_done {
                    self.session.wait = Some(Wait::Keys(wait));
                    self.tell();
                    let waits = !self.session.wanted.is_empty();
                    return Some(if waits { Next::Fetch } else { Next::Yield });
                }
                if self.session.wait_is_silent {
                    return None;
                }
                let protocol = self.session.protocol;
                crate::command::write_keys(&mut wait, &mut Reply { out: &mut scratch.out, protocol });
                self.send(stream, &mut scratch.out, &scratch.tally).err().map(|_| Next::Close)
            }
        }
    }

    fn note_transaction(&self) {
        let client = &self.session.client;
        let queued =
            self.session.transaction.as_ref().map_or(-1, |transaction| transaction.queue.len() as i64);
        client.queued.store(queued, Relaxed);
    }

    /// Tells the node what this connection holds now, if that changed.
    fn tell(&mut self) {
        let torn = self.torn.as_ref().map_or(0, |decoder| decoder.bytes());
        // Memory that was reserved and not written to does not exist yet.
        let (input, queued) = (self.input.len() + torn, self.session.bytes());
        let held = input + self.unsent_bytes + queued;
        if held == self.told {
            return;
        }
        let client = &self.session.client;
        client.input_bytes.store(input, Relaxed);
        client.output_bytes.store(self.unsent_bytes, Relaxed);
        client.queued_bytes.store(queued, Relaxed);
        self.node.change_buffers(self.told, held);
        self.told = held;
        if self.unsent_bytes > 0 {
            // What does not fit into the socket's own buffer means that this is full, and it is charged to us as well.
            note_full(&self.node, client);
        }
    }
}

/// Lets every other task that is ready go on once. Nothing is asked of the system, as [`tokio::task::yield_now`] does.
async fn step_back() {
    let mut has_waited = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Has what a command behind the one that waits for the disk reads fetched along with what that wants; returns its bytes.
/// Nothing if there is no use in looking further.
#[cold]
fn foresee(
    node: &Node,
    session: &mut Session,
    progress: &Result<Progress, ProtocolError>,
    rest: &[u8],
    decoder: &Decoder,
) -> Option<usize> {
    let Ok(Progress::Command(length)) = progress else { return None };
    let args = Args::new(&rest[..*length], decoder.spans());
    crate::command::foresee(node, session, args).then_some(*length)
}

/// A pause may end early: it is looked at again at least ten times a second.
fn pause_step(ms: u64) -> Duration {
    Duration::from_millis(ms.clamp(1, 100))
}

/// Where commands lie while they run.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// In memory that is used again.
    Shared(&'a [u8]),
    /// In an allocation that values may be kept in.
    Owned(&'a Bytes),
}

impl<'a> Source<'a> {
    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }

    fn args<'d>(self, from: usize, length: usize, decoder: &'d Decoder) -> Args<'d>
    where
        'a: 'd,
    {
        match self {
            Self::Owned(owner) if from == 0 && length == owner.len() => Args::owned(owner, decoder.spans()),
            source => Args::new(&source.bytes()[from..from + length], decoder.spans()),
        }
    }
}
