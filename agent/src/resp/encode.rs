//! Replies into bytes, in either version of the protocol.
//!
//! Short values are copied into one buffer; long ones are referred to, so that a reply of many megabytes costs no copy and
//! goes out by `writev`.

use std::collections::VecDeque;

use bytes::Bytes;

/// Values from this length on are referred to, not copied.
const REFER_FROM: usize = 4096;

/// Copied bytes that are worth a piece of their own.
const SEAL_FROM: usize = 256 * 1024;
/// Of what may be held, this part may be copies: they are new memory, for which nothing was evicted yet.
const COPIED_SHARE: usize = 4;

/// Which version of the protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RESP2, until HELLO says otherwise.
    #[default]
    Two,
    /// RESP3.
    Three,
}

/// Replies that are not sent yet: finished pieces, then bytes that are still being added to.
#[derive(Debug)]
pub struct Out {
    pieces: Vec<Bytes>,
    piece_bytes: usize,
    own: Vec<u8>,
    /// Bytes that were copied, in pieces and not.
    copied: usize,
    /// Bytes that may be held, and copied, at most,
    limit: usize,
    copied_limit: usize,
    /// and whether something was left out for that.
    overflowed: bool,
}

impl Default for Out {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            piece_bytes: 0,
            own: Vec::new(),
            copied: 0,
            limit: usize::MAX,
            copied_limit: usize::MAX,
            overflowed: false,
        }
    }
}

/// A place in the output to come back to: how many bytes stand before it.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Out {
    /// Bytes to send, referred values included.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.piece_bytes + self.own.len()
    }

    /// Whether there is nothing to send.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are in one piece: one `write` sends them.
    #[inline]
    #[must_use]
    pub fn as_one(&self) -> Option<&[u8]> {
        self.pieces.is_empty().then_some(&self.own)
    }

    /// Sets how many bytes may be held, a part of them copied. Beyond that strings are left out, and what is here is no
    /// reply any more.
    #[inline]
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
        self.copied_limit = (bytes / COPIED_SHARE).max(SEAL_FROM);
        self.copied = self.own.len();
        self.overflowed = false;
    }

    /// Whether something was left out.
    #[inline]
    #[must_use]
    pub fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Whether so many more bytes may be referred to.
    #[inline]
    fn fits(&mut self, bytes: usize) -> bool {
        let fits = self.len() + bytes <= self.limit;
        self.overflowed |= !fits;
        fits
    }

    /// Whether so many more bytes may be copied. Many are put into pieces, so that they need not be moved as more comes.
    #[inline]
    fn fits_copied(&mut self, bytes: usize) -> bool {
        if self.own.len() >= SEAL_FROM {
            self.copied += self.own.len();
            self.seal();
        }
        let fits = self.copied + self.own.len() + bytes <= self.copied_limit;
        self.overflowed |= !fits;
        fits
    }

    /// Where the output ends now.
    #[inline]
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.len())
    }

    /// Takes back everything since a mark.
    pub fn rewind(&mut self, mark: Mark) {
        if mark.0 >= self.piece_bytes {
            self.own.truncate(mark.0 - self.piece_bytes);
            return;
        }
        self.own.clear();
        while let Some(last) = self.pieces.last_mut().filter(|_| self.piece_bytes > mark.0) {
            let excess = (self.piece_bytes - mark.0).min(last.len());
            last.truncate(last.len() - excess);
            self.piece_bytes -= excess;
            if last.is_empty() {
                self.pieces.pop();
            }
        }
    }

    /// The bytes since a mark begin with this byte: `-` tells an error.
    #[must_use]
    pub fn begins_with(&self, mark: Mark, byte: u8) -> bool {
        if mark.0 >= self.piece_bytes {
            return self.own.get(mark.0 - self.piece_bytes) == Some(&byte);
        }
        let mut before = 0;
        let holds = |piece: &&Bytes| {
            before += piece.len();
            mark.0 < before
        };
        let piece = self.pieces.iter().find(holds);
        piece.is_some_and(|piece| piece[piece.len() - (before - mark.0)] == byte)
    }

    /// Empties the buffer, keeping a reasonable capacity.
    pub fn clear(&mut self) {
        self.own.clear();
        self.own.shrink_to(64 * 1024);
        self.pieces.clear();
        self.piece_bytes = 0;
        self.copied = 0;
    }

    /// Moves everything from byte `sent` on to the end of a queue of pieces.
    pub fn move_rest(&mut self, sent: usize, queue: &mut VecDeque<Bytes>) {
        let own = Bytes::copy_from_slice(&self.own);
        let mut skip = sent;
        for mut piece in self.pieces.drain(..).chain([own]) {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            bytes::Buf::advance(&mut piece, skipped);
            if !piece.is_empty() {
                queue.push_back(piece);
            }
        }
        self.clear();
    }

    /// Finishes what is being added to as a piece.
    fn seal(&mut self) {
        if !self.own.is_empty() {
            let piece = Bytes::from(std::mem::take(&mut self.own));
            self.refer(piece);
        }
    }

    fn refer(&mut self, piece: Bytes) {
        self.piece_bytes += piece.len();
        self.pieces.push(piece);
    }

    /// Appends raw bytes that are a reply, or part of one.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.own.extend_from_slice(bytes);
    }

    #[inline]
    fn head(&mut self, kind: u8, number: i64) {
        if let 0..=9 = number {
            self.own.extend_from_slice(&[kind, b'0' + number as u8, b'\r', b'\n']);
            return;
        }
        let mut digits = itoa::Buffer::new();
        self.own.push(kind);
        self.own.extend_from_slice(digits.format(number).as_bytes());
        self.own.extend_from_slice(b"\r\n");
    }

    /// A string of bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if !self.fits_copied(bytes.len()) {
            return;
        }
        self.head(b'$', bytes.len() as i64);
        self.own.extend_from_slice(bytes);
        self.own.extend_from_slice(b"\r\n");
    }

    fn bulk_referred(&mut self, bytes: Bytes) {
        if !self.fits(bytes.len()) {
            return;
        }
        self.head(b'$', bytes.len() as i64);
        self.seal();
        self.refer(bytes);
        self.own.extend_from_slice(b"\r\n");
    }

    /// Appends what another buffer holds, without a copy.
    pub fn adopt(&mut self, mut other: Self) {
        self.overflowed |= other.overflowed;
        if !self.fits(other.len()) {
            return;
        }
        self.seal();
        other.seal();
        other.pieces.into_iter().for_each(|piece| self.refer(piece));
    }

    /// An error; line ends in the text become spaces.
    pub fn error(&mut self, text: &str) {
        self.own.push(b'-');
        self.own.extend(text.bytes().map(|b| if b == b'\r' || b == b'\n' { b' ' } else { b }));
        self.own.extend_from_slice(b"\r\n");
    }
}

/// Writes one client's replies in its version of the protocol.
#[derive(Debug)]
pub struct Reply<'a> {
    /// Where they go.
    pub out: &'a mut Out,
    /// The client's version.
    pub protocol: Protocol,
}

impl Reply<'_> {
    #[inline]
    fn is_three(&self) -> bool {
        self.protocol == Protocol::Three
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.raw(b"+OK\r\n");
    }

    /// A short text without line ends.
    pub fn simple(&mut self, text: &str) {
        self.out.own.push(b'+');
        self.out.raw(text.as_bytes());
        self.out.raw(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, number: i64) {
        self.out.head(b':', number);
    }

    /// One or zero.
    #[inline]
    pub fn flag(&mut self, yes: bool) {
        self.out.raw(if yes { b":1\r\n" } else { b":0\r\n" });
    }

    /// A string of bytes, copied.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.bulk(bytes);
    }

    /// A value out of the cache: copied if short, referred to if long.
    #[inline]
    pub fn value(&mut self, value: larder_cache::Value<'_>) {
        match value {
            larder_cache::Value::Shared(bytes) if bytes.len() >= REFER_FROM => {
                self.out.bulk_referred(bytes.clone());
            }
            other => self.out.bulk(&other),
        }
    }

    /// Part of a value out of the cache, copied or referred to as a whole one would be.
    pub fn part(&mut self, value: larder_cache::Value<'_>, range: std::ops::Range<usize>) {
        match value {
            larder_cache::Value::Shared(bytes) if range.len() >= REFER_FROM => {
                self.out.bulk_referred(bytes.slice(range));
            }
            other => self.out.bulk(&other[range]),
        }
    }

    /// Nothing, where a string would be.
    #[inline]
    pub fn null(&mut self) {
        self.out.raw(if self.is_three() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Nothing, where an array would be.
    pub fn null_array(&mut self) {
        self.out.raw(if self.is_three() { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// So many elements follow.
    #[inline]
    pub fn array(&mut self, elements: usize) {
        self.out.head(b'*', elements as i64);
    }

    /// So many keys with a value each follow.
    pub fn map(&mut self, pairs: usize) {
        if self.is_three() {
            self.out.head(b'%', pairs as i64);
        } else {
            self.out.head(b'*', pairs as i64 * 2);
        }
    }

    /// So many elements without an order follow.
    pub fn set(&mut self, elements: usize) {
        self.out.head(if self.is_three() { b'~' } else { b'*' }, elements as i64);
    }

    /// A text for people, which RESP3 marks as such.
    pub fn verbatim(&mut self, text: &str) {
        if self.is_three() {
            if !self.out.fits_copied(text.len()) {
                return;
            }
            self.out.head(b'=', text.len() as i64 + 4);
            self.out.raw(b"txt:");
            self.out.raw(text.as_bytes());
            self.out.raw(b"\r\n");
        } else {
            self.bulk(text.as_bytes());
        }
    }

    /// A double; RESP2 writes it as a string.
    pub fn double(&mut self, value: f64) {
        let text = super::number::format_f64(value);
        if self.is_three() {
            self.out.raw(b",");
            self.out.raw(text.as_bytes());
            self.out.raw(b"\r\n");
        } else {
            self.bulk(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_write_goes_on_where_it_stopped() {
        let long = Bytes::from(vec![b'x'; 5000]);
        let mut whole = Vec::new();
        let fill = |out: &mut Out| {
            let mut reply = Reply { out, protocol: Protocol::Two };
            reply.ok();
            reply.value(larder_cache::Value::Shared(&long));
            reply.int(7);
        };
        let mut out = Out::default();
        fill(&mut out);
        let total = out.len();
        for sent in 0..=total {
            let mut out = Out::default();
            fill(&mut out);
            let mut queue = VecDeque::new();
            out.move_rest(sent, &mut queue);
            let rest: Vec<u8> = queue.iter().flatten().copied().collect();
            if sent == 0 {
                whole = rest.clone();
            }
            assert_eq!(rest, whole[sent..]);
            assert!(out.is_empty());
        }
        assert!(whole.starts_with(b"+OK\r\n$5000\r\nxxx") && whole.ends_with(b"x\r\n:7\r\n"));
    }
}
