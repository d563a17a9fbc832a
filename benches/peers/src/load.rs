//! The load generator: blocking sockets, requests patched in place, no allocation while it runs.
//!
//! Every peer gets the same bytes in the same order. A round writes one batch to every connection and then reads
//! every reply in full, comparing each byte with the one expected: a fast wrong answer is an error, not a result.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::batch::{Batch, Op, VALUE_BYTES};
use crate::keys::Keys;
use crate::wire;

/// How long a reply may take, also under callgrind and strace.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection of the load and its input buffer.
pub(crate) struct Conn {
    stream: UnixStream,
    input: Vec<u8>,
}

impl Conn {
    /// Connects.
    pub(crate) fn open(socket: &Path) -> anyhow::Result<Self> {
        Ok(Conn { stream: wire::connect(socket, PATIENCE)?, input: vec![0; 1 << 16] })
    }

    /// Sends the batch.
    pub(crate) fn send(&mut self, batch: &Batch) -> anyhow::Result<()> {
        self.stream.write_all(&batch.request).context("cannot send: the server closed the connection")
    }

    /// Reads the replies to the batch and compares them; without `verify` only their length counts.
    pub(crate) fn receive(&mut self, batch: &Batch, verify: bool) -> anyhow::Result<()> {
        let mut have = 0;
        while have < batch.reply.len() {
            let room = (batch.reply.len() - have).min(self.input.len());
            let got = self.stream.read(&mut self.input[..room]).context("no reply came")?;
            if got == 0 {
                bail!("the server closed the connection instead of answering");
            }
            if verify && self.input[..got] != batch.reply[have..have + got] {
                let answer = String::from_utf8_lossy(&self.input[..got.min(160)]).into_owned();
                bail!("a reply is not the expected one; the server sent {answer:?}");
            }
            have += got;
        }
        Ok(())
    }
}

/// Some connections that all send the same kind of batch.
pub(crate) struct Load {
    connections: Vec<(Conn, Batch)>,
    depth: usize,
    verify: bool,
}

impl Load {
    /// Opens `connections` connections, shared out over `sockets`, each sending `depth` commands at a time.
    pub(crate) fn open(sockets: &[&Path], connections: usize, op: &Op, depth: usize) -> anyhow::Result<Self> {
        let connections = sockets
            .iter()
            .cycle()
            .take(connections)
            .map(|socket| Ok((Conn::open(socket)?, Batch::new(op, depth, VALUE_BYTES))))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Load { connections, depth, verify: true })
    }

    /// Takes any reply of the right length, as the echo server's.
    pub(crate) fn unverified(mut self) -> Self {
        self.verify = false;
        self
    }

    /// Runs `rounds` rounds and returns the number of operations.
    pub(crate) fn run(&mut self, rounds: u64, mut keys: Keys) -> anyhow::Result<u64> {
        for _ in 0..rounds {
            for (connection, batch) in &mut self.connections {
                batch.patch(&mut keys);
                connection.send(batch)?;
            }
            for (connection, batch) in &mut self.connections {
                connection.receive(batch, self.verify)?;
            }
        }
        Ok(rounds * self.round_ops())
    }

    /// Operations in one round.
    pub(crate) fn round_ops(&self) -> u64 {
        (self.connections.len() * self.depth) as u64
    }
}

/// Sets the keys numbered `first` to `first + count - 1` over one connection.
pub(crate) fn fill(socket: &Path, op: &Op, first: u64, count: u64, value_bytes: usize) -> anyhow::Result<()> {
    /// Few enough that requests and replies fit the socket's buffers: neither side ever waits for the other.
    const DEPTH: u64 = 256;
    let mut connection = Conn::open(socket)?;
    let mut keys = Keys::From(first);
    for depth in [DEPTH, 1] {
        let mut batch = Batch::new(op, depth as usize, value_bytes);
        let rounds = if depth == 1 { count % DEPTH } else { count / DEPTH };
        for _ in 0..rounds {
            batch.patch(&mut keys);
            connection.send(&batch)?;
            connection.receive(&batch, true)?;
        }
    }
    Ok(())
}
