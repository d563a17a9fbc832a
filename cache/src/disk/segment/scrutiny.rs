//! What must hold of any bytes offered as a segment: the fuzz target and the tests run it.

use bytes::Bytes;

use super::packer::Packer;
use super::parse::Segment;
use super::{HEADER, Identity};

/// Offers the bytes as a segment of the number that they claim; if they are one, everything in it must be readable, and packed
/// again it must be the same.
///
/// # Panics
/// If something does not hold.
pub(crate) fn run(data: &[u8]) {
    let number = data.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let Ok(segment) = Segment::parse(Bytes::copy_from_slice(data), number) else { return };
    assert!(Segment::parse(Bytes::copy_from_slice(data), !number).is_err(), "a segment has one number");
    assert_eq!(segment.entries().count(), usize::from(segment.count()), "every entry can be read");
    assert!(segment.entry(segment.count()).is_none(), "there are no more than it says");
    let mut packer = Packer::new(data.len() + HEADER);
    for (place, entry) in (0..).zip(segment.entries()) {
        assert_eq!(segment.value(place).as_deref(), Some(entry.value));
        // Other bases can make entries longer than they were.
        let Some(packed) = packer.push(&entry) else { return };
        assert_eq!((packed, packer.get(packed)), (place, Some(entry)));
    }
    let bytes = packer.bytes();
    let sealed = packer.seal(Identity { incarnation: 0, number });
    assert_eq!(sealed.len(), bytes, "it is as long as was said");
    let again = Segment::parse(sealed, number).expect("what was packed can be parsed");
    assert!(again.entries().eq(segment.entries()), "packed again, it is another segment");
}
