//! A journal in memory, for those who try what recovery makes of odd ones: not part of the interface.

use super::frame;
use super::header::{BLOCK, Header};
use super::recovery::{Reason, read};
use super::sealer::Secrecy;
use super::state::State;

const HEADER: Header =
    Header { boot: [1; 16], seed: [2; 16], incarnation: 3, chain: 0x1234_5678, is_sealed: false, parts: 0 };

/// A file of frames of these kinds and bodies, with everything about them that is checked, followed by `room` zeros; and
/// where each frame ends, the first being where the header does. A body that is too long is left out.
#[must_use]
pub fn write<'b>(frames: impl Iterator<Item = (u8, &'b [u8])>, room: usize) -> (Vec<u8>, Vec<usize>) {
    let mut buffer = Vec::new();
    let mut ends = vec![BLOCK];
    for (kind, body) in frames {
        if frame::put(&mut buffer, kind, |out| out.extend_from_slice(body)) {
            ends.push(BLOCK + buffer.len());
        }
    }
    let mut chain = HEADER.chain;
    frame::stamp(&mut buffer, &mut chain);
    buffer.resize(buffer.len() + room, 0);
    (wrap(&buffer), ends)
}

/// A file with these bytes behind a header.
#[must_use]
pub fn wrap(bytes: &[u8]) -> Vec<u8> {
    let mut image = HEADER.encode((BLOCK + bytes.len()) as u64).to_vec();
    image.extend_from_slice(bytes);
    image
}

/// What recovery makes of a file.
///
/// # Errors
/// If it is not believed.
pub fn recover(image: &[u8]) -> Result<State, Reason> {
    let plain = Secrecy { sealer: None, incarnation: 0 };
    read(image, image.len() as u64, HEADER.boot, &plain).map(|read| read.state)
}
