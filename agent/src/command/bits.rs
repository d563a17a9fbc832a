//! Strings as arrays of bits, the first byte's highest bit first.

use larder_cache::{Deadline, NewValue};

use super::failure::{Failure, SYNTAX};
use super::outcome::{Call, Result};
use super::ranges::{clamp_range, is_crossed};
use super::set::check_length;
use crate::resp::number::parse_i64;

const BAD_OFFSET: Failure = Failure::new("ERR bit offset is not an integer or out of range");
const BAD_BIT: Failure = Failure::new("ERR bit is not an integer or out of range");
/// Bits of the longest string that Redis can hold, 512 MiB.
const OFFSET_MAX: i64 = 512 << 23;

fn offset(text: &[u8]) -> std::result::Result<usize, Failure> {
    let offset = parse_i64(text).filter(|offset| (0..OFFSET_MAX).contains(offset)).ok_or(BAD_OFFSET)?;
    Ok(offset as usize)
}

pub(super) fn setbit(call: &mut Call<'_, '_, '_>) -> Result {
    let offset = offset(call.args.at(2))?;
    let bit = call.args.int(3).ok().filter(|bit| (0..=1).contains(bit)).ok_or(BAD_BIT)? as u8;
    let (byte, shift) = (offset / 8, 7 - offset % 8);
    check_length(call, byte + 1)?;
    let at = |value: &[u8]| value.get(byte).map(|byte| byte >> shift & 1);
    let (old, length) = match call.section.peek(&call.keys[0]) {
        Some(view) => (at(&view.value), view.value.len()),
        None => (None, 0),
    };
    // A bit that is as it should be is no change, which who watches the key would see.
    if old != Some(bit) {
        call.section.edit(&call.keys[0], length.max(byte + 1), |value| {
            if value.len() <= byte {
                value.resize(byte + 1, 0);
            }
            value[byte] = value[byte] & !(1 << shift) | bit << shift;
        })?;
    }
    let old = old.unwrap_or(0);
    call.reply.int(i64::from(old));
    Ok(())
}

pub(super) fn getbit(call: &mut Call<'_, '_, '_>) -> Result {
    let offset = offset(call.args.at(2))?;
    let view = call.section.get(&call.keys[0]);
    let byte = view.and_then(|view| view.value.get(offset / 8).copied()).unwrap_or(0);
    call.reply.int(i64::from(byte >> (7 - offset % 8) & 1));
    Ok(())
}

/// A range in whole bytes, or in bits.
struct Range {
    bytes: std::ops::Range<usize>,
    /// Bits of the first byte that do not count, from the high end.
    skip_first: u32,
    /// Bits of the last byte that do not count, from the low end.
    skip_last: u32,
}

fn range(start: i64, end: i64, length: usize, in_bits: bool) -> Range {
    if !in_bits {
        return Range { bytes: clamp_range(start, end, length), skip_first: 0, skip_last: 0 };
    }
    let bits = clamp_range(start, end, length * 8);
    if bits.is_empty() {
        return Range { bytes: 0..0, skip_first: 0, skip_last: 0 };
    }
    let last = bits.end - 1;
    Range {
        bytes: bits.start / 8..last / 8 + 1,
        skip_first: (bits.start % 8) as u32,
        skip_last: (7 - last % 8) as u32,
    }
}

impl Range {
    /// The byte at a place of the range, with what does not count replaced by `filler` bits.
    fn byte(&self, value: &[u8], place: usize, filler: u8) -> u8 {
        let mut ignored = 0u8;
        if place == self.bytes.start {
            ignored |= !(0xFFu32 >> self.skip_first) as u8;
        }
        if place + 1 == self.bytes.end {
            ignored |= ((1u32 << self.skip_last) - 1) as u8;
        }
        value[place] & !ignored | filler & ignored
    }
}

/// Where to look, as start, end and unit from a place on say; each may be missing.
#[derive(Clone, Copy)]
struct Bounds {
    start: i64,
    /// `None` for up to the last byte.
    end: Option<i64>,
    in_bits: bool,
}

impl Bounds {
    /// In the order of Valkey: the unit is looked at before the end.
    fn read(call: &Call<'_, '_, '_>, place: usize) -> std::result::Result<Self, Failure> {
        if call.args.len() > place + 3 {
            return Err(SYNTAX);
        }
        let start = if call.args.get(place).is_some() { call.args.int(place)? } else { 0 };
        let in_bits = match call.args.get(place + 2) {
            None => false,
            Some(_) if call.args.is(place + 2, "BIT") => true,
            Some(_) if call.args.is(place + 2, "BYTE") => false,
            Some(_) => return Err(SYNTAX),
        };
        let end = if call.args.get(place + 1).is_some() { Some(call.args.int(place + 1)?) } else { None };
        Ok(Self { start, end, in_bits })
    }

    fn of(self, value: &[u8]) -> Range {
        range(self.start, self.end.unwrap_or(-1), value.len(), self.in_bits)
    }
}

pub(super) fn bitcount(call: &mut Call<'_, '_, '_>) -> Result {
    let bounds = Bounds::read(call, 2)?;
    let view = call.section.get(&call.keys[0]);
    // BITPOS has no such rule.
    let view = view.filter(|_| !bounds.end.is_some_and(|end| is_crossed(bounds.start, end)));
    let count = view.map_or(0, |view| {
        let value = &*view.value;
        let range = bounds.of(value);
        range.bytes.clone().map(|place| i64::from(range.byte(value, place, 0).count_ones())).sum()
    });
    call.reply.int(count);
    Ok(())
}

pub(super) fn bitpos(call: &mut Call<'_, '_, '_>) -> Result {
    let bit = call.args.int(2)?;
    if !(0..=1).contains(&bit) {
        return Err(Failure::new("ERR The bit argument must be 1 or 0."));
    }
    let bounds = Bounds::read(call, 3)?;
    let found = match call.section.get(&call.keys[0]) {
        None => {
            if bit == 1 {
                -1
            } else {
                0
            }
        }
        Some(view) => {
            let value = &*view.value;
            let range = bounds.of(value);
            let wanted = bit as u8;
            // What does not count must not look like a find.
            let filler = if wanted == 1 { 0x00 } else { 0xFF };
            let found = range.bytes.clone().find_map(|place| {
                let byte = range.byte(value, place, filler);
                let byte = if wanted == 1 { byte } else { !byte };
                (byte != 0).then(|| (place * 8) as i64 + i64::from(byte.leading_zeros()))
            });
            match found {
                Some(place) => place,
                // A string without end given counts as followed by zeros.
                None if bit == 0 && bounds.end.is_none() && !range.bytes.is_empty() => {
                    (value.len() * 8) as i64
                }
                None => -1,
            }
        }
    };
    call.reply.int(found);
    Ok(())
}

pub(super) fn bitop(call: &mut Call<'_, '_, '_>) -> Result {
    let operation: fn(u8, u8) -> u8 = match () {
        () if call.args.is(1, "AND") => |a, b| a & b,
        () if call.args.is(1, "OR") => |a, b| a | b,
        () if call.args.is(1, "XOR") => |a, b| a ^ b,
        () if call.args.is(1, "NOT") => |a, _| !a,
        () => return Err(SYNTAX),
    };
    let is_not = call.args.is(1, "NOT");
    let [to, sources @ ..] = call.keys else { return Err(SYNTAX) };
    if is_not && sources.len() != 1 {
        return Err(Failure::new("ERR BITOP NOT must be called with a single source key."));
    }
    let longest = sources
        .iter()
        .filter_map(|key| call.section.peek(key).map(|view| view.value.len()))
        .max()
        .unwrap_or(0);
    check_length(call, longest)?;
    call.section.reserve(longest)?;
    let mut result: Option<Vec<u8>> = None;
    for key in sources {
        let view = call.section.get(key);
        let value: &[u8] = view.as_ref().map_or(&[], |view| &view.value);
        match &mut result {
            None => {
                let mut first = value.to_vec();
                first.resize(longest, 0);
                if is_not {
                    first.iter_mut().for_each(|byte| *byte = operation(*byte, 0));
                }
                result = Some(first);
            }
            Some(result) => {
                for (place, byte) in result.iter_mut().enumerate() {
                    *byte = operation(*byte, value.get(place).copied().unwrap_or(0));
                }
            }
        }
    }
    let result = result.unwrap_or_default();
    if result.is_empty() {
        call.section.remove(to);
    } else {
        call.section.set(to, NewValue::Shared(result.into()), Deadline::None)?;
    }
    call.reply.int(longest as i64);
    Ok(())
}
