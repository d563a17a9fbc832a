//! Frames: how one record lies in the file, and how a write that was cut short is told from damage.
//!
//! | bytes | what |
//! |---|---|
//! | 2 | length of the whole frame |
//! | 1 | kind of the record |
//! | 1 | check of these three |
//! | | the record's body |
//! | 4 | CRC-32C of all that, continued from the frame before |
//! | 1 | `LAST`, which is not zero |
//!
//! The file is preallocated, so behind its last frame there are zeros. A process that is killed within a write leaves the
//! beginning of what it wrote, and zeros: the last byte that is not zero then lies before the frame's end, since a whole frame
//! ends in one that is not. So a frame that is all there, or whose head is, and that fails a check, is damage and not torn,
//! wherever it stands. CRC-32C finds every change that spans at most 32 bits; that it is continued finds frames that are
//! missing, repeated or from another file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crc32c::crc32c_append;

pub(super) const HEAD: usize = 4;
const TAIL: usize = 5;
/// Bytes of a frame beside its body.
pub(super) const AROUND: usize = HEAD + TAIL;
/// The longest frame.
pub(super) const FRAME_MAX: usize = u16::MAX as usize;
const LAST: u8 = 0xe5;
/// What is read at once.
const WINDOW: usize = 256 << 10;

fn check([a, b, c]: [u8; 3]) -> u8 {
    a ^ b.rotate_left(3) ^ c.rotate_left(6) ^ 0x5a
}

/// Appends a frame around what `body` writes; its CRC is filled in by [`stamp`], which knows the frame before. Takes it back
/// and says false if it is too long.
#[inline]
pub(super) fn put(buffer: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) -> bool {
    let start = buffer.len();
    buffer.extend_from_slice(&[0, 0, kind, 0]);
    body(buffer);
    buffer.extend_from_slice(&[0, 0, 0, 0, LAST]);
    let Ok(length) = u16::try_from(buffer.len() - start) else {
        buffer.truncate(start);
        return false;
    };
    let [a, b] = length.to_le_bytes();
    buffer[start..start + HEAD].copy_from_slice(&[a, b, kind, check([a, b, kind])]);
    true
}

/// Fills in the CRC of each frame in a buffer of whole ones and moves the chain on.
pub(super) fn stamp(buffer: &mut [u8], chain: &mut u32) {
    let mut rest = buffer;
    while let Some((length, _)) = rest.split_first_chunk::<2>() {
        let (frame, behind) = rest.split_at_mut(usize::from(u16::from_le_bytes(*length)));
        let (sum, tail) = frame.split_at_mut(frame.len() - TAIL);
        *chain = crc32c_append(*chain, sum);
        tail[..4].copy_from_slice(&chain.to_le_bytes());
        rest = behind;
    }
}

/// What frames are read from.
pub(super) trait Source {
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()>;
}

impl Source for File {
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, into, at)
    }
}

impl Source for [u8] {
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let from = self.get(at as usize..).and_then(|from| from.get(..into.len()));
        into.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The end of the last byte that is not zero in a source of `len` bytes, at least `start`.
pub(super) fn end_of_data<S: Source + ?Sized>(source: &S, start: u64, len: u64) -> io::Result<u64> {
    let mut piece = vec![0; WINDOW];
    let mut end = len;
    while end > start {
        let from = end.saturating_sub(WINDOW as u64).max(start);
        let piece = &mut piece[..(end - from) as usize];
        source.read_exact_at(piece, from)?;
        // Most of it is zeros: sixteen at a time.
        let zeros = piece.rchunks(16).take_while(|chunk| chunk.iter().fold(0, |any, byte| any | byte) == 0);
        let rest = piece.len() - zeros.map(<[u8]>::len).sum::<usize>();
        if let Some(last) = piece[..rest].iter().rposition(|&byte| byte != 0) {
            return Ok(from + last as u64 + 1);
        }
        end = from;
    }
    Ok(start)
}

/// Why frames cannot be read.
#[derive(Debug)]
pub(super) enum Broken {
    Damaged,
    Unreadable,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Unreadable
    }
}

/// Reads frames one after the other, through a window.
pub(super) struct Frames<'s, S: ?Sized> {
    source: &'s S,
    /// Where the next one begins.
    at: u64,
    /// The end of the last byte that is not zero.
    end: u64,
    chain: u32,
    window: Vec<u8>,
    window_at: u64,
}

impl<'s, S: Source + ?Sized> Frames<'s, S> {
    pub(super) fn new(source: &'s S, start: u64, end: u64, chain: u32) -> Self {
        Self { source, at: start, end, chain, window: Vec::new(), window_at: start }
    }

    /// Where the last whole frame ends.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn chain(&self) -> u32 {
        self.chain
    }

    /// The next frame, `None` at the end: if that is not the end of the data, what follows is torn.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, Broken> {
        let left = self.end.saturating_sub(self.at);
        if left < HEAD as u64 {
            return Ok(None);
        }
        let head = self.fill(HEAD)?;
        let [a, b, kind, sum] = [0, 1, 2, 3].map(|i| self.window[head + i]);
        let length = usize::from(u16::from_le_bytes([a, b]));
        if sum != check([a, b, kind]) || length < AROUND {
            return Err(Broken::Damaged);
        }
        if left < length as u64 {
            return Ok(None);
        }
        let start = self.fill(length)?;
        let frame = &self.window[start..start + length];
        let (covered, tail) = frame.split_at(length - TAIL);
        let chain = crc32c_append(self.chain, covered);
        if tail[..4] != chain.to_le_bytes() || tail[4] != LAST {
            return Err(Broken::Damaged);
        }
        self.chain = chain;
        self.at += length as u64;
        Ok(Some(Frame { kind, body: &covered[HEAD..], whole: frame }))
    }

    /// Has the next `count` bytes, which are there, in the window; returns where.
    fn fill(&mut self, count: usize) -> Result<usize, Broken> {
        let start = (self.at - self.window_at) as usize;
        if start + count <= self.window.len() {
            return Ok(start);
        }
        let wanted = (self.end - self.at).min(WINDOW as u64) as usize;
        self.window.resize(wanted, 0);
        self.source.read_exact_at(&mut self.window, self.at)?;
        self.window_at = self.at;
        Ok(0)
    }
}

/// A frame that was checked.
pub(super) struct Frame<'f> {
    pub(super) kind: u8,
    pub(super) body: &'f [u8],
    pub(super) whole: &'f [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_changed_in_a_head_is_always_seen() {
        for head in [[17, 0, 1], [0, 1, 7], [255, 255, 255], [9, 0, 11]] {
            for place in 0..3 {
                for flip in 1..=255 {
                    let mut other = head;
                    other[place] ^= flip;
                    assert_ne!(check(head), check(other));
                }
            }
        }
        assert_ne!(check([0; 3]), 0, "zeros are no head");
    }

    #[test]
    fn the_end_is_found_wherever_it_is() {
        let len = WINDOW * 2 + 7;
        for last in [0, 1, 15, 16, WINDOW - 1, WINDOW, WINDOW + 6, WINDOW + 7, len - 1] {
            let mut data = vec![0; len];
            data[last] = 1;
            let end = end_of_data(&data[..], 0, len as u64).expect("readable");
            assert_eq!(end, last as u64 + 1);
        }
        assert_eq!(end_of_data(&vec![0; len][..], 5, len as u64).expect("readable"), 5);
    }
}
