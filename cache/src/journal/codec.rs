//! How records are encoded. Numbers are little-endian; what is sealed stands last.

use super::frame;
use super::record::{Entry, Record, What};
use super::sealer::Secrecy;
use crate::clock::Millis;

/// Why an entry cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecodable {
    Malformed,
    UnknownKind,
    Unopened,
}

// 16 to 63 are free for records to come.
const GONE: u8 = 1;
const DATABASE: u8 = 2;
const EXCHANGED: u8 = 3;
const INVALIDATED: u8 = 4;
const SEALED: u8 = 5;
const RETIRED: u8 = 6;
const CONTROL: u8 = 7;
const CONTROL_GONE: u8 = 8;
const COLD_DATABASE: u8 = 9;
const CURSOR: u8 = 10;
const CLOSED: u8 = 11;
const OPENED: u8 = 12;
const GOVERNS: u8 = 13;
const NEXT_INCARNATION: u8 = 64;
const INVALIDATED_AT: u8 = 65;
const SNAPSHOT_END: u8 = 66;

const NO_DEADLINE: u64 = u64::MAX;
/// Added to what an invalidation is about if it is about one incarnation.
const SCOPED: u8 = 0x80;

impl Entry<'_> {
    /// Appends a frame without its CRC; false if it is too long.
    #[inline]
    pub(super) fn put(&self, secrecy: &Secrecy, buffer: &mut Vec<u8>) -> bool {
        match *self {
            Self::Record(Record::Gone { hash }) => {
                frame::put(buffer, GONE, |out| out.extend_from_slice(&hash.to_le_bytes()))
            }
            Self::Record(ref record) => record.fits() && put_record(record, secrecy, buffer),
            Self::NextIncarnation(next) => {
                frame::put(buffer, NEXT_INCARNATION, |out| out.extend_from_slice(&next.to_le_bytes()))
            }
            Self::InvalidatedAt { sequence, ordinal, incarnation, what } => {
                frame::put(buffer, INVALIDATED_AT, |out| {
                    out.extend_from_slice(&sequence.to_le_bytes());
                    put_invalidation(out, INVALIDATED_AT, ordinal, incarnation, what, secrecy);
                })
            }
            Self::SnapshotEnd { sequence } => {
                frame::put(buffer, SNAPSHOT_END, |out| out.extend_from_slice(&sequence.to_le_bytes()))
            }
        }
    }
}

fn put_record(record: &Record<'_>, secrecy: &Secrecy, buffer: &mut Vec<u8>) -> bool {
    let kind = match record {
        Record::Gone { .. } => GONE,
        Record::Database { .. } => DATABASE,
        Record::Exchanged { .. } => EXCHANGED,
        Record::Invalidated { .. } => INVALIDATED,
        Record::Sealed { .. } => SEALED,
        Record::Governs { .. } => GOVERNS,
        Record::Retired { .. } => RETIRED,
        Record::Control { .. } => CONTROL,
        Record::ControlGone { .. } => CONTROL_GONE,
        Record::ColdDatabase { .. } => COLD_DATABASE,
        Record::Cursor { .. } => CURSOR,
        Record::Closed => CLOSED,
        Record::Opened => OPENED,
    };
    frame::put(buffer, kind, |out| put_body(record, kind, secrecy, out))
}

fn put_body(record: &Record<'_>, kind: u8, secrecy: &Secrecy, out: &mut Vec<u8>) {
    match *record {
        Record::Gone { hash } => out.extend_from_slice(&hash.to_le_bytes()),
        Record::Database { number, incarnation } => put_mapping(out, (number, incarnation)),
        Record::Exchanged { one, other } => {
            put_mapping(out, one);
            put_mapping(out, other);
        }
        Record::Invalidated { ordinal, incarnation, what } => {
            put_invalidation(out, kind, ordinal, incarnation, what, secrecy);
        }
        Record::Sealed { segment, bytes, entries, dead } => {
            out.extend_from_slice(&segment.to_le_bytes());
            out.extend_from_slice(&bytes.to_le_bytes());
            out.extend_from_slice(&entries.to_le_bytes());
            out.extend_from_slice(dead);
        }
        Record::Governs { segment, incarnation } => {
            out.extend_from_slice(&segment.to_le_bytes());
            out.extend_from_slice(&incarnation.to_le_bytes());
        }
        Record::Retired { segment } => out.extend_from_slice(&segment.to_le_bytes()),
        Record::Control { incarnation, hash, key, value, deadline } => {
            out.extend_from_slice(&incarnation.to_le_bytes());
            out.extend_from_slice(&hash.to_le_bytes());
            out.extend_from_slice(&deadline.map_or(NO_DEADLINE, |at| at.0).to_le_bytes());
            // The key's length, which `fits` has bounded.
            out.extend_from_slice(&(key.len() as u16).to_le_bytes());
            secrecy.put(kind, [key, value], out);
        }
        Record::ControlGone { incarnation, hash } => {
            out.extend_from_slice(&incarnation.to_le_bytes());
            out.extend_from_slice(&hash.to_le_bytes());
        }
        Record::ColdDatabase { incarnation } => out.extend_from_slice(&incarnation.to_le_bytes()),
        Record::Cursor { epoch, sequence } => {
            out.extend_from_slice(&epoch);
            out.extend_from_slice(&sequence.to_le_bytes());
        }
        Record::Closed | Record::Opened => {}
    }
}

fn put_mapping(out: &mut Vec<u8>, (number, incarnation): (u16, u32)) {
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&incarnation.to_le_bytes());
}

fn put_invalidation(
    out: &mut Vec<u8>,
    kind: u8,
    ordinal: u32,
    incarnation: Option<u32>,
    what: What<&[u8]>,
    secrecy: &Secrecy,
) {
    let (about, name) = match what {
        What::All => (0, None),
        What::Tag(name) => (1, Some(name)),
        What::Prefix(name) => (2, Some(name)),
    };
    out.extend_from_slice(&ordinal.to_le_bytes());
    out.push(about | if incarnation.is_some() { SCOPED } else { 0 });
    out.extend(incarnation.iter().flat_map(|incarnation| incarnation.to_le_bytes()));
    if let Some(name) = name {
        secrecy.put(kind, [name, b""], out);
    }
}

/// Reads a body from its front.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Undecodable::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, Undecodable> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Undecodable> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Undecodable> {
        self.take().map(u64::from_le_bytes)
    }

    fn mapping(&mut self) -> Result<(u16, u32), Undecodable> {
        Ok((self.u16()?, self.u32()?))
    }

    /// The entry, if nothing is left of the body.
    fn done(&self, entry: Entry<'a>) -> Result<Entry<'a>, Undecodable> {
        if self.0.is_empty() { Ok(entry) } else { Err(Undecodable::Malformed) }
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    #[allow(clippy::type_complexity, reason = "the three fields that two variants share")]
    fn invalidation(
        &mut self,
        kind: u8,
        secrecy: &Secrecy,
        plain: &'a mut Vec<u8>,
    ) -> Result<(u32, Option<u32>, What<&'a [u8]>), Undecodable> {
        let ordinal = self.u32()?;
        let [about] = self.take()?;
        let incarnation = if about & SCOPED == 0 { None } else { Some(self.u32()?) };
        let about = about & !SCOPED;
        if about == 0 {
            return Ok((ordinal, incarnation, What::All));
        }
        let name = secrecy.get(kind, self.rest(), plain).ok_or(Undecodable::Unopened)?;
        match about {
            1 => Ok((ordinal, incarnation, What::Tag(name))),
            2 => Ok((ordinal, incarnation, What::Prefix(name))),
            _ => Err(Undecodable::Malformed),
        }
    }
}

/// The entry of a frame; what was sealed is opened into `plain`.
pub(super) fn decode<'a>(
    kind: u8,
    body: &'a [u8],
    secrecy: &Secrecy,
    plain: &'a mut Vec<u8>,
) -> Result<Entry<'a>, Undecodable> {
    let mut body = Body(body);
    let record = match kind {
        GONE => Record::Gone { hash: body.u64()? },
        DATABASE => {
            let (number, incarnation) = body.mapping()?;
            Record::Database { number, incarnation }
        }
        EXCHANGED => Record::Exchanged { one: body.mapping()?, other: body.mapping()? },
        INVALIDATED => {
            let (ordinal, incarnation, what) = body.invalidation(kind, secrecy, plain)?;
            Record::Invalidated { ordinal, incarnation, what }
        }
        SEALED => Record::Sealed {
            segment: body.u64()?,
            bytes: body.u32()?,
            entries: body.u16()?,
            dead: body.rest(),
        },
        GOVERNS => Record::Governs { segment: body.u64()?, incarnation: body.u32()? },
        RETIRED => Record::Retired { segment: body.u64()? },
        CONTROL => {
            let (incarnation, hash, deadline) = (body.u32()?, body.u64()?, body.u64()?);
            let key_bytes = usize::from(body.u16()?);
            let both = secrecy.get(kind, body.rest(), plain).ok_or(Undecodable::Unopened)?;
            let (key, value) = both.split_at_checked(key_bytes).ok_or(Undecodable::Malformed)?;
            let deadline = (deadline != NO_DEADLINE).then_some(Millis(deadline));
            Record::Control { incarnation, hash, key, value, deadline }
        }
        CONTROL_GONE => Record::ControlGone { incarnation: body.u32()?, hash: body.u64()? },
        COLD_DATABASE => Record::ColdDatabase { incarnation: body.u32()? },
        CURSOR => Record::Cursor { epoch: body.take()?, sequence: body.u64()? },
        CLOSED => Record::Closed,
        OPENED => Record::Opened,
        NEXT_INCARNATION => {
            let next = body.u32()?;
            return body.done(Entry::NextIncarnation(next));
        }
        INVALIDATED_AT => {
            let sequence = body.u64()?;
            let (ordinal, incarnation, what) = body.invalidation(kind, secrecy, plain)?;
            let fits = Record::Invalidated { ordinal, incarnation, what }.fits();
            let entry = Entry::InvalidatedAt { sequence, ordinal, incarnation, what };
            return if fits { body.done(entry) } else { Err(Undecodable::Malformed) };
        }
        SNAPSHOT_END => {
            let sequence = body.u64()?;
            return body.done(Entry::SnapshotEnd { sequence });
        }
        _ => return Err(Undecodable::UnknownKind),
    };
    if record.fits() { body.done(Entry::Record(record)) } else { Err(Undecodable::Malformed) }
}
