//! `larder-agent ping`: the probe. Connects as the settings say, sends PING, and must have PONG within a second.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::config::Config;

/// All the time there is, so that the answer is out within a second.
const DEADLINE: Duration = Duration::from_millis(900);

/// Asks the agent of these settings whether it serves.
///
/// # Errors
/// What is wrong, and what to look at.
pub fn ping(config: &Config) -> anyhow::Result<()> {
    let started = Instant::now();
    let socket = config.socket.display();
    let reply = match connect_unix(config) {
        Ok(stream) => {
            stream.set_write_timeout(Some(DEADLINE))?;
            exchange(&stream, |left| stream.set_read_timeout(Some(left)), config, started)
        }
        Err(error) => match config.tcp.filter(|address| address.port() != 0) {
            Some(address) => TcpStream::connect_timeout(&reachable(address), DEADLINE).and_then(|stream| {
                stream.set_write_timeout(Some(DEADLINE))?;
                exchange(&stream, |left| stream.set_read_timeout(Some(left)), config, started)
            }),
            None => Err(error),
        },
    };
    match reply {
        Ok(line) if line == "+PONG" => Ok(()),
        Ok(line) => anyhow::bail!("socket {socket}: the agent answered {line:?} instead of +PONG"),
        Err(error) => anyhow::bail!("socket {socket}: {error}; is the agent running with these settings?"),
    }
}

/// An address to listen on everywhere is reached on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback =
        if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(loopback, address.port())
}

/// Connects without waiting: a full backlog fails at once.
fn connect_unix(config: &Config) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(&config.socket)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Sends AUTH if there is a password, and PING; returns the last line.
fn exchange(
    mut stream: impl Read + Write,
    wait_at_most: impl Fn(Duration) -> io::Result<()>,
    config: &Config,
    started: Instant,
) -> io::Result<String> {
    let mut request = Vec::new();
    let mut lines = 1;
    if let Some(password) = &config.password {
        let password = password.expose();
        request.extend(format!("*2\r\n$4\r\nAUTH\r\n${}\r\n", password.len()).bytes());
        request.extend_from_slice(password);
        request.extend_from_slice(b"\r\n");
        lines = 2;
    }
    request.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    stream.write_all(&request)?;
    let mut reply = Vec::new();
    let mut chunk = [0; 256];
    while reply.iter().filter(|&&byte| byte == b'\n').count() < lines {
        let left = DEADLINE.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within a second"));
        }
        wait_at_most(left)?;
        match stream.read(&mut chunk) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed")),
            Ok(got) => reply.extend_from_slice(&chunk[..got]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within a second"));
            }
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8_lossy(&reply);
    Ok(text.lines().last().unwrap_or_default().to_owned())
}
