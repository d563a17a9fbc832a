//! A client for the few questions asked outside the measured loops: PING, DBSIZE, TIME, FLUSHALL.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// One connection.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects; a question unanswered for `patience` is an error.
    pub(crate) fn connect(socket: &Path, patience: Duration) -> anyhow::Result<Self> {
        Ok(Client { stream: BufReader::new(connect(socket, patience)?) })
    }

    /// Sends a command without waiting for its reply.
    pub(crate) fn send(&mut self, command: &[&str]) -> anyhow::Result<()> {
        let mut request = format!("*{}\r\n", command.len());
        for word in command {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes()).context("cannot send a command")
    }

    /// Reads one reply: a line as it came, or a bulk string's or an array's elements joined by spaces.
    pub(crate) fn receive(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).context("cannot read a reply")?;
        let line = line.trim_end();
        if let Some(length) = line.strip_prefix('$') {
            let length: usize = length.parse().with_context(|| format!("{line} is no length of a value"))?;
            let mut value = vec![0; length + 2];
            self.stream.read_exact(&mut value).context("cannot read a value")?;
            value.truncate(length);
            return String::from_utf8(value).context("a reply is not text");
        }
        if let Some(count) = line.strip_prefix('*') {
            let count: usize = count.parse().with_context(|| format!("{line} is no length of an array"))?;
            let elements = (0..count).map(|_| self.receive()).collect::<anyhow::Result<Vec<_>>>()?;
            return Ok(elements.join(" "));
        }
        if line.is_empty() {
            bail!("the server closed the connection instead of answering");
        }
        Ok(line.to_owned())
    }

    /// Sends a command and reads its reply; an error reply is an error.
    pub(crate) fn ask(&mut self, command: &[&str]) -> anyhow::Result<String> {
        self.send(command)?;
        let reply = self.receive()?;
        if reply.starts_with('-') {
            bail!("{command:?} was answered {reply}");
        }
        Ok(reply)
    }

    /// The number of keys of database 0.
    pub(crate) fn dbsize(&mut self) -> anyhow::Result<u64> {
        let reply = self.ask(&["DBSIZE"])?;
        let number = reply.strip_prefix(':').with_context(|| format!("DBSIZE was answered {reply}"))?;
        number.parse().with_context(|| format!("DBSIZE was answered {reply}"))
    }
}

/// A blocking stream whose reads and writes give up after `patience`.
pub(crate) fn connect(socket: &Path, patience: Duration) -> anyhow::Result<UnixStream> {
    let stream =
        UnixStream::connect(socket).with_context(|| format!("cannot connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(patience)).context("cannot set a timeout")?;
    stream.set_write_timeout(Some(patience)).context("cannot set a timeout")?;
    Ok(stream)
}
