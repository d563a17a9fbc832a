//! One client of either protocol: GET and SET of keys whose values can be checked.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::zipf::Sizes;
use crate::keys::{KEY_BYTES, key_text};
use crate::wire;

/// What a server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Resp,
    Memcached,
}

/// SETs sent before their replies are read.
const DEPTH: usize = 32;
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection. What is read beyond one reply is an error: nothing is asked before the last answer came.
pub(super) struct Client {
    stream: UnixStream,
    dialect: Dialect,
    sizes: Sizes,
    request: Vec<u8>,
    input: Vec<u8>,
}

impl Client {
    pub(super) fn connect(socket: &Path, dialect: Dialect, sizes: Sizes) -> anyhow::Result<Self> {
        let stream = wire::connect(socket, PATIENCE)?;
        Ok(Self { stream, dialect, sizes, request: Vec::new(), input: vec![0; (sizes.most + 256).max(4096)] })
    }

    /// Asks for a key; true if it is there. A value that is not the key's is an error.
    pub(super) fn get(&mut self, key: u64) -> anyhow::Result<bool> {
        let name = key_text(key);
        self.request.clear();
        match self.dialect {
            Dialect::Resp => self.request.extend_from_slice(b"*2\r\n$3\r\nGET\r\n$16\r\n"),
            Dialect::Memcached => self.request.extend_from_slice(b"get "),
        }
        self.request.extend_from_slice(&name);
        self.request.extend_from_slice(b"\r\n");
        self.stream.write_all(&self.request).context("cannot send")?;
        let bytes = self.sizes.of(key);
        let (head, tail, miss): (String, &[u8], &[u8]) = match self.dialect {
            Dialect::Resp => (format!("${bytes}\r\n"), b"\r\n", b"$-1\r\n"),
            Dialect::Memcached => {
                let name = String::from_utf8_lossy(&name).into_owned();
                (format!("VALUE {name} 0 {bytes}\r\n"), b"\r\nEND\r\n", b"END\r\n")
            }
        };
        let whole = head.len() + bytes + tail.len();
        let mut have = 0;
        loop {
            let got = self.stream.read(&mut self.input[have..]).context("no reply came")?;
            if got == 0 {
                bail!("the server closed the connection instead of answering");
            }
            have += got;
            if &self.input[..have] == miss {
                return Ok(false);
            }
            if have == whole {
                break;
            }
            if have > whole {
                bail!("a reply is longer than it should be");
            }
        }
        let begins = self.input.starts_with(head.as_bytes());
        let value = &self.input[head.len()..head.len() + bytes];
        if !begins || !value.starts_with(&name) || !self.input[..have].ends_with(tail) {
            bail!(
                "a reply is not the key's value: {:?}",
                String::from_utf8_lossy(&self.input[..64.min(have)])
            );
        }
        Ok(true)
    }

    /// Bytes of the last request: what a server reads that reads nothing else.
    pub(super) fn request_bytes(&self) -> usize {
        self.request.len()
    }

    /// Stores a key's value; how often it was taken (memcached says so if it has no room), once or not at all.
    pub(super) fn set(&mut self, key: u64) -> anyhow::Result<u64> {
        self.set_all(&[key])
    }

    /// Stores the values of some keys, some at a time; returns how many were taken.
    pub(super) fn set_all(&mut self, keys: &[u64]) -> anyhow::Result<u64> {
        let mut stored = 0;
        let ok: &[u8] = if self.dialect == Dialect::Resp { b"+OK\r\n" } else { b"STORED\r\n" };
        for keys in keys.chunks(DEPTH) {
            self.request.clear();
            for &key in keys {
                let bytes = self.sizes.of(key);
                let name = key_text(key);
                let name = std::str::from_utf8(&name).context("a key is no text")?;
                let head = match self.dialect {
                    Dialect::Resp => format!("*3\r\n$3\r\nSET\r\n$16\r\n{name}\r\n${bytes}\r\n"),
                    Dialect::Memcached => format!("set {name} 0 0 {bytes}\r\n"),
                };
                self.request.extend_from_slice(head.as_bytes());
                self.request.extend_from_slice(name.as_bytes());
                let filled = self.request.len() + bytes - KEY_BYTES;
                self.request.resize(filled, b'v');
                self.request.extend_from_slice(b"\r\n");
            }
            self.stream.write_all(&self.request).context("cannot send")?;
            stored += self.stored(keys.len(), ok)?;
        }
        Ok(stored)
    }

    /// Reads so many replies of a line each; returns how many of them are `ok`.
    fn stored(&mut self, replies: usize, ok: &[u8]) -> anyhow::Result<u64> {
        let (mut have, mut lines) = (0, 0);
        while lines < replies {
            let got = self.stream.read(&mut self.input[have..]).context("no reply came")?;
            if got == 0 {
                bail!("the server closed the connection instead of answering");
            }
            lines += self.input[have..have + got].iter().filter(|byte| **byte == b'\n').count();
            have += got;
        }
        Ok(self.input[..have].split_inclusive(|byte| *byte == b'\n').filter(|line| *line == ok).count()
            as u64)
    }
}
