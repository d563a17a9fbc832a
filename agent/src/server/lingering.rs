//! Connections that ended before their clients read all that they were sent. What a Unix socket's peer has not read stays
//! charged to us after we close it, and nothing would count it: so the socket, shut down, stays open until it was read or the
//! peer is gone, and is counted.
//!
//! It is shut down in both directions, so its peer sees what a close would show: the end after what was sent, and a broken pipe.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use larder_cache::clock::now;
use parking_lot::Mutex;
use rustix::net::Shutdown;
use tokio::sync::Notify;

use super::buffers::Buffers;
use super::clients::Client;
use super::node::Node;
use super::stream::Stream;
use super::unread;

/// How often it is looked who has read.
const REST: Duration = Duration::from_millis(100);
/// How long after one look the next may come, in milliseconds.
const LOOK_MS: u64 = 10;
/// Sockets asked at a time.
const ASKED_AT_A_TIME: usize = 512;
/// Quarters of the buffers' limit that may linger before new connections are refused. Open ones keep the rest, and ten
/// thousand clients that each leave one reply unread do not come so far under 96 MiB of memory.
const SHARE_QUARTERS: usize = 3;

/// All of them.
#[derive(Debug, Default)]
pub struct Lingering {
    all: Mutex<Vec<Lingerer>>,
    count: AtomicUsize,
    bytes: AtomicUsize,
    looked_ms: AtomicU64,
    came: Notify,
}

#[derive(Debug)]
struct Lingerer {
    client: Arc<Client>,
    bytes: usize,
}

impl Lingering {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// What the kernel holds for them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Counts what an ended connection's client left unread as lingering, and keeps the connection until there is none.
    pub fn keep(&self, node: &Node, client: &Arc<Client>) {
        let counted = client.kernel_bytes.load(Relaxed);
        if let Stream::Tcp(stream) = &client.stream {
            // Who was killed for not reading gets no more; TCP lets us take back what was sent.
            if client.killed.load(Relaxed) && counted > 0 {
                // Failing that, the kernel gives up on its own in time.
                let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
            }
            node.change_kernel_buffers(counted, 0);
            return;
        }
        let bytes = unread::measure(client);
        // First, as it may be taken back as soon as it is known.
        node.change_kernel_buffers(counted, bytes);
        if bytes > 0 {
            client.stream.shut_down(Shutdown::Both);
            self.count.fetch_add(1, Relaxed);
            self.bytes.fetch_add(bytes, Relaxed);
            self.all.lock().push(Lingerer { client: Arc::clone(client), bytes });
            self.came.notify_one();
        }
    }

    /// Lets those go whose clients have read by now, or have gone.
    fn look(&self, node: &Node) {
        self.looked_ms.store(now().0, Relaxed);
        // Nobody waits for the lock while the kernel is asked.
        let all = std::mem::take(&mut *self.all.lock());
        let mut kept = Vec::new();
        let mut all = all.into_iter();
        loop {
            let some: Vec<_> = all.by_ref().take(ASKED_AT_A_TIME).collect();
            if some.is_empty() {
                break;
            }
            let read = unread::are_writable(some.iter().map(|lingerer| &lingerer.client.stream));
            for (lingerer, is_read) in some.into_iter().zip(read) {
                if is_read {
                    self.count.fetch_sub(1, Relaxed);
                    self.bytes.fetch_sub(lingerer.bytes, Relaxed);
                    node.change_kernel_buffers(lingerer.bytes, 0);
                } else {
                    kept.push(lingerer);
                }
            }
        }
        self.all.lock().append(&mut kept);
    }

    /// Whether so much lingers that nobody else is let in.
    pub fn is_full(&self, node: &Node) -> bool {
        let most = Buffers::limit(node.cache.limit()) / 4 * SHARE_QUARTERS;
        self.bytes() > most && {
            self.look_again(node);
            self.bytes() > most
        }
    }

    /// Looks, unless somebody did just now.
    pub fn look_again(&self, node: &Node) {
        if self.count() > 0 && now().0 >= self.looked_ms.load(Relaxed) + LOOK_MS {
            self.look(node);
        }
    }
}

/// Looks again and again while any linger.
pub async fn keep_looking(node: Arc<Node>) {
    loop {
        node.lingering.came.notified().await;
        while node.lingering.count() > 0 {
            tokio::time::sleep(REST).await;
            node.lingering.look(&node);
        }
    }
}
