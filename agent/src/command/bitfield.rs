//! `BITFIELD`: integers of 1 to 64 bits at any bit of a string.

use super::failure::{Failure, SYNTAX};
use super::outcome::{Call, Result};
use super::set::check_length;
use crate::resp::number::parse_i64;

/// The type of an integer in the string.
#[derive(Clone, Copy, Debug)]
struct Width {
    signed: bool,
    bits: u32,
}

#[derive(Clone, Copy, Debug)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Set(i64),
    IncrBy(i64),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    width: Width,
    offset: usize,
    action: Action,
    overflow: Overflow,
}

/// Bits of the longest string that Redis can hold.
const OFFSET_MAX: i64 = 512 << 23;

fn width(text: &[u8]) -> std::result::Result<Width, Failure> {
    const INVALID: Failure = Failure::new(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    );
    let (signed, digits) = match text {
        [b'i', digits @ ..] => (true, digits),
        [b'u', digits @ ..] => (false, digits),
        _ => return Err(INVALID),
    };
    let bits =
        parse_i64(digits).filter(|bits| (1..=if signed { 64 } else { 63 }).contains(bits)).ok_or(INVALID)?;
    Ok(Width { signed, bits: bits as u32 })
}

fn offset(text: &[u8], bits: u32) -> std::result::Result<usize, Failure> {
    const INVALID: Failure = Failure::new("ERR bit offset is not an integer or out of range");
    let (digits, factor) = match text {
        [b'#', digits @ ..] => (digits, i64::from(bits)),
        digits => (digits, 1),
    };
    let offset = parse_i64(digits).and_then(|number| number.checked_mul(factor)).ok_or(INVALID)?;
    if offset < 0 || offset.saturating_add(i64::from(bits)) > OFFSET_MAX {
        return Err(INVALID);
    }
    Ok(offset as usize)
}

fn read_steps(call: &Call<'_, '_, '_>, read_only: bool) -> std::result::Result<Vec<Step>, Failure> {
    let args = call.args;
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut place = 2;
    while args.get(place).is_some() {
        if args.is(place, "OVERFLOW") && args.get(place + 1).is_some() {
            overflow = match () {
                () if args.is(place + 1, "WRAP") => Overflow::Wrap,
                () if args.is(place + 1, "SAT") => Overflow::Saturate,
                () if args.is(place + 1, "FAIL") => Overflow::Fail,
                () => return Err(Failure::new("ERR Invalid OVERFLOW type specified")),
            };
            place += 2;
            continue;
        }
        let is_get = args.is(place, "GET") && args.get(place + 2).is_some();
        let is_set = args.is(place, "SET") && args.get(place + 3).is_some();
        let is_incr = args.is(place, "INCRBY") && args.get(place + 3).is_some();
        if !(is_get || is_set || is_incr) {
            return Err(SYNTAX);
        }
        let width = width(args.at(place + 1))?;
        let offset = offset(args.at(place + 2), width.bits)?;
        let action = if is_get {
            Action::Get
        } else {
            let number = args.int(place + 3)?;
            if is_set { Action::Set(number) } else { Action::IncrBy(number) }
        };
        if read_only && !is_get {
            return Err(Failure::new("ERR BITFIELD_RO only supports the GET subcommand"));
        }
        steps.push(Step { width, offset, action, overflow });
        place += if is_get { 3 } else { 4 };
    }
    Ok(steps)
}

/// The integer at a bit offset; what lies behind the end counts as zeros.
fn load(value: &[u8], step: Step) -> i64 {
    let mut raw: u64 = 0;
    for bit in step.offset..step.offset + step.width.bits as usize {
        let byte = value.get(bit / 8).copied().unwrap_or(0);
        raw = raw << 1 | u64::from(byte >> (7 - bit % 8) & 1);
    }
    extend(raw, step.width)
}

/// The low bits of a number as an integer of this width.
fn extend(raw: u64, width: Width) -> i64 {
    let unused = 64 - width.bits;
    if width.signed { ((raw << unused) as i64) >> unused } else { ((raw << unused) >> unused) as i64 }
}

fn save(value: &mut [u8], step: Step, number: i64) {
    for place in 0..step.width.bits as usize {
        let bit = step.offset + step.width.bits as usize - 1 - place;
        let (byte, shift) = (bit / 8, 7 - bit % 8);
        let set = (number as u64 >> place & 1) as u8;
        value[byte] = value[byte] & !(1 << shift) | set << shift;
    }
}

/// A sum brought into the width; `None` if it does not fit and may not be bent.
fn fit(number: i128, step: Step) -> Option<i64> {
    let (low, high) = if step.width.signed {
        (-(1i128 << (step.width.bits - 1)), (1i128 << (step.width.bits - 1)) - 1)
    } else {
        (0, (1i128 << step.width.bits) - 1)
    };
    if (low..=high).contains(&number) {
        return Some(number as i64);
    }
    match step.overflow {
        Overflow::Wrap => Some(extend(number as u64, step.width)),
        // As in Redis, which looks for how far a value is under the highest one first, and wraps around in doing so.
        Overflow::Saturate
            if step.width.signed
                && matches!(step.action, Action::Set(_))
                && high - number > i128::from(i64::MAX) =>
        {
            Some(high as i64)
        }
        Overflow::Saturate => Some(number.clamp(low, high) as i64),
        Overflow::Fail => None,
    }
}

pub(super) fn bitfield(call: &mut Call<'_, '_, '_>) -> Result {
    let steps = read_steps(call, false)?;
    let writes = steps.iter().filter(|step| !matches!(step.action, Action::Get));
    let end = writes.map(|step| (step.offset + step.width.bits as usize).div_ceil(8)).max();
    let Some(end) = end else { return answer(call, &steps) };
    check_length(call, end)?;
    let mut results = Vec::with_capacity(steps.len());
    let length = call.section.peek(&call.keys[0]).map_or(0, |view| view.value.len()).max(end);
    // As in Redis: the string is as long as the steps need even if all of them fail, but that alone is no change that who
    // watches the key would see.
    call.section.edit_quietly(&call.keys[0], length, |value| {
        let grows = value.len() < end;
        if grows {
            value.resize(end, 0);
        }
        let mut has_changed = false;
        for &step in &steps {
            let old = load(value, step);
            let (new, result) = match step.action {
                Action::Get => (None, Some(old)),
                Action::Set(number) => {
                    let wanted =
                        if step.width.signed { i128::from(number) } else { i128::from(number as u64) };
                    let new = fit(wanted, step);
                    (new, new.map(|_| old))
                }
                Action::IncrBy(by) => {
                    let new = fit(i128::from(old) + i128::from(by), step);
                    (new, new)
                }
            };
            if let Some(new) = new {
                save(value, step, new);
                has_changed |= grows || new != old;
            }
            results.push(result);
        }
        has_changed
    })?;
    call.reply.array(results.len());
    for result in results {
        match result {
            Some(number) => call.reply.int(number),
            None => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn bitfield_ro(call: &mut Call<'_, '_, '_>) -> Result {
    let steps = read_steps(call, true)?;
    answer(call, &steps)
}

/// Replies to steps that only read.
fn answer(call: &mut Call<'_, '_, '_>, steps: &[Step]) -> Result {
    let view = call.section.get(&call.keys[0]);
    let value: &[u8] = view.as_ref().map_or(&[], |view| &view.value);
    call.reply.array(steps.len());
    for &step in steps {
        call.reply.int(load(value, step));
    }
    Ok(())
}
