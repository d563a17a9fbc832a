//! A client's stream: a Unix or a TCP socket, used through shared references so that others may shut it down.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use rustix::net::Shutdown;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// Either kind of stream.
#[derive(Debug)]
pub enum Stream {
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

/// A stream that no runtime has taken over yet.
#[derive(Debug)]
pub enum RawStream {
    /// Over a Unix socket.
    Unix(std::os::unix::net::UnixStream),
    /// Over TCP.
    Tcp(std::net::TcpStream, SocketAddr),
}

impl Stream {
    /// Hands a stream to the runtime of the current thread.
    ///
    /// # Errors
    /// If the runtime cannot watch the socket.
    pub fn register(raw: RawStream) -> io::Result<Self> {
        match raw {
            RawStream::Unix(stream) => UnixStream::from_std(stream).map(Self::Unix),
            RawStream::Tcp(stream, _) => TcpStream::from_std(stream).map(Self::Tcp),
        }
    }

    /// Ready when a read is worth trying; else the task is woken then.
    #[inline]
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Tcp(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Ready when a write is worth trying; else the task is woken then.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Unix(stream) => stream.poll_write_ready(cx),
            Self::Tcp(stream) => stream.poll_write_ready(cx),
        }
    }

    #[inline]
    fn try_io(&self, interest: Interest, io: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.try_io(interest, io),
            Self::Tcp(stream) => stream.try_io(interest, io),
        }
    }

    /// Reads once by `read`, which says how much it got and whether that was less than there was room for.
    ///
    /// A short read means that the socket is empty: its readiness is taken back at once, which saves the read that would
    /// find out.
    ///
    /// # Errors
    /// As `read`; `WouldBlock` if nothing is there.
    #[inline]
    pub fn read_once(
        &self,
        read: impl FnOnce(BorrowedFd<'_>) -> io::Result<(usize, bool)>,
    ) -> io::Result<usize> {
        let mut short = None;
        let result = self.try_io(Interest::READABLE, || match read(self.as_fd())? {
            (0, _) => Ok(0),
            (got, true) => {
                short = Some(got);
                Err(io::ErrorKind::WouldBlock.into())
            }
            (got, false) => Ok(got),
        });
        short.map_or(result, Ok)
    }

    /// Writes once. If it `waits`, the next write fails with `WouldBlock` until the kernel tells that there is room again.
    ///
    /// # Errors
    /// As `write`; `WouldBlock` if there is no room.
    #[inline]
    pub fn write_once(
        &self,
        waits: bool,
        write: impl FnOnce(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut wrote = None;
        let result = self.try_io(Interest::WRITABLE, || {
            let sent = write(self.as_fd())?;
            if waits {
                wrote = Some(sent);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(sent)
        });
        wrote.map_or(result, Ok)
    }

    /// Ends the stream from outside: whoever serves it sees its end.
    pub fn shut_down(&self, how: Shutdown) {
        // It may be gone already, which is as good.
        let _ = rustix::net::shutdown(self, how);
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}
