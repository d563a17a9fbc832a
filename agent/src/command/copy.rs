//! `RENAME`, `RENAMENX` and `COPY`.

use larder_cache::{Deadline, NewTags, NewValue};

use super::failure::{Failure, NO_SUCH_KEY, SYNTAX};
use super::outcome::{Call, Result};

pub(super) fn rename(call: &mut Call<'_, '_, '_>) -> Result {
    move_over(call)?;
    call.reply.ok();
    Ok(())
}

/// Moves the first key's value over the second key.
fn move_over(call: &mut Call<'_, '_, '_>) -> Result {
    let [from, to] = [&call.keys[0], &call.keys[1]];
    if from.is(to) {
        return if call.section.peek(from).is_some() { Ok(()) } else { Err(NO_SUCH_KEY) };
    }
    let found = call.section.peek(from).map(|view| (view.value.to_bytes(), view.deadline, view.tags()));
    let (value, deadline, tags) = found.ok_or(NO_SUCH_KEY)?;
    let deadline = deadline.map_or(Deadline::None, Deadline::At);
    // Stored first and removed then: if there is no room for it, it is still where it was.
    call.section.set_tagged(to, NewValue::Shared(value), deadline, NewTags::These(&tags))?;
    call.section.remove(from);
    Ok(())
}

pub(super) fn renamenx(call: &mut Call<'_, '_, '_>) -> Result {
    if call.section.peek(&call.keys[0]).is_none() {
        return Err(NO_SUCH_KEY);
    }
    let is_free = call.section.peek(&call.keys[1]).is_none();
    if is_free {
        move_over(call)?;
    }
    call.reply.flag(is_free);
    Ok(())
}

pub(super) fn copy(call: &mut Call<'_, '_, '_>) -> Result {
    let mut database = call.session.database;
    let mut replace = false;
    let mut place = 3;
    while call.args.get(place).is_some() {
        if call.args.is(place, "REPLACE") {
            replace = true;
        } else if call.args.is(place, "DB") && call.args.get(place + 1).is_some() {
            place += 1;
            database = super::connection::database(call, place)?;
        } else {
            return Err(SYNTAX);
        }
        place += 1;
    }
    let from = call.keys[0];
    let to = call.section.key(database, call.args.at(2));
    if from.is(&to) {
        return Err(Failure::new("ERR source and destination objects are the same"));
    }
    let found = call.section.peek(&from).map(|view| (view.value.to_bytes(), view.deadline, view.tags()));
    let Some((value, deadline, tags)) = found.filter(|_| replace || call.section.peek(&to).is_none()) else {
        call.reply.int(0);
        return Ok(());
    };
    let deadline = deadline.map_or(Deadline::None, Deadline::At);
    call.section.set_tagged(&to, NewValue::Shared(value), deadline, NewTags::These(&tags))?;
    call.reply.int(1);
    Ok(())
}
