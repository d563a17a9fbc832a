//! Pipelines of requests and the replies they must get, patched in place instead of built anew.

use crate::keys::{KEY_BYTES, Keys, key_text};

/// Bytes of a value unless said otherwise; it begins with its key.
pub(crate) const VALUE_BYTES: usize = 64;
/// Bytes of one GET of such a key.
pub(crate) const REQUEST_GET_BYTES: usize = 36;
/// Bytes of the reply to it.
pub(crate) const REPLY_GET_BYTES: usize = 71;

/// A command of the load.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// `GET key`, which must hit.
    Get,
    /// `SET key value`.
    Set,
    /// `SET key value OPTION NUMBER`, such as `EX 86400`.
    SetWith(&'static str, String),
}

/// A pipeline of one command's requests and the replies they must get, both patched in place.
pub(crate) struct Batch {
    /// What is sent.
    pub(crate) request: Vec<u8>,
    /// What must come back.
    pub(crate) reply: Vec<u8>,
    depth: usize,
    key_at: usize,
    request_value_at: Option<usize>,
    reply_value_at: Option<usize>,
    /// How much of the value is its key.
    stamp_bytes: usize,
}

impl Batch {
    /// `depth` requests of `op` with values of `value_bytes`.
    pub(crate) fn new(op: &Op, depth: usize, value_bytes: usize) -> Self {
        let stamp_bytes = value_bytes.min(KEY_BYTES);
        let value = "v".repeat(value_bytes);
        let key = "k".repeat(KEY_BYTES);
        let words: Vec<&str> = match op {
            Op::Get => vec!["GET", &key],
            Op::Set => vec!["SET", &key, &value],
            Op::SetWith(option, number) => vec!["SET", &key, &value, option, number],
        };
        let mut request = format!("*{}\r\n", words.len());
        let mut starts = Vec::new();
        for word in &words {
            request.push_str(&format!("${}\r\n", word.len()));
            starts.push(request.len());
            request.push_str(&format!("{word}\r\n"));
        }
        let (reply, reply_value_at) = match op {
            Op::Get => {
                let head = format!("${value_bytes}\r\n");
                (format!("{head}{value}\r\n"), Some(head.len()))
            }
            Op::Set | Op::SetWith(..) => ("+OK\r\n".to_owned(), None),
        };
        Batch {
            request: request.repeat(depth).into_bytes(),
            reply: reply.repeat(depth).into_bytes(),
            depth,
            key_at: starts[1],
            request_value_at: starts.get(2).copied(),
            reply_value_at,
            stamp_bytes,
        }
    }

    /// One PING: what no command changes the answer to. It has no key, so it can't be patched.
    pub(crate) fn ping() -> Self {
        Batch {
            request: b"*1\r\n$4\r\nPING\r\n".to_vec(),
            reply: b"+PONG\r\n".to_vec(),
            depth: 0,
            key_at: 0,
            request_value_at: None,
            reply_value_at: None,
            stamp_bytes: 0,
        }
    }

    /// Writes the next keys, and the values that belong to them, into the requests and the replies.
    pub(crate) fn patch(&mut self, keys: &mut Keys) {
        if self.depth == 0 {
            return;
        }
        let (request_bytes, reply_bytes) = (self.request.len() / self.depth, self.reply.len() / self.depth);
        let requests = self.request.chunks_exact_mut(request_bytes);
        for (request, reply) in requests.zip(self.reply.chunks_exact_mut(reply_bytes)) {
            let key = key_text(keys.next());
            request[self.key_at..][..KEY_BYTES].copy_from_slice(&key);
            let stamp = &key[KEY_BYTES - self.stamp_bytes..];
            if let Some(at) = self.request_value_at {
                request[at..][..self.stamp_bytes].copy_from_slice(stamp);
            }
            if let Some(at) = self.reply_value_at {
                reply[at..][..self.stamp_bytes].copy_from_slice(stamp);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_have_the_sizes_the_echo_server_is_told() {
        let batch = Batch::new(&Op::Get, 1, VALUE_BYTES);
        assert_eq!(batch.request.len(), REQUEST_GET_BYTES);
        assert_eq!(batch.reply.len(), REPLY_GET_BYTES);
    }

    #[test]
    fn what_is_set_is_what_get_expects() {
        let mut set = Batch::new(&Op::SetWith("EX", "86400".to_owned()), 3, VALUE_BYTES);
        let mut get = Batch::new(&Op::Get, 3, VALUE_BYTES);
        set.patch(&mut Keys::From(5));
        get.patch(&mut Keys::From(5));
        let stored: Vec<&[u8]> = set.request.split(|byte| *byte == b'\n').filter(|l| l.len() == 65).collect();
        let expected: Vec<&[u8]> = get.reply.split(|byte| *byte == b'\n').filter(|l| l.len() == 65).collect();
        assert_eq!(stored.len(), 3);
        assert_eq!(stored, expected);
        assert!(stored[0].starts_with(&key_text(5)));
        assert!(stored[2].starts_with(&key_text(7)));
    }

    #[test]
    fn a_short_value_is_the_end_of_its_key() {
        let mut set = Batch::new(&Op::Set, 1, 8);
        set.patch(&mut Keys::From(9));
        assert!(set.request.ends_with(&[&key_text(9)[8..], b"\r\n"].concat()));
    }
}
