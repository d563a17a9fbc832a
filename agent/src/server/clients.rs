//! The registry of connections: what `CLIENT LIST` shows, and the handle by which one is closed from outside.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering::Relaxed,
};

use larder_cache::clock::now;
use parking_lot::Mutex;
use rustix::net::Shutdown;

use super::stream::Stream;
use crate::command::table::COMMANDS;

/// One connection, as others see it. Its own worker writes, anybody reads; no cache line of it belongs to another's as well.
#[derive(Debug)]
#[repr(align(64))]
pub struct Client {
    /// Number, unique while we run.
    pub id: u64,
    /// The socket.
    pub stream: Stream,
    /// Where it comes from: a socket path with `:0`, or address and port.
    pub address: String,
    /// Where it came in.
    pub local_address: String,
    /// The peer's user and process over a Unix socket, if the kernel says.
    pub uid: Option<u32>,
    /// The size of the kernel's buffer for its replies.
    pub send_buffer: AtomicUsize,
    /// Bytes that the kernel was given at most since it was last seen to have read them.
    pub sent_bytes: AtomicUsize,
    /// Bytes that the kernel holds for it and that are counted,
    pub kernel_bytes: AtomicUsize,
    /// whether it is being watched for reading them,
    pub is_watched: AtomicBool,
    /// and whether it ever was.
    pub was_watched: AtomicBool,
    /// When it connected, in milliseconds on the boot clock.
    pub connected_ms: u64,
    /// When it last sent a command.
    pub active_ms: AtomicU64,
    /// Its last command's row.
    pub last_command: AtomicU16,
    /// The selected database.
    pub database: AtomicU16,
    /// The protocol version, 2 or 3.
    pub protocol: AtomicU8,
    /// Commands in its transaction; -1 if it has none.
    pub queued: AtomicI64,
    /// Keys it watches.
    pub watched: AtomicUsize,
    /// Bytes received and not understood yet.
    pub input_bytes: AtomicUsize,
    /// Bytes of replies not sent yet.
    pub output_bytes: AtomicUsize,
    /// Bytes of its transaction.
    pub queued_bytes: AtomicUsize,
    /// Whether it asked to be closed last.
    pub no_evict: AtomicBool,
    /// Whether its reads do not count.
    pub no_touch: AtomicBool,
    /// Whether it is being closed from outside.
    pub killed: AtomicBool,
    /// Whether nobody serves it any more; it may linger.
    pub has_ended: AtomicBool,
    /// How it calls itself and its library.
    pub names: Mutex<Names>,
}

/// How a client introduces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// `CLIENT SETNAME`.
    pub name: Box<str>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub library: Box<str>,
    /// `CLIENT SETINFO LIB-VER`.
    pub version: Box<str>,
}

/// What is known of a connection before it is served.
#[derive(Debug)]
pub struct Known {
    /// Where it comes from.
    pub address: String,
    /// Where it came in.
    pub local_address: String,
    /// The peer's user over a Unix socket, if the kernel says.
    pub uid: Option<u32>,
    /// The size of the kernel's buffer for its replies.
    pub send_buffer: usize,
}

impl Client {
    /// A connection that begins now.
    #[must_use]
    pub fn new(id: u64, stream: Stream, known: Known) -> Self {
        let Known { address, local_address, uid, send_buffer } = known;
        let now_ms = now().0;
        Self {
            id,
            stream,
            address,
            local_address,
            uid,
            send_buffer: AtomicUsize::new(send_buffer),
            sent_bytes: AtomicUsize::new(0),
            kernel_bytes: AtomicUsize::new(0),
            is_watched: AtomicBool::new(false),
            was_watched: AtomicBool::new(false),
            connected_ms: now_ms,
            active_ms: AtomicU64::new(now_ms),
            last_command: AtomicU16::new(u16::MAX),
            database: AtomicU16::new(0),
            protocol: AtomicU8::new(2),
            queued: AtomicI64::new(-1),
            watched: AtomicUsize::new(0),
            input_bytes: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            names: Mutex::new(Names::default()),
        }
    }

    /// All bytes that its buffers hold.
    #[must_use]
    pub fn held(&self) -> usize {
        self.input_bytes.load(Relaxed) + self.unread_bytes() + self.queued_bytes.load(Relaxed)
    }

    /// All bytes of replies that it has not read, as far as it is known.
    #[must_use]
    pub fn unread_bytes(&self) -> usize {
        self.output_bytes.load(Relaxed) + self.kernel_bytes.load(Relaxed)
    }

    /// Closes the connection from outside.
    pub fn kill(&self) {
        self.killed.store(true, Relaxed);
        self.stream.shut_down(Shutdown::Both);
    }

    /// Its line in `CLIENT LIST`.
    #[must_use]
    pub fn line(&self, now_ms: u64) -> String {
        let names = self.names.lock().clone();
        let mut flags = String::new();
        let in_transaction = self.queued.load(Relaxed) >= 0;
        for (is_set, flag) in [
            (in_transaction, 'x'),
            (matches!(self.stream, Stream::Unix(_)), 'U'),
            (self.no_evict.load(Relaxed), 'e'),
            (self.no_touch.load(Relaxed), 'T'),
        ] {
            if is_set {
                flags.push(flag);
            }
        }
        if flags.is_empty() {
            flags.push('N');
        }
        let command = COMMANDS.get(usize::from(self.last_command.load(Relaxed))).map_or("NULL", |c| c.name);
        let output = self.unread_bytes();
        let mut line = String::with_capacity(320);
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub=0 psub=0 ssub=0 multi={} watch={} \
             qbuf={} qbuf-free=0 argv-mem=0 multi-mem={} rbs=0 rbp=0 obl=0 oll={} omem={output} tot-mem={} events=r \
             cmd={command} user=default redir=-1 resp={} lib-name={} lib-ver={}",
            self.id,
            self.address,
            self.local_address,
            std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&self.stream)),
            names.name,
            now_ms.saturating_sub(self.connected_ms) / 1000,
            now_ms.saturating_sub(self.active_ms.load(Relaxed)) / 1000,
            self.database.load(Relaxed),
            self.queued.load(Relaxed),
            self.watched.load(Relaxed),
            self.input_bytes.load(Relaxed),
            self.queued_bytes.load(Relaxed),
            usize::from(output > 0),
            self.held() + size_of::<Self>(),
            self.protocol.load(Relaxed),
            names.library,
            names.version,
        );
        line
    }
}

/// All connections by number.
#[derive(Debug, Default)]
pub struct Clients {
    next: AtomicU64,
    count: AtomicUsize,
    all: Mutex<BTreeMap<u64, Arc<Client>>>,
}

impl Clients {
    /// A number for a new connection.
    pub fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Relaxed) + 1
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Counts one more, unless there are `max` already.
    pub fn admit(&self, max: usize) -> bool {
        self.count.fetch_update(Relaxed, Relaxed, |count| (count < max).then_some(count + 1)).is_ok()
    }

    /// Takes back what [`admit`](Self::admit) counted.
    pub fn dismiss(&self) {
        self.count.fetch_sub(1, Relaxed);
    }

    /// Enters an admitted connection.
    pub fn add(&self, client: &Arc<Client>) {
        self.all.lock().insert(client.id, Arc::clone(client));
    }

    /// Takes a connection out.
    pub fn remove(&self, id: u64) {
        if self.all.lock().remove(&id).is_some() {
            self.dismiss();
        }
    }

    /// All connections, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.all.lock().values().cloned().collect()
    }

    /// Closes the connection that holds the most buffer bytes, if those that are not being closed already hold over `limit`.
    ///
    /// One that asked to be spared is, unless it holds by far the most. Returns whether one was closed.
    pub fn close_biggest(&self, limit: usize) -> bool {
        let all = self.all.lock();
        let (mut sum, mut biggest, mut unspared) = (0, None, None);
        // Once over all, since there may be thousands of them.
        for client in all.values().filter(|client| !client.killed.load(Relaxed)) {
            let held = client.held();
            sum += held;
            if biggest.is_none_or(|(most, _)| held > most) {
                biggest = Some((held, client));
            }
            if !client.no_evict.load(Relaxed) && unspared.is_none_or(|(most, _)| held > most) {
                unspared = Some((held, client));
            }
        }
        let Some(biggest) = biggest.filter(|_| sum > limit) else { return false };
        let (held, chosen) =
            unspared.filter(|(held, _)| *held >= biggest.0 / SPARED_FACTOR).unwrap_or(biggest);
        tracing::warn!(client = chosen.id, bytes = held, "buffers are full: the biggest holder is closed");
        chosen.kill();
        true
    }
}

/// Whoever asked to be spared is closed all the same if everybody else holds less than this part of what it holds.
const SPARED_FACTOR: usize = 8;
