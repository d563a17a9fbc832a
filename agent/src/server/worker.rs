//! A worker: one thread, one single-threaded runtime, and the scratch memory that its connections take turns with.
//!
//! An idle connection owns no buffer: bytes are read into the worker's scratch and understood there; only what is torn or
//! cannot be sent yet moves into the connection.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use larder_cache::clock::now;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::node::Node;
use crate::metrics::tally::Tally;
use crate::resp::{Decoder, Out};

/// Bytes read from a socket at a time.
pub const READ_BYTES: usize = 32 * 1024;
/// The process is measured whenever this part of the memory limit was received.
const MEASURE_SHARE: usize = 128;
/// How long one slice of reclaim works before others go on, in nanoseconds
const RECLAIM_SLICE_NANOS: u64 = 500_000;
/// and how long it rests then: a million expired entries cost a third of the worker until they are gone.
const RECLAIM_REST: Duration = Duration::from_millis(1);
/// How long reclaim sleeps at least while nothing is due soon,
const RECLAIM_SLEEP_MIN_MS: u64 = 100;
/// and at most: entries may come that are due sooner.
const RECLAIM_SLEEP_MAX_MS: u64 = 2_000;
/// How long while nothing expires at all: an idle agent shall hardly ever wake.
const RECLAIM_SLEEP_IDLE: Duration = Duration::from_secs(5);

/// Memory that the connections of a worker take turns with.
#[derive(Debug)]
pub struct Scratch {
    /// What was just read.
    pub input: Box<[u8]>,
    /// Replies on their way.
    pub out: Out,
    /// Where the arguments of the present command lie.
    pub decoder: Decoder,
    /// This worker's counts.
    pub tally: Arc<Tally>,
    /// Bytes received since the process was last measured.
    unmeasured: usize,
    /// Whether a turn began and did not end: it panicked, and left its client's bytes behind.
    in_turn: bool,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            input: vec![0; READ_BYTES].into_boxed_slice(),
            out: Out::default(),
            decoder: Decoder::default(),
            tally: Arc::default(),
            unmeasured: 0,
            in_turn: false,
        }
    }
}

impl Scratch {
    /// Counts received bytes, and has the process measured whenever they could have changed its size by much.
    #[inline]
    pub fn received(&mut self, node: &Node, bytes: usize) {
        self.tally.bytes_in.add(bytes as u64);
        self.unmeasured += bytes;
        if self.unmeasured > node.cache.limit() / MEASURE_SHARE {
            self.unmeasured = 0;
            node.measure_slack();
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Lends the worker's scratch to one connection's turn, which never waits while it holds it.
#[inline]
pub fn with_scratch<T>(turn: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.in_turn {
            *scratch = Scratch { tally: Arc::clone(&scratch.tally), ..Scratch::default() };
        }
        scratch.in_turn = true;
        let result = turn(scratch);
        scratch.in_turn = false;
        result
    })
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    /// Where its connections are spawned.
    pub runtime: Handle,
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Worker {
    /// Starts the worker of this number; the first one also reclaims memory.
    ///
    /// # Errors
    /// If the system has no thread or no event queue left.
    pub fn start(node: &Arc<Node>, number: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let tally = Arc::clone(&node.tallies[number]);
        let node = Arc::clone(node);
        let thread =
            std::thread::Builder::new().name(format!("larder-worker-{number}")).spawn(move || {
                with_scratch(|scratch| scratch.tally = tally);
                runtime.block_on(async {
                    tokio::spawn(super::unread::keep_asking(Arc::clone(&node)));
                    if number == 0 {
                        tokio::spawn(reclaim(node));
                    }
                    // An error means that the sender is gone, which is a stop as well.
                    let _ = stopped.await;
                });
            })?;
        Ok(Self { runtime: handle, stop, thread })
    }

    /// Ends the worker; connections that are still open are dropped.
    pub fn stop(self) {
        // It may have ended already.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("a worker panicked");
        }
    }
}

/// Frees expired and flushed memory in slices, for as long as the worker runs.
async fn reclaim(node: Arc<Node>) {
    loop {
        let present = now();
        node.measure_slack();
        let rest = match node.cache.reclaim(present, RECLAIM_SLICE_NANOS) {
            Some(due) if due <= present => RECLAIM_REST,
            Some(due) => {
                Duration::from_millis((due.0 - present.0).clamp(RECLAIM_SLEEP_MIN_MS, RECLAIM_SLEEP_MAX_MS))
            }
            None => RECLAIM_SLEEP_IDLE,
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = node.reclaim.notified() => {}
        }
    }
}
