//! A record: one entry's bytes in a segment.
//!
//! ```text
//! flags  key length  value length  incarnation  [deadline]  [ordinal]  [tags]            key      value, or a large one's number  [link]
//! 1      1           2             4            8 if TTL    4          1 + 0..=254 each  0..=254  0..=1024, or 4                  4
//! ```
//! rounded up to four bytes. Keys over 254, tags over 254 and values over 1,024 bytes live outside the log, refcounted
//! ([`super::large`]). The ordinal says as of which invalidation the entry is known to be valid; where it is missing, that
//! is what the segment says. The link names an equal copy that lies elsewhere; it stands last, out of the way of whoever
//! reads. The two highest bits of the value's length are flags.

use crate::clock::Millis;

/// Longest key inside a record; longer ones lie with the large value.
pub(crate) const KEY_INLINE_MAX: usize = 254;
/// Most bytes of encoded tags inside a record; more lie with the large value.
pub(crate) const TAGS_INLINE_MAX: usize = 254;
/// Longest value inside a record, copied out under the lock; longer ones are refcounted.
pub const VALUE_INLINE_MAX: usize = 1024;
/// Records start at multiples of this many bytes, which stretches a location of 31 bits to 8 GiB.
pub(crate) const GRANULE: usize = 4;

const HEADER: usize = 8;
const DEADLINE: usize = 8;
const ORDINAL: usize = 4;
/// Bytes of the longest record.
pub(crate) const RECORD_MAX: usize =
    round(HEADER + DEADLINE + ORDINAL + 1 + TAGS_INLINE_MAX + KEY_INLINE_MAX + VALUE_INLINE_MAX + LINK);

const FREQUENCY: u8 = 0b0000_0011;
const HAS_DEADLINE: u8 = 0b0000_0100;
const IS_LARGE: u8 = 0b0000_1000;
/// Reads since somebody last asked for them, up to three: see [`take_touches`].
const TOUCHES: u8 = 0b0011_0000;
const TOUCH: u8 = 0b0001_0000;
const HAS_TAGS: u8 = 0b0100_0000;
const HAS_ORDINAL: u8 = 0b1000_0000;
/// In the value's length:
const IS_CONTROL: u16 = 1 << 14;
const HAS_LINK: u16 = 1 << 15;
const LINK: usize = 4;
/// A link that leads nowhere any more.
const NO_LINK: u32 = u32::MAX;

const fn round(bytes: usize) -> usize {
    bytes.next_multiple_of(GRANULE)
}

/// What is needed to write a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) incarnation: u32,
    /// Empty when the key lies with the large value.
    pub(crate) key: &'a [u8],
    pub(crate) payload: Payload<'a>,
    pub(crate) deadline: Option<Millis>,
    /// Encoded; empty also when they lie with the large value.
    pub(crate) tags: &'a [u8],
    /// Where it differs from the segment's.
    pub(crate) ordinal: Option<u32>,
    pub(crate) frequency: u8,
    pub(crate) touches: u8,
    /// Other entries are governed by it.
    pub(crate) is_control: bool,
    /// Where an equal copy lies.
    pub(crate) link: Option<u32>,
}

/// A record's value: its bytes, or the number of a large one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    Inline(&'a [u8]),
    Large(u32),
}

impl Draft<'_> {
    /// Bytes that the record takes in a segment.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let deadline = if self.deadline.is_some() { DEADLINE } else { 0 };
        let ordinal = if self.ordinal.is_some() { ORDINAL } else { 0 };
        let tags = if self.tags.is_empty() { 0 } else { 1 + self.tags.len() };
        let payload = match self.payload {
            Payload::Inline(bytes) => bytes.len(),
            Payload::Large(_) => size_of::<u32>(),
        };
        let link = if self.link.is_some() { LINK } else { 0 };
        round(HEADER + deadline + ordinal + tags + self.key.len() + payload + link)
    }

    /// Writes the record to the start of `out`, which is at least [`len`](Self::len) bytes long.
    #[inline]
    pub(crate) fn write(&self, out: &mut [u8]) {
        let (flags, value_len) = match self.payload {
            Payload::Inline(bytes) => (0, bytes.len() as u16),
            Payload::Large(_) => (IS_LARGE, size_of::<u32>() as u16),
        };
        let has_deadline = if self.deadline.is_some() { HAS_DEADLINE } else { 0 };
        let has_ordinal = if self.ordinal.is_some() { HAS_ORDINAL } else { 0 };
        let has_tags = if self.tags.is_empty() { 0 } else { HAS_TAGS };
        let counts = (self.frequency & FREQUENCY) | ((self.touches * TOUCH) & TOUCHES);
        out[0] = flags | has_deadline | has_ordinal | has_tags | counts;
        out[1] = self.key.len() as u8;
        let control = if self.is_control { IS_CONTROL } else { 0 };
        let has_link = if self.link.is_some() { HAS_LINK } else { 0 };
        out[2..4].copy_from_slice(&(value_len | control | has_link).to_le_bytes());
        out[4..8].copy_from_slice(&self.incarnation.to_le_bytes());
        let mut at = HEADER;
        if let Some(deadline) = self.deadline {
            out[at..at + DEADLINE].copy_from_slice(&deadline.0.to_le_bytes());
            at += DEADLINE;
        }
        if let Some(ordinal) = self.ordinal {
            out[at..at + ORDINAL].copy_from_slice(&ordinal.to_le_bytes());
            at += ORDINAL;
        }
        if !self.tags.is_empty() {
            out[at] = self.tags.len() as u8;
            out[at + 1..at + 1 + self.tags.len()].copy_from_slice(self.tags);
            at += 1 + self.tags.len();
        }
        out[at..at + self.key.len()].copy_from_slice(self.key);
        at += self.key.len();
        match self.payload {
            Payload::Inline(bytes) => out[at..at + bytes.len()].copy_from_slice(bytes),
            Payload::Large(number) => out[at..at + 4].copy_from_slice(&number.to_le_bytes()),
        }
        if let Some(link) = self.link {
            at += usize::from(value_len);
            out[at..at + LINK].copy_from_slice(&link.to_le_bytes());
        }
    }
}

/// A record as it lies in a segment; the slice may run on behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a>(pub(crate) &'a [u8]);

impl<'a> Record<'a> {
    #[inline]
    pub(crate) fn frequency(self) -> u8 {
        self.0[0] & FREQUENCY
    }

    #[inline]
    pub(crate) fn touches(self) -> u8 {
        (self.0[0] & TOUCHES) / TOUCH
    }

    #[inline]
    fn key_start(self) -> usize {
        let start = self.behind_deadline();
        if self.0[0] & (HAS_ORDINAL | HAS_TAGS) == 0 { start } else { self.key_start_behind(start) }
    }

    #[cold]
    fn key_start_behind(self, start: usize) -> usize {
        let tags = self.tags_start(start);
        if self.0[0] & HAS_TAGS == 0 { tags } else { tags + 1 + usize::from(self.0[tags]) }
    }

    fn tags_start(self, behind_deadline: usize) -> usize {
        behind_deadline + if self.0[0] & HAS_ORDINAL != 0 { ORDINAL } else { 0 }
    }

    fn behind_deadline(self) -> usize {
        HEADER + if self.0[0] & HAS_DEADLINE != 0 { DEADLINE } else { 0 }
    }

    /// Encoded tags, if they lie in the record.
    pub(crate) fn tags(self) -> &'a [u8] {
        if self.0[0] & HAS_TAGS == 0 {
            return &[];
        }
        let start = self.tags_start(self.behind_deadline());
        &self.0[start + 1..start + 1 + usize::from(self.0[start])]
    }

    /// The ordinal, where it is not the segment's.
    #[inline]
    pub(crate) fn ordinal(self) -> Option<u32> {
        if self.0[0] & HAS_ORDINAL == 0 {
            return None;
        }
        self.0[self.behind_deadline()..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    #[inline]
    fn key_len(self) -> usize {
        self.0[1] as usize
    }

    #[inline]
    fn lengths(self) -> u16 {
        u16::from_le_bytes([self.0[2], self.0[3]])
    }

    #[inline]
    fn value_len(self) -> usize {
        usize::from(self.lengths() & !(IS_CONTROL | HAS_LINK))
    }

    /// Whether other entries are governed by this one.
    #[inline]
    pub(crate) fn is_control(self) -> bool {
        self.lengths() & IS_CONTROL != 0
    }

    #[inline]
    fn has_link(self) -> bool {
        self.lengths() & HAS_LINK != 0
    }

    fn link_start(self) -> usize {
        self.key_start() + self.key_len() + self.value_len()
    }

    /// Where an equal copy lies, if one does.
    #[inline]
    pub(crate) fn link(self) -> Option<u32> {
        if !self.has_link() {
            return None;
        }
        let link = self.0[self.link_start()..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        link.filter(|&link| link != NO_LINK)
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        let link = if self.has_link() { LINK } else { 0 };
        round(self.key_start() + self.key_len() + self.value_len() + link)
    }

    #[inline]
    pub(crate) fn incarnation(self) -> u32 {
        u32::from_le_bytes([self.0[4], self.0[5], self.0[6], self.0[7]])
    }

    #[inline]
    pub(crate) fn deadline(self) -> Option<Millis> {
        if self.0[0] & HAS_DEADLINE == 0 {
            return None;
        }
        self.0[HEADER..].first_chunk().map(|bytes| Millis(u64::from_le_bytes(*bytes)))
    }

    /// The key, if it lies in the record.
    #[inline]
    pub(crate) fn key(self) -> &'a [u8] {
        let start = self.key_start();
        &self.0[start..start + self.key_len()]
    }

    #[inline]
    pub(crate) fn payload(self) -> Payload<'a> {
        let start = self.key_start() + self.key_len();
        let bytes = &self.0[start..start + self.value_len()];
        match self.large_number_in(bytes) {
            Some(number) => Payload::Large(number),
            None => Payload::Inline(bytes),
        }
    }

    #[inline]
    fn large_number_in(self, bytes: &[u8]) -> Option<u32> {
        if self.0[0] & IS_LARGE == 0 {
            return None;
        }
        bytes.first_chunk().map(|number| u32::from_le_bytes(*number))
    }

    /// The number of the large value, if it is one.
    #[inline]
    pub(crate) fn large(self) -> Option<u32> {
        match self.payload() {
            Payload::Large(number) => Some(number),
            Payload::Inline(_) => None,
        }
    }

    /// Everything needed to write this record anew.
    #[inline]
    pub(crate) fn draft(self) -> Draft<'a> {
        Draft {
            incarnation: self.incarnation(),
            key: self.key(),
            payload: self.payload(),
            deadline: self.deadline(),
            tags: self.tags(),
            ordinal: self.ordinal(),
            frequency: self.frequency(),
            touches: self.touches(),
            is_control: self.is_control(),
            link: self.link(),
        }
    }
}

/// Has the record forget its link.
pub(crate) fn clear_link(record: &mut [u8]) {
    if Record(record).has_link() {
        let at = Record(record).link_start();
        record[at..at + LINK].copy_from_slice(&NO_LINK.to_le_bytes());
    }
}

/// Says that other entries are governed by the record.
pub(crate) fn set_control(record: &mut [u8]) {
    record[3] |= (IS_CONTROL >> 8) as u8;
}

/// Counts a read, up to three, and a touch, up to three. A record that is full of both is not written to.
#[inline]
pub(crate) fn bump_frequency(record: &mut [u8]) {
    let flags = record[0];
    let read = u8::from(flags & FREQUENCY != FREQUENCY);
    let touch = if flags & TOUCHES == TOUCHES { 0 } else { TOUCH };
    if read | touch != 0 {
        record[0] = flags + read + touch;
    }
}

/// How often the record was read since this was last asked.
pub(crate) fn take_touches(record: &mut [u8]) -> u8 {
    let touches = Record(record).touches();
    record[0] &= !TOUCHES;
    touches
}

/// Sets how often the record counts as read.
#[inline]
pub(crate) fn set_frequency(record: &mut [u8], frequency: u8) {
    record[0] = (record[0] & !FREQUENCY) | (frequency & FREQUENCY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let draft = Draft {
            incarnation: 77,
            key: b"key",
            payload: Payload::Inline(b"value"),
            deadline: Some(Millis(123_456_789_012)),
            tags: b"\x03red\x04blue",
            ordinal: Some(9),
            frequency: 2,
            touches: 0,
            is_control: true,
            link: Some(77),
        };
        let mut bytes = vec![0xAA; draft.len() + 9];
        draft.write(&mut bytes);
        let record = Record(&bytes);
        assert_eq!(record.len(), draft.len());
        assert_eq!(record.incarnation(), 77);
        assert_eq!(record.key(), b"key");
        assert_eq!(record.payload(), Payload::Inline(b"value"));
        assert_eq!(record.deadline(), Some(Millis(123_456_789_012)));
        assert_eq!((record.tags(), record.ordinal()), (&b"\x03red\x04blue"[..], Some(9)));
        assert_eq!((record.frequency(), record.is_control(), record.link()), (2, true, Some(77)));
        clear_link(&mut bytes);
        assert_eq!((Record(&bytes).link(), Record(&bytes).len()), (None, draft.len()));
        bump_frequency(&mut bytes);
        bump_frequency(&mut bytes);
        assert_eq!(Record(&bytes).frequency(), 3);
        assert_eq!((take_touches(&mut bytes), take_touches(&mut bytes)), (2, 0));
        assert_eq!(Record(&bytes).payload(), Payload::Inline(b"value"));
    }

    #[test]
    fn a_large_value_is_a_number() {
        let draft = Draft {
            incarnation: 0,
            key: b"",
            payload: Payload::Large(9),
            deadline: None,
            tags: b"",
            ordinal: None,
            frequency: 0,
            touches: 0,
            is_control: false,
            link: None,
        };
        let mut bytes = vec![0; draft.len()];
        draft.write(&mut bytes);
        assert_eq!(Record(&bytes).large(), Some(9));
        assert_eq!(Record(&bytes).len(), 12);
    }
}
