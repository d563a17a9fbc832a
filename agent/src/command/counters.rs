//! Counters: integers in decimal, added to in place; and floating-point ones, in the arithmetic of C's `long double`.

use larder_cache::{Deadline, NewTags, NewValue};

use super::failure::{Failure, NOT_A_FLOAT, NOT_AN_INTEGER};
use super::outcome::{Call, Result};
use crate::resp::number::parse_i64;

mod extended;

use extended::Extended;

const WOULD_OVERFLOW: Failure = Failure::new("ERR increment or decrement would overflow");

fn add(call: &mut Call<'_, '_, '_>, by: i64) -> Result {
    let key = &call.keys[0];
    let old = match call.section.peek(key) {
        Some(view) => parse_i64(&view.value).ok_or(NOT_AN_INTEGER)?,
        None => 0,
    };
    let new = old.checked_add(by).ok_or(WOULD_OVERFLOW)?;
    let mut digits = itoa::Buffer::new();
    let new_value = NewValue::Copied(digits.format(new).as_bytes());
    call.section.set_tagged(key, new_value, Deadline::Keep, NewTags::Keep)?;
    call.reply.int(new);
    Ok(())
}

pub(super) fn incr(call: &mut Call<'_, '_, '_>) -> Result {
    add(call, 1)
}

pub(super) fn decr(call: &mut Call<'_, '_, '_>) -> Result {
    add(call, -1)
}

pub(super) fn incrby(call: &mut Call<'_, '_, '_>) -> Result {
    add(call, call.args.int(2)?)
}

pub(super) fn decrby(call: &mut Call<'_, '_, '_>) -> Result {
    let by = call.args.int(2)?;
    add(call, by.checked_neg().ok_or(Failure::new("ERR decrement would overflow"))?)
}

pub(super) fn incrbyfloat(call: &mut Call<'_, '_, '_>) -> Result {
    let key = &call.keys[0];
    let old = match call.section.peek(key) {
        Some(view) => Extended::parse(&view.value).ok_or(NOT_A_FLOAT)?,
        None => Extended::zero(),
    };
    let by = Extended::parse(call.args.at(2)).ok_or(NOT_A_FLOAT)?;
    let new = old.plus(&by).ok_or(Failure::new("ERR increment would produce NaN or Infinity"))?;
    let text = new.to_string();
    call.section.set_tagged(key, NewValue::Copied(text.as_bytes()), Deadline::Keep, NewTags::Keep)?;
    call.reply.bulk(text.as_bytes());
    Ok(())
}
