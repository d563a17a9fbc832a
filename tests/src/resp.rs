//! A small blocking RESP client for tests: it decodes every reply of both protocol versions without losing which
//! of the look-alikes it was (three kinds of null, two kinds of error, five kinds of text).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

mod decode;
mod value;

pub use decode::read_value;
pub use value::Value;

/// How long a read waits unless told otherwise: far longer than any server needs, far shorter than a test run.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// The transport under a [`Client`].
#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Stream {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(bytes),
            Self::Tcp(stream) => stream.write_all(bytes),
        }
    }

    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(limit),
            Self::Tcp(stream) => stream.set_read_timeout(limit),
        }
    }
}

/// One connection to a server that speaks the Redis protocol.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<Stream>,
}

impl Client {
    /// Connects to a Unix socket.
    pub fn connect(socket: impl AsRef<Path>) -> io::Result<Self> {
        Self::over(Stream::Unix(UnixStream::connect(socket)?))
    }

    /// Connects over TCP, without Nagle's delay.
    pub fn connect_tcp(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Self::over(Stream::Tcp(stream))
    }

    fn over(stream: Stream) -> io::Result<Self> {
        stream.set_read_timeout(Some(READ_LIMIT))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Changes how long a read waits before it fails with `WouldBlock`; 10 s to begin with, `None` is for ever.
    pub fn set_read_limit(&self, limit: Option<Duration>) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(limit)
    }

    /// Sends one command and reads its reply. Push messages that arrive first are returned as the reply would be:
    /// a test that turned them on reads them with [`Client::read`].
    pub fn command<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Value> {
        self.send_raw(&encode(arguments))?;
        self.read()
    }

    /// Like [`Client::command`], with the words of `line` between blanks as its arguments. Panics when there is no
    /// reply: for the steps of a test that are not what it is about.
    pub fn call(&mut self, line: &str) -> Value {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.command(&words).unwrap_or_else(|error| panic!("no reply to `{line}`: {error}"))
    }

    /// Sends all `commands` in one write and then reads as many replies.
    pub fn pipeline<A: AsRef<[u8]>, C: AsRef<[A]>>(&mut self, commands: &[C]) -> io::Result<Vec<Value>> {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(command.as_ref())).collect();
        self.send_raw(&bytes)?;
        commands.iter().map(|_| self.read()).collect()
    }

    /// Sends bytes as they are: torn frames, inline commands, nonsense.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one reply. `UnexpectedEof` means that the server closed the connection.
    pub fn read(&mut self) -> io::Result<Value> {
        read_value(&mut self.stream)
    }

    /// Reads whatever bytes come next, undecoded; 0 means that the server closed the connection.
    pub fn read_raw(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Whether the server closes the connection within `limit`, with nothing more to read before that.
    pub fn closes_within(&mut self, limit: Duration) -> io::Result<bool> {
        self.set_read_limit(Some(limit))?;
        let closed = match self.stream.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => false,
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset) => true,
            Err(error) => return Err(error),
        };
        self.set_read_limit(Some(READ_LIMIT))?;
        Ok(closed)
    }
}

/// A command as clients send it: an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
