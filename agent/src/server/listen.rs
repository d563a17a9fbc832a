//! Listening: the sockets, who is let in, and which worker serves them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{TcpListener, UnixListener};

use super::clients::{Client, Known};
use super::connection::serve;
use super::node::Node;
use super::stream::{RawStream, Stream};
use super::unread::{bound, is_pressed};
use super::worker::Worker;

/// Connects that wait to be accepted: a Unix connect to a full backlog fails at once.
const BACKLOG: i32 = 4096;
/// Seconds after which a silent TCP peer is asked whether it is still there, as in Redis.
pub const TCP_KEEPALIVE_S: u64 = 300;
/// How long accepting rests when files have run out.
const FILES_REST: Duration = Duration::from_millis(100);
const REFUSAL: &[u8] = b"-ERR max number of clients reached\r\n";

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody serves it.
    #[error(
        "socket {0}: a live process is already serving it; stop that one, or choose another path with --socket"
    )]
    InUse(String),
    /// Something else lies there.
    #[error("socket {0}: the path exists and is no socket; remove it, or choose another path with --socket")]
    NotASocket(String),
    /// The directory is missing or closed to us.
    #[error(
        "socket {path}: {source}; its directory must exist and be writable for user {uid}, or choose another path with --socket"
    )]
    Unix {
        /// The path.
        path: String,
        /// Who we are.
        uid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// The TCP address is not to be had.
    #[error("tcp {address}: {source}; choose another address with --tcp")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Opens the Unix socket: permissions are set before anybody can connect, a dead process's file is replaced.
///
/// # Errors
/// [`ListenError`].
pub fn open_unix(path: &Path, mode: u32) -> Result<OwnedFd, ListenError> {
    let shown = || path.display().to_string();
    let fail = |source: io::Error| ListenError::Unix {
        path: shown(),
        uid: rustix::process::getuid().as_raw(),
        source,
    };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory).map_err(fail)?;
    }
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        use std::os::unix::fs::FileTypeExt;
        if !metadata.file_type().is_socket() {
            return Err(ListenError::NotASocket(shown()));
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(fail)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(fail(error)),
            _ => return Err(ListenError::InUse(shown())),
        }
    }
    let socket = || -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    socket().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(shown()),
        _ => fail(error),
    })
}

/// Opens the TCP socket.
///
/// # Errors
/// [`ListenError::Tcp`].
pub fn open_tcp(address: SocketAddr) -> Result<OwnedFd, ListenError> {
    let socket = || -> io::Result<OwnedFd> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    socket().map_err(|source| ListenError::Tcp { address, source })
}

/// Either kind of listener, taken over by a runtime.
#[derive(Debug)]
pub enum Listener {
    /// Of the Unix socket.
    Unix(UnixListener),
    /// Of TCP.
    Tcp(TcpListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<RawStream> {
        match self {
            Self::Unix(listener) => Ok(RawStream::Unix(listener.accept().await?.0.into_std()?)),
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(RawStream::Tcp(stream.into_std()?, peer))
            }
        }
    }

    /// Accepts whoever waits already.
    async fn accept_now(&self) -> Option<RawStream> {
        let mut accepting = std::pin::pin!(self.accept());
        std::future::poll_fn(|cx| {
            let accepted = accepting.as_mut().poll(cx);
            Poll::Ready(if let Poll::Ready(Ok(raw)) = accepted { Some(raw) } else { None })
        })
        .await
    }

    /// Where it listens, as `CLIENT LIST` tells it.
    fn local_address(&self, node: &Node) -> String {
        match self {
            Self::Unix(_) => format!("{}:0", node.config.socket.display()),
            Self::Tcp(listener) => {
                listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
            }
        }
    }
}

/// Accepts connections and deals them out, for as long as it is polled.
pub async fn accept_all(node: Arc<Node>, listener: Listener, workers: Arc<Vec<Worker>>) {
    let local_address = listener.local_address(&node);
    // Given up for a moment when files run out, so that whoever waits gets an answer.
    let mut reserve = std::fs::File::open("/dev/null").ok();
    let mut turn = 0;
    loop {
        match listener.accept().await {
            Ok(raw) => {
                turn += 1;
                admit(&node, raw, &local_address, &workers[turn % workers.len()]);
            }
            Err(error) if is_out_of_files(&error) => {
                drop(reserve.take());
                if let Some(raw) = listener.accept_now().await {
                    refuse(&raw);
                    node.control.rejected_for_files.add_shared(1);
                }
                reserve = std::fs::File::open("/dev/null").ok();
                if reserve.is_none() {
                    tokio::time::sleep(FILES_REST).await;
                }
            }
            // The peer gave up before we came to it, or the like: the next one may be fine.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(code, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
}

fn refuse(raw: &RawStream) {
    // It gets the reason if its socket takes it at once, which a new one does.
    let _ = match raw {
        RawStream::Unix(stream) => rustix::io::write(stream, REFUSAL),
        RawStream::Tcp(stream, _) => rustix::io::write(stream, REFUSAL),
    };
}

fn admit(node: &Arc<Node>, raw: RawStream, local_address: &str, worker: &Worker) {
    node.control.connections.add_shared(1);
    if node.lingering.is_full(node) {
        // Without a word, which might be left unread as well.
        node.control.rejected_for_buffers.add_shared(1);
        return;
    }
    if !has_place(node) {
        node.control.rejected_clients.add_shared(1);
        if !is_pressed(node) {
            refuse(&raw);
        }
        return;
    }
    let send_buffer = match &raw {
        RawStream::Unix(stream) => bound(node, stream),
        RawStream::Tcp(stream, _) => bound(node, stream),
    };
    let (address, uid) = match &raw {
        RawStream::Unix(stream) => {
            let credentials = rustix::net::sockopt::socket_peercred(stream).ok();
            (local_address.to_owned(), credentials.map(|credentials| credentials.uid.as_raw()))
        }
        RawStream::Tcp(stream, peer) => {
            // Without these a connection is slower or outlives its peer, but it works.
            let _ = stream.set_nodelay(true);
            let _ = rustix::net::sockopt::set_socket_keepalive(stream, true);
            let _ = rustix::net::sockopt::set_tcp_keepidle(stream, Duration::from_secs(TCP_KEEPALIVE_S));
            (peer.to_string(), None)
        }
    };
    let node = Arc::clone(node);
    let local_address = local_address.to_owned();
    worker.runtime.spawn(async move {
        let Ok(stream) = Stream::register(raw) else {
            node.clients.dismiss();
            return;
        };
        let owes_password = node.settings.owes_password(uid);
        let client = Arc::new(Client::new(
            node.clients.next_id(),
            stream,
            Known { address, local_address, uid, send_buffer },
        ));
        node.clients.add(&client);
        serve(node, client, owes_password).await;
    });
}

/// Counts one more client, unless there are as many as may be. Who lingers keeps a file open, and so takes a place.
fn has_place(node: &Node) -> bool {
    let max = node.settings.max_clients.load(Relaxed) as usize;
    let admit = || node.clients.admit(max.saturating_sub(node.lingering.count()));
    admit() || {
        node.lingering.look_again(node);
        admit()
    }
}
