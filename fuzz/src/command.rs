//! Whatever is sent, a command gives one well-formed reply, and the cache stays within its limit.
//!
//! Input: a byte of flags, then what a client sends: arrays or lines. It is run three times against nodes of their own: in
//! RESP2, in RESP3, and with each command in a transaction of its own.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use larder_agent::command::Args;
use larder_agent::config::Family;
use larder_agent::resp::{Decoder, Limits, Progress, Protocol};
use larder_agent::server::node::Node;
use larder_agent::server::session::Replies;
use larder_cache::Figures;
use larder_cache::clock::now;
use tokio::runtime::{Builder, Runtime};

use super::peer::{Answer, Peer, node};
use super::reply::{self, Reply};

/// Bytes and commands of an input that are run.
const STREAM_MAX: usize = 64 * 1024;
const COMMANDS_MAX: usize = 256;
/// What clients may raise the limits to: more is for operators with more time than a fuzzer.
const MEMORY_MAX: usize = 8 << 20;
const VALUE_MAX: u64 = 1 << 20;
/// Bytes by which lists of what is to be freed may grow at a command.
const BOOKKEEPING_BYTES: usize = 4096;
/// Slices of reclaim, each so many nanoseconds, after which it must be done.
const RECLAIMS_MAX: usize = 2_000;
const RECLAIM_NANOS: u64 = 500_000;

/// Watches the clients' sockets for as long as the process lives.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_io().build().expect("a runtime"));

/// Runs one input.
///
/// # Panics
/// If a command does what it must not.
pub fn run(data: &[u8]) {
    let Some((&flags, stream)) = data.split_first() else { return };
    let stream = &stream[..stream.len().min(STREAM_MAX)];
    RUNTIME.block_on(async {
        // Lets the runtime forget the sockets of the run before.
        tokio::task::yield_now().await;
        let three_in_transactions = if flags & 16 == 0 { Protocol::Two } else { Protocol::Three };
        for (protocol, wraps) in
            [(Protocol::Two, false), (Protocol::Three, false), (three_in_transactions, true)]
        {
            serve(stream, flags, protocol, wraps);
        }
    });
}

/// Runs the stream against a new node.
fn serve(stream: &[u8], flags: u8, protocol: Protocol, wraps: bool) {
    let policy = match flags >> 1 & 3 {
        1 => Family::Volatile,
        2 => Family::NoEviction,
        _ => Family::AllKeys,
    };
    let node = node(flags & 1 == 1, policy);
    let observer = Observer { figures: Cell::new(node.cache.figures()), node: &node };
    let mut peer = Peer::connect(&node, protocol);
    let mut decoder = Decoder::default();
    let mut rest = stream;
    for _ in 0..COMMANDS_MAX {
        if peer.is_over() {
            peer = Peer::connect(&node, protocol);
        }
        let unauthenticated = peer.session.owes_password;
        let limits = Limits { bulk_max: 512 << 20, arguments_max: node.arguments_max(), unauthenticated };
        decoder.clear();
        let length = match decoder.decode(rest, limits) {
            Ok(Progress::Incomplete(_)) => break,
            Ok(Progress::Nothing(length)) => length,
            Ok(Progress::Inline(length, text)) => {
                observer.run(&mut peer, Args::new(&text, decoder.spans()), wraps);
                length
            }
            Ok(Progress::Command(length)) if flags & 8 != 0 => {
                let frame = Bytes::copy_from_slice(&rest[..length]);
                observer.run(&mut peer, Args::owned(&frame, decoder.spans()), wraps);
                length
            }
            Ok(Progress::Command(length)) => {
                observer.run(&mut peer, Args::new(&rest[..length], decoder.spans()), wraps);
                length
            }
            // The client is gone; the next one begins with the next line.
            Err(_) => {
                peer = Peer::connect(&node, protocol);
                rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |newline| newline + 1)
            }
        };
        rest = &rest[length..];
    }
    drop(peer);
    observer.clear_up();
}

/// Sees to it that all is well after each command.
struct Observer<'n> {
    node: &'n Node,
    /// As they were before.
    figures: Cell<Figures>,
}

impl Observer<'_> {
    fn run(&self, peer: &mut Peer<'_>, args: Args<'_>, wraps: bool) {
        if !wraps {
            self.offer(peer, args);
            return;
        }
        if peer.session.transaction.is_none() {
            self.offer_line(peer, "MULTI");
        }
        let reply = self.offer(peer, args);
        let is_queued = peer.session.transaction.as_ref().is_some_and(|begun| begun.queue.len() == 1);
        if peer.is_over() || peer.session.transaction.is_none() {
            return;
        }
        let waits_for_exec = is_queued && matches!(reply, Some(Reply::Other) | None);
        match self.offer_line(peer, "EXEC") {
            Some(Reply::Elements(count)) => {
                assert!(waits_for_exec && count == 1, "{count} replies to one command");
            }
            Some(Reply::Error(_)) | None => {}
            Some(Reply::Other) => panic!("EXEC replied nothing, though nothing was watched"),
        }
        assert!(peer.session.transaction.is_none(), "EXEC has left its transaction behind");
    }

    fn offer_line(&self, peer: &mut Peer<'_>, word: &str) -> Option<Reply> {
        let line = format!("{word}\r\n");
        let mut decoder = Decoder::default();
        let limits = Limits { bulk_max: 1024, arguments_max: 1, unauthenticated: false };
        let Ok(Progress::Inline(_, text)) = decoder.decode(line.as_bytes(), limits) else {
            panic!("{word} is no command");
        };
        self.offer(peer, Args::new(&text, decoder.spans()))
    }

    /// Runs one command and looks at everything it may have changed. Returns its reply, if the client wanted one.
    fn offer(&self, peer: &mut Peer<'_>, args: Args<'_>) -> Option<Reply> {
        let before = peer.session.replies;
        let speaks_three = |peer: &Peer<'_>| peer.session.protocol == Protocol::Three;
        let says_hello = |peer: &Peer<'_>| {
            let queue = peer.session.transaction.as_ref().map(|begun| &begun.queue);
            queue.is_some_and(|queue| queue.iter().any(|queued| queued.command.name == "hello"))
        };
        let three_before = speaks_three(peer) || says_hello(peer);
        let answer = peer.offer(args);
        let after = peer.session.replies;
        let shown = || args.from(0).map(|arg| arg.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        self.look_at_cache(&shown);
        let Answer { bytes, waits, overflowed } = answer;
        if overflowed {
            peer.session.closing = true;
            return None;
        }
        // None if either is right.
        let is_due = match (before, after) {
            _ if waits => Some(false),
            // SHUTDOWN just ends everything, and who speaks HTTP is hung up on.
            _ if peer.session.closing
                && ["shutdown", "post", "host:"].iter().any(|word| args.is(0, word)) =>
            {
                None
            }
            (_, Replies::Off | Replies::Skip) => Some(false),
            (_, Replies::SkipNext) => panic!("what is skipped is the command after the next: {}", shown()),
            (Replies::On | Replies::Off | Replies::SkipNext, Replies::On) => Some(true),
            // CLIENT REPLY ON and RESET are heard again at once.
            (Replies::Skip, Replies::On) => None,
        };
        assert!(is_due.is_none_or(|due| due != bytes.is_empty()), "{before:?}, {after:?}: {}", shown());
        if bytes.is_empty() {
            return None;
        }
        match reply::read(&bytes, three_before || speaks_three(peer)) {
            Ok(reply) => Some(reply),
            Err(why) => panic!("{why}\nto: {}\ncame: {}", shown(), bytes.escape_ascii()),
        }
    }

    fn look_at_cache(&self, shown: &dyn Fn() -> String) {
        let cache = &self.node.cache;
        let (was, is) = (self.figures.get(), cache.figures());
        // Who lowers the limit waits for no eviction; until there was one, only what keeps count of it may grow.
        let may_use = (is.limit + cache.overshoot()).max(was.used + BOOKKEEPING_BYTES);
        assert!(
            is.used <= may_use,
            "{} of {} bytes used, and {} before: {}",
            is.used,
            is.limit,
            was.used,
            shown()
        );
        assert_eq!(is.used, cache.used(), "what is told is not what is used: {}", shown());
        assert!(is.live <= is.used && is.with_deadline <= is.entries, "{is:?}: {}", shown());
        let entries: u64 = (0..cache.databases()).map(|number| cache.database(number).entries).sum();
        assert_eq!(entries, is.entries, "databases and cache count differently: {}", shown());
        cache.set_limit(is.limit.min(MEMORY_MAX));
        self.node.settings.max_value.fetch_min(VALUE_MAX, Relaxed);
        self.reclaim(shown);
        self.figures.set(cache.figures());
    }

    /// Does what a worker does between commands when there is too much.
    fn reclaim(&self, shown: &dyn Fn() -> String) {
        let cache = &self.node.cache;
        for _ in 0..RECLAIMS_MAX {
            if cache.used() <= cache.limit() {
                return;
            }
            let present = now();
            if cache.reclaim(present, RECLAIM_NANOS).is_none_or(|due| due > present) {
                break;
            }
        }
        let may_evict_all = self.node.settings.policy_name().starts_with("allkeys");
        let is_over = cache.used() > cache.limit();
        assert!(!(may_evict_all && is_over), "{} of {} bytes stay: {}", cache.used(), cache.limit(), shown());
    }

    /// After FLUSHALL nothing must be left, of the last client either.
    fn clear_up(&self) {
        assert_eq!(self.node.clients.count(), 0, "clients are left");
        let mut peer = Peer::connect(self.node, Protocol::Two);
        peer.session.owes_password = false;
        self.offer_line(&mut peer, "FLUSHALL");
        let figures = self.node.cache.figures();
        assert_eq!((figures.entries, figures.live), (0, 0), "FLUSHALL has left something");
    }
}
