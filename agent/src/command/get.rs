//! `GET`, `MGET`, and the two that read and change the TTL or the key at once: `GETEX`, `GETDEL`.

use super::expire::Unit;
use super::failure::SYNTAX;
use super::outcome::{Call, Result};

#[inline]
pub(super) fn get(call: &mut Call<'_, '_, '_>) -> Result {
    match call.section.get(&call.keys[0]) {
        Some(view) => call.reply.value(view.value),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) fn mget(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.array(call.keys.len());
    for key in call.keys {
        match call.section.get(key) {
            Some(view) => call.reply.value(view.value),
            None => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn getdel(call: &mut Call<'_, '_, '_>) -> Result {
    get(call)?;
    call.section.remove(&call.keys[0]);
    Ok(())
}

/// What GETEX does to the TTL.
enum Change {
    Nothing,
    Persist,
    Expire(usize, Unit),
}

pub(super) fn getex(call: &mut Call<'_, '_, '_>) -> Result {
    let mut change = Change::Nothing;
    let mut place = 2;
    while let Some(option) = call.args.get(place) {
        let is_first = matches!(change, Change::Nothing);
        if is_first && call.args.is(place, "PERSIST") {
            change = Change::Persist;
        } else if let (true, Some(unit), Some(_)) =
            (is_first, Unit::of_option(option), call.args.get(place + 1))
        {
            change = Change::Expire(place + 1, unit);
            place += 1;
        } else {
            return Err(SYNTAX);
        }
        place += 1;
    }
    let deadline = match change {
        Change::Expire(place, unit) => Some(call.deadline_to_store(call.args.at(place), unit, "getex")?),
        _ => None,
    };
    let key = &call.keys[0];
    let Some(view) = call.section.get(key) else {
        call.reply.null();
        return Ok(());
    };
    call.reply.value(view.value);
    let expires = view.deadline.is_some();
    match deadline {
        Some(deadline) if deadline <= call.section.now() => {
            call.section.remove(key);
        }
        Some(deadline) => {
            call.section.set_deadline(key, Some(deadline));
        }
        None if matches!(change, Change::Persist) && expires => {
            call.section.set_deadline(key, None);
        }
        None => {}
    }
    Ok(())
}
