//! Replies that the kernel holds until their clients read them: they are charged to our cgroup, and no call tells how many there
//! are without unsafe code. What a `write` took at most is summed as it goes; a client that was sent enough is watched, and all
//! that are watched are asked together, by one `poll` for many, whether their sockets are writable: one that is has been read.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::Notify;

use super::buffers::Buffers;
use super::clients::Client;
use super::node::Node;
use super::stream::Stream;

/// What Linux gives a Unix socket to send from.
const SEND_BUFFER_USUAL: usize = 208 * 1024;
/// What it lets a socket have at most, unless told otherwise.
const SEND_BUFFER_MOST: usize = 2 * SEND_BUFFER_USUAL;
/// Less than this would cost more calls than it saves memory.
const SEND_BUFFER_MIN: usize = 5 * 1024;
/// The least that Linux lets a socket have; it gives that for whatever is less.
const SEND_BUFFER_LEAST: usize = 4608;
/// The part of the buffers' limit that the kernel's buffers share: a sixteenth.
const SEND_BUFFERS_SHARE: usize = 16;
/// A buffer is not writable while more than this part of it is unread.
const WRITABLE_PART: usize = 4;
/// A buffer takes what is written while anything of it is free, and may so hold twice its size.
const OVERFILL: usize = 2;
/// The part of the buffers' limit that may lie in the kernel before each client is given less.
const PRESSED_SHARE: usize = 2;
/// What is written at a time then: with the kernel's bookkeeping it fills an allocation of a kilobyte.
const WRITE_PRESSED: usize = 704;
/// How often the watched are asked while some are known not to read.
const REST: Duration = Duration::from_millis(100);
/// A measure is this part too large at most.
const MEASURE_STEP: usize = 4;
/// Sockets asked at a time.
const ASKED_AT_A_TIME: usize = 512;

/// What the kernel's bookkeeping takes of each allocation, and beside it, on 64-bit machines.
const SHARED_INFO: usize = 320;
const HEAD: usize = 256;
/// A short write costs this.
const CHARGE_MIN: usize = 960;
/// Longer writes lie in pages of their own.
const LINEAR_MAX: usize = 16 * 1024 - SHARED_INFO;

/// What one write costs the cgroup at most.
#[inline]
fn charge(bytes: usize) -> usize {
    if bytes > LINEAR_MAX {
        return bytes + bytes / 2;
    }
    ((bytes + SHARED_INFO).next_power_of_two() + HEAD).max(CHARGE_MIN)
}

/// The clients that a worker watches.
#[derive(Default)]
struct Watched {
    /// Not held on to, so that a connection that ends is closed at once.
    clients: Vec<Weak<Client>>,
    /// What they were sent since they were last asked.
    sent: usize,
    /// Tells that some are known not to read.
    held: Arc<Notify>,
}

thread_local! {
    static WATCHED: RefCell<Watched> = RefCell::default();
}

/// Notes that the kernel took so many bytes for a client of this worker.
#[inline]
pub fn note_sent(node: &Node, client: &Arc<Client>, bytes: usize) {
    let charge = charge(bytes);
    let sent = client.sent_bytes.load(Relaxed) + charge;
    client.sent_bytes.store(sent, Relaxed);
    if sent > client.send_buffer.load(Relaxed) / WRITABLE_PART {
        note_suspect(node, client, charge);
    }
}

/// Asks once much was sent, not once in a while: what nobody knows of is bounded, however fast it comes.
#[cold]
fn note_suspect(node: &Node, client: &Arc<Client>, charge: usize) {
    watch(client);
    let sent = WATCHED.with_borrow_mut(|watched| {
        watched.sent += charge;
        watched.sent
    });
    if sent > Buffers::limit(node.cache.limit()) / SEND_BUFFERS_SHARE / node.tallies.len() {
        ask(node);
    }
}

/// Notes that a client's socket takes no more: no need to ask.
pub fn note_full(node: &Node, client: &Arc<Client>) {
    watch(client);
    hold(node, client);
}

fn watch(client: &Arc<Client>) {
    if !client.is_watched.load(Relaxed) {
        client.is_watched.store(true, Relaxed);
        client.was_watched.store(true, Relaxed);
        WATCHED.with_borrow_mut(|watched| watched.clients.push(Arc::downgrade(client)));
    }
}

/// Counts what a client does not read.
fn hold(node: &Node, client: &Client) {
    let most = client.send_buffer.load(Relaxed) * OVERFILL;
    let before = client.kernel_bytes.load(Relaxed);
    // A buffer that was made smaller since holds what it held.
    let now = client.sent_bytes.load(Relaxed).min(most).max(before);
    client.kernel_bytes.store(now, Relaxed);
    if before == 0 {
        WATCHED.with_borrow(|watched| watched.held.notify_one());
    }
    if before != now {
        node.change_kernel_buffers(before, now);
    }
}

/// Asks all that this worker watches; whether some of them do not read.
fn ask(node: &Node) -> bool {
    let clients = WATCHED.with_borrow_mut(|watched| {
        watched.sent = 0;
        std::mem::take(&mut watched.clients)
    });
    let mut some_hold = false;
    for some in clients.chunks(ASKED_AT_A_TIME) {
        // Those that linger are counted elsewhere.
        let open = |client: &Arc<Client>| !client.has_ended.load(Relaxed);
        let some: Vec<_> = some.iter().filter_map(Weak::upgrade).filter(open).collect();
        let read = are_writable(some.iter().map(|client| &client.stream));
        for (client, is_read) in some.iter().zip(read) {
            if is_read {
                client.is_watched.store(false, Relaxed);
                client.sent_bytes.store(0, Relaxed);
                let before = client.kernel_bytes.swap(0, Relaxed);
                if before > 0 {
                    node.change_kernel_buffers(before, 0);
                }
            } else {
                hold(node, client);
                WATCHED.with_borrow_mut(|watched| watched.clients.push(Arc::downgrade(client)));
                some_hold = true;
            }
        }
    }
    some_hold
}

/// Whether each of these sockets is writable; none if the kernel cannot say.
pub fn are_writable<'a>(streams: impl Iterator<Item = &'a Stream>) -> Vec<bool> {
    let mut files: Vec<_> = streams.map(|stream| PollFd::new(stream, PollFlags::OUT)).collect();
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_known = poll(&mut files, Some(&at_once)).is_ok();
    files.iter().map(|file| is_known && file.revents().contains(PollFlags::OUT)).collect()
}

fn is_writable(stream: &Stream) -> bool {
    are_writable(std::iter::once(stream)) == [true]
}

/// Asks again and again while some clients do not read, so that those that do at last are no longer counted.
pub async fn keep_asking(node: Arc<Node>) {
    let held = WATCHED.with_borrow(|watched| Arc::clone(&watched.held));
    loop {
        held.notified().await;
        loop {
            tokio::time::sleep(REST).await;
            if !ask(&node) {
                break;
            }
        }
    }
}

/// All buffers together stay near a part of the buffers' limit, so the more clients there are, the less each may leave unread
/// there. Returns how much that is.
pub fn bound(node: &Node, stream: impl AsFd) -> usize {
    let clients = node.clients.count() + node.lingering.count();
    let limit = Buffers::limit(node.cache.limit());
    let each = (limit / SEND_BUFFERS_SHARE / clients.max(1)).max(SEND_BUFFER_MIN);
    if each >= SEND_BUFFER_USUAL { SEND_BUFFER_USUAL } else { set_send_buffer(stream, each) }
}

/// Sets a socket's buffer; returns its size then.
fn set_send_buffer(stream: impl AsFd, bytes: usize) -> usize {
    // The kernel doubles what it is given, for its own bookkeeping.
    let set = rustix::net::sockopt::set_socket_send_buffer_size(stream, bytes / 2);
    if set.is_ok() { bytes } else { SEND_BUFFER_USUAL }
}

/// Whether clients leave so much unread that each is given less.
pub fn is_pressed(node: &Node) -> bool {
    node.buffers.in_kernel() > Buffers::limit(node.cache.limit()) / PRESSED_SHARE
}

/// What the kernel takes of a client's replies at a time: all of them, unless clients leave too much unread.
#[derive(Debug, Default)]
pub struct Pressure {
    is_on: bool,
}

impl Pressure {
    /// The bytes to write at most. If that is a limit, the next write waits until the client has read.
    #[inline]
    pub fn write_max(&mut self, node: &Node, client: &Arc<Client>) -> Option<usize> {
        // TCP tells that there is room again only if there was none; its clients share what the others leave.
        let is_on = is_pressed(node) && matches!(client.stream, Stream::Unix(_));
        if is_on != self.is_on {
            self.is_on = is_on;
            let bytes = if is_on {
                // Smaller, its size will no longer tell how much is in it.
                if !is_writable(&client.stream) {
                    note_full(node, client);
                }
                // A larger one would be writable, and so be filled, while it holds much.
                set_send_buffer(&client.stream, SEND_BUFFER_LEAST)
            } else {
                set_send_buffer(&client.stream, SEND_BUFFER_USUAL);
                bound(node, &client.stream)
            };
            client.send_buffer.store(bytes, Relaxed);
        }
        is_on.then_some(WRITE_PRESSED)
    }
}

/// The most that an ended connection's socket holds unread, in steps; zero if it is too little to be seen.
///
/// Its own size of buffer does not matter any more: the least at which the socket counts as writable tells.
pub fn measure(client: &Client) -> usize {
    let least = SEND_BUFFER_LEAST / WRITABLE_PART;
    // Less than this is never seen, and need not be looked for.
    if client.sent_bytes.load(Relaxed) <= least && !client.was_watched.load(Relaxed) {
        return 0;
    }
    let most = (client.send_buffer.load(Relaxed) * OVERFILL).max(client.kernel_bytes.load(Relaxed));
    // The last size set is the least one, at which the socket becomes writable when all but a little was read.
    let is_over = |bytes: usize| {
        set_send_buffer(&client.stream, bytes * WRITABLE_PART);
        !is_writable(&client.stream)
    };
    if !is_over(least) {
        return 0;
    }
    let mut bytes = least + least / MEASURE_STEP;
    // Past what a buffer may be set to, the socket's own size is all that is known.
    while bytes < most && bytes * WRITABLE_PART <= SEND_BUFFER_MOST && is_over(bytes) {
        bytes += bytes / MEASURE_STEP;
    }
    set_send_buffer(&client.stream, SEND_BUFFER_LEAST);
    if bytes * WRITABLE_PART > SEND_BUFFER_MOST { most } else { bytes.min(most) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::clients::Known;
    use crate::server::stream::RawStream;

    #[test]
    fn a_write_is_charged_as_the_kernel_charges_it() {
        assert_eq!(charge(7), 960);
        assert_eq!(charge(WRITE_PRESSED), 1024 + 256);
        assert_eq!(charge(2496), 4096 + 256);
        assert!(charge(100_000) >= 125_000);
    }

    #[test]
    fn a_write_under_pressure_is_seen_in_the_least_buffer() {
        assert!(charge(WRITE_PRESSED) * WRITABLE_PART > SEND_BUFFER_LEAST);
    }

    /// Of a socket with the usual buffer, to which this is written and not read.
    async fn measured(pieces: &[usize]) -> usize {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("a socket of ours");
        for piece in pieces {
            assert_eq!(rustix::io::write(&ours, &vec![b'x'; *piece]), Ok(*piece));
        }
        let stream = Stream::register(RawStream::Unix(ours)).expect("a runtime");
        let (address, local_address) = (String::new(), String::new());
        let known = Known { address, local_address, uid: None, send_buffer: SEND_BUFFER_USUAL };
        let client = Client::new(1, stream, known);
        client.sent_bytes.store(pieces.iter().map(|piece| charge(*piece)).sum(), Relaxed);
        let measured = measure(&client);
        drop(theirs);
        assert!(is_writable(&client.stream), "what is gone is still seen");
        measured
    }

    #[tokio::test]
    async fn what_is_unread_is_measured() {
        assert_eq!(measured(&[]).await, 0);
        assert_eq!(measured(&[10]).await, 0);
        for pieces in [&[704][..], &[10; 20], &[2_000, 2_000], &[40_000], &[30_000, 30_000]] {
            let charged = pieces.iter().map(|piece| charge(*piece)).sum::<usize>();
            let bytes = pieces.iter().sum::<usize>();
            let measured = measured(pieces).await;
            assert!(measured > bytes && measured <= charged + charged / 2, "{pieces:?}: {measured}");
        }
        // More than a buffer can be set to tell of: all that there is room for.
        assert_eq!(measured(&[60_000, 60_000, 40_000]).await, 2 * SEND_BUFFER_USUAL);
    }
}
