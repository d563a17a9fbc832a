//! One entry inside a segment.
//!
//! ```text
//! flags  frequency  key length  value length  incarnation  ordinal  token  [deadline]  [tags]  [more]  key  value
//! 1      1          varint      varint        difference   ...      ...    ...         run     run
//! ```
//! Before it stand the four bytes of its checksum, behind it as many zeros as align the next.
//! A varint carries seven bits a byte, lowest first; a difference is a varint of its distance from the segment's base, either
//! way; a run is a varint length and that many bytes. `more` is room for what entries may carry one day: it is stepped over.

use super::parse::Damaged;
use crate::clock::Millis;
use crate::layout::Bases;

/// Longest encoded tags of an entry.
pub(crate) const TAGS_MAX: usize = 4096;

const HAS_DEADLINE: u8 = 1;
const HAS_TAGS: u8 = 1 << 1;
const IS_CONTROL: u8 = 1 << 2;
/// A run of bytes that this version knows nothing of lies before the key.
const HAS_MORE: u8 = 1 << 3;
const KNOWN: u8 = HAS_DEADLINE | HAS_TAGS | IS_CONTROL | HAS_MORE;

/// An entry as it is packed and as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Which life of which database it belongs to.
    pub(crate) incarnation: u32,
    /// The journal's sequence number when it was packed.
    pub(crate) token: u64,
    /// The newest invalidation of tags and prefixes that it was checked against.
    pub(crate) ordinal: u32,
    pub(crate) deadline: Option<Millis>,
    pub(crate) frequency: u8,
    /// Other entries are governed by it.
    pub(crate) is_control: bool,
    /// Encoded tags, at most [`TAGS_MAX`] bytes.
    pub(crate) tags: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Appends the entry.
    pub(super) fn write(&self, bases: Bases, out: &mut Vec<u8>) {
        let mut flags = 0;
        for (flag, is_set) in [
            (HAS_DEADLINE, self.deadline.is_some()),
            (HAS_TAGS, !self.tags.is_empty()),
            (IS_CONTROL, self.is_control),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        out.push(flags);
        out.push(self.frequency);
        put(out, self.key.len() as u64);
        put(out, self.value.len() as u64);
        put(out, distance(u64::from(self.incarnation), u64::from(bases.incarnation)));
        put(out, distance(u64::from(self.ordinal), u64::from(bases.ordinal)));
        put(out, distance(self.token, bases.token));
        if let Some(deadline) = self.deadline {
            put(out, distance(deadline.0, bases.deadline));
        }
        if !self.tags.is_empty() {
            put(out, self.tags.len() as u64);
            out.extend_from_slice(self.tags);
        }
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.value);
    }

    /// Bytes that the entry takes in a segment, its place in the directory not counted.
    pub(super) fn len(&self, bases: Bases) -> usize {
        let runs = self.key.len() + self.value.len() + self.tags.len();
        let mut bytes = 2 + runs + width(self.key.len() as u64) + width(self.value.len() as u64);
        bytes += width(distance(u64::from(self.incarnation), u64::from(bases.incarnation)));
        bytes += width(distance(u64::from(self.ordinal), u64::from(bases.ordinal)));
        bytes += width(distance(self.token, bases.token));
        bytes += self.deadline.map_or(0, |deadline| width(distance(deadline.0, bases.deadline)));
        if !self.tags.is_empty() {
            bytes += width(self.tags.len() as u64);
        }
        bytes
    }

    /// Reads the entry that `bytes` begin with, and says how many bytes it takes.
    ///
    /// # Errors
    /// If the bytes are no entry.
    pub(super) fn read(bytes: &'a [u8], bases: Bases) -> Result<(Self, usize), Damaged> {
        let mut reader = Reader { rest: bytes };
        let flags = reader.byte()?;
        if flags & !KNOWN != 0 {
            return Err(Damaged::Entry);
        }
        let frequency = reader.byte()?;
        let key_len = reader.length()?;
        let value_len = reader.length()?;
        let incarnation = reader.near(u64::from(bases.incarnation))?;
        let ordinal = reader.near(u64::from(bases.ordinal))?;
        let token = reader.near(bases.token)?;
        let deadline = match flags & HAS_DEADLINE {
            0 => None,
            _ => Some(Millis(reader.near(bases.deadline)?)),
        };
        let mut tags: &[u8] = &[];
        if flags & HAS_TAGS != 0 {
            let len = reader.length()?;
            if len == 0 || len > TAGS_MAX {
                return Err(Damaged::Entry);
            }
            tags = reader.run(len)?;
        }
        if flags & HAS_MORE != 0 {
            let len = reader.length()?;
            reader.run(len)?;
        }
        let entry = Self {
            incarnation: u32::try_from(incarnation).map_err(|_| Damaged::Entry)?,
            token,
            ordinal: u32::try_from(ordinal).map_err(|_| Damaged::Entry)?,
            deadline,
            frequency,
            is_control: flags & IS_CONTROL != 0,
            tags,
            key: reader.run(key_len)?,
            value: reader.run(value_len)?,
        };
        Ok((entry, bytes.len() - reader.rest.len()))
    }
}

/// The way from `base` to `value`, short ones small whichever way they go: up is even, down is odd.
fn distance(value: u64, base: u64) -> u64 {
    let way = value.wrapping_sub(base) as i64;
    ((way << 1) ^ (way >> 63)) as u64
}

fn from_distance(distance: u64, base: u64) -> u64 {
    let way = (distance >> 1) as i64 ^ -((distance & 1) as i64);
    base.wrapping_add(way as u64)
}

fn width(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.rest.split_first().ok_or(Damaged::Entry)?;
        self.rest = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // Of the tenth byte only one bit has room.
            if bits << shift >> shift != bits {
                return Err(Damaged::Entry);
            }
            number |= bits << shift;
            if byte < 0x80 {
                // One number has one spelling.
                return if byte == 0 && shift != 0 { Err(Damaged::Entry) } else { Ok(number) };
            }
        }
        Err(Damaged::Entry)
    }

    fn length(&mut self) -> Result<usize, Damaged> {
        usize::try_from(self.number()?).map_err(|_| Damaged::Entry)
    }

    fn near(&mut self, base: u64) -> Result<u64, Damaged> {
        Ok(from_distance(self.number()?, base))
    }

    fn run(&mut self, len: usize) -> Result<&'a [u8], Damaged> {
        let (run, rest) = self.rest.split_at_checked(len).ok_or(Damaged::Entry)?;
        self.rest = rest;
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_spelling_and_a_known_width() {
        let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit]).chain([u64::MAX]);
        for number in edges {
            let mut out = Vec::new();
            put(&mut out, number);
            assert_eq!(out.len(), width(number), "{number}");
            assert_eq!(Reader { rest: &out }.number(), Ok(number));
            *out.last_mut().expect("at least one byte") |= 0x80;
            out.push(0);
            assert_eq!(
                Reader { rest: &out }.number(),
                Err(Damaged::Entry),
                "{number}, longer than it need be"
            );
        }
    }

    #[test]
    fn distances_lead_back() {
        for (value, base) in
            [(0, 0), (0, u64::MAX), (u64::MAX, 0), (5, 7), (7, 5), (1 << 63, 1), (1, 1 << 63)]
        {
            assert_eq!(from_distance(distance(value, base), base), value);
        }
        assert_eq!(width(distance(100, 163)), 1);
        assert_eq!(width(distance(163, 100)), 1);
    }

    #[test]
    fn what_a_later_version_adds_is_stepped_over() {
        let bases = Bases::default();
        let bytes = [HAS_MORE, 3, 1, 2, 0, 0, 0, 4, 9, 9, 9, 9, b'k', b'v', b'w', 77];
        let (entry, len) = Entry::read(&bytes, bases).expect("an entry");
        assert_eq!(
            (entry.key, entry.value, entry.frequency, len),
            (&b"k"[..], &b"vw"[..], 3, bytes.len() - 1)
        );
        let unknown = [0x80, 3, 1, 2, 0, 0, 0, b'k', b'v', b'w'];
        assert_eq!(Entry::read(&unknown, bases), Err(Damaged::Entry));
    }
}
