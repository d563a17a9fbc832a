//! Parts of strings: `APPEND`, `STRLEN`, `GETRANGE`, `SETRANGE`; and how much a write may make a value grow.

use super::arguments::Args;
use super::failure::Failure;
use super::outcome::{Call, Result};
use super::set::check_length;
use super::table::Command;
use crate::resp::number::parse_i64;

/// Bytes of an entry beside its key and value, rounded up: its record's header and its share of the index.
pub(super) const ENTRY_OVERHEAD: usize = 64;

/// Bytes that arguments take as keys and values.
#[must_use]
pub(super) fn size_of(args: Args<'_>) -> usize {
    args.bytes() + args.len() * ENTRY_OVERHEAD
}

/// About how many bytes a write adds at most, to make room for before it runs. What depends on values that are already
/// there is made room for when it is known, inside the section.
#[must_use]
pub(super) fn growth(command: &Command, args: Args<'_>) -> usize {
    let offset = match command.name {
        "setrange" => args.get(2).and_then(parse_i64).unwrap_or(0),
        "setbit" => args.get(2).and_then(parse_i64).unwrap_or(0) / 8,
        _ => 0,
    };
    size_of(args).saturating_add(usize::try_from(offset).unwrap_or(0))
}

pub(super) fn append(call: &mut Call<'_, '_, '_>) -> Result {
    let key = &call.keys[0];
    let addition = call.args.at(2);
    let length = call.section.peek(key).map_or(0, |view| view.value.len()) + addition.len();
    check_length(call, length)?;
    // Even of nothing: whoever watches the key sees that as a change, as in Redis.
    call.section.edit(key, length, |value| value.extend_from_slice(addition))?;
    call.reply.int(length as i64);
    Ok(())
}

pub(super) fn strlen(call: &mut Call<'_, '_, '_>) -> Result {
    let length = call.section.get(&call.keys[0]).map_or(0, |view| view.value.len());
    call.reply.int(length as i64);
    Ok(())
}

/// Whether both ends count from the end of the string and lie the wrong way round. Most commands take that for nothing,
/// however short the string is.
pub(super) fn is_crossed(start: i64, end: i64) -> bool {
    start < 0 && end < 0 && start > end
}

/// The bytes from `start` to `end`, both included, where negative ones count from the end.
pub(super) fn clamp_range(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    let length = length as i64;
    if length == 0 {
        return 0..0;
    }
    let start = if start < 0 { (start.saturating_add(length)).max(0) } else { start };
    let end = if end < 0 { (end.saturating_add(length)).max(0) } else { end.min(length - 1) };
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

pub(super) fn getrange(call: &mut Call<'_, '_, '_>) -> Result {
    let (start, end) = (call.args.int(2)?, call.args.int(3)?);
    match call.section.get(&call.keys[0]) {
        Some(view) if !is_crossed(start, end) => {
            call.reply.part(view.value, clamp_range(start, end, view.value.len()));
        }
        _ => call.reply.bulk(b""),
    }
    Ok(())
}

pub(super) fn setrange(call: &mut Call<'_, '_, '_>) -> Result {
    let offset = call.args.int(2)?;
    let part = call.args.at(3);
    if offset < 0 {
        return Err(Failure::new("ERR offset is out of range"));
    }
    let key = &call.keys[0];
    let old = call.section.peek(key).map_or(0, |view| view.value.len());
    if part.is_empty() {
        call.reply.int(old as i64);
        return Ok(());
    }
    let end = (offset as usize).checked_add(part.len()).ok_or(super::failure::TOO_LONG)?;
    check_length(call, end)?;
    call.section.edit(key, old.max(end), |value| {
        if value.len() < end {
            value.resize(end, 0);
        }
        value[offset as usize..end].copy_from_slice(part);
    })?;
    call.reply.int(old.max(end) as i64);
    Ok(())
}
