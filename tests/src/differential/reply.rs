//! What comes back from a server, and how it is read.

use std::io;
use std::time::Duration;

use crate::resp::{Client, Value, encode};

/// How long a server may take to close a connection after QUIT.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The most SCANs of a whole scan.
const SCANS_MAX: usize = 1000;

/// Ends the replies of a silent step.
pub(crate) const MARKER: &str = "end of the silent step";

/// What came back from one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A reply.
    Value(Value),
    /// A reply, and then the end of the connection.
    Last(Value),
    /// The replies of a pipeline, or of a silent step.
    Several(Vec<Value>),
    /// The end of the connection.
    Closed,
    /// Nothing in time.
    Silence,
    /// Bytes that are no reply.
    Malformed(String),
}

/// One reply.
pub(crate) fn read_reply(client: &mut Client) -> Reply {
    client.read().map_or_else(|error| failed(&error), Reply::Value)
}

fn failed(error: &io::Error) -> Reply {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Reply::Closed
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Reply::Silence,
        _ => Reply::Malformed(error.to_string()),
    }
}

/// For QUIT: an OK is meant to be the last thing to read.
pub(crate) fn read_last(client: &mut Client) -> Reply {
    match read_reply(client) {
        Reply::Value(value)
            if value.bytes() == Some(b"OK") && client.closes_within(CLOSE_LIMIT).unwrap_or(false) =>
        {
            Reply::Last(value)
        }
        reply => reply,
    }
}

/// As many replies as a pipeline has commands.
pub(crate) fn read_several(client: &mut Client, count: usize) -> Reply {
    let mut replies = Vec::with_capacity(count);
    for _ in 0..count {
        match read_reply(client) {
            Reply::Value(value) => replies.push(value),
            other => return other,
        }
    }
    Reply::Several(replies)
}

/// All replies up to the one that ends a silent step.
pub(crate) fn read_until_marker(client: &mut Client) -> Reply {
    let mut replies = Vec::new();
    loop {
        match read_reply(client) {
            Reply::Value(value) => replies.push(value),
            other => return other,
        }
        if replies.last().and_then(Value::bytes) == Some(MARKER.as_bytes()) {
            return Reply::Several(replies);
        }
    }
}

/// The first SCAN has been sent; the cursor decides how many follow.
pub(crate) fn scan_on(client: &mut Client, arguments: &[Vec<u8>]) -> Reply {
    let mut arguments = arguments.to_vec();
    let mut found = Vec::new();
    for _ in 0..SCANS_MAX {
        let reply = read_reply(client);
        let Reply::Value(Value::Array(parts)) = &reply else { return reply };
        let [Value::Bulk(cursor), Value::Array(keys)] = parts.as_slice() else { return reply };
        found.extend_from_slice(keys);
        if cursor == b"0" {
            found.sort();
            found.dedup();
            return Reply::Value(Value::Set(found));
        }
        arguments[1].clone_from(cursor);
        if let Err(error) = client.send_raw(&encode(&arguments)) {
            return failed(&error);
        }
    }
    Reply::Malformed(format!("a scan that does not end within {SCANS_MAX} calls"))
}
