//! `RENAME`, `RENAMENX` and `COPY`.

use bytes::Bytes;
use larder_cache::{Deadline, Key, NewTags, NewValue, Tags};

use super::failure::{Failure, NO_SUCH_KEY, SYNTAX};
use super::outcome::{Call, Result};

/// All of an entry that goes along when it is copied or moved.
struct Whole {
    value: Bytes,
    deadline: Deadline,
    tags: Tags,
    governs: bool,
}

fn read_whole(call: &mut Call<'_, '_, '_>, key: &Key<'_>) -> Option<Whole> {
    call.section.peek(key).map(|view| Whole {
        value: view.value.to_bytes(),
        deadline: view.deadline.map_or(Deadline::None, Deadline::At),
        tags: view.tags(),
        governs: view.is_control(),
    })
}

fn store_whole(call: &mut Call<'_, '_, '_>, key: &Key<'_>, whole: Whole) -> Result {
    let Whole { value, deadline, tags, governs } = whole;
    call.section.governs(governs);
    call.section.set_tagged(key, NewValue::Shared(value), deadline, NewTags::These(&tags))?;
    Ok(())
}

pub(super) fn rename(call: &mut Call<'_, '_, '_>) -> Result {
    move_over(call)?;
    call.reply.ok();
    Ok(())
}

/// Moves the first key's value over the second key.
fn move_over(call: &mut Call<'_, '_, '_>) -> Result {
    let [from, to] = [&call.keys[0], &call.keys[1]];
    if from.is(to) {
        return if call.section.exists(from) { Ok(()) } else { Err(NO_SUCH_KEY) };
    }
    let whole = read_whole(call, from).ok_or(NO_SUCH_KEY)?;
    // Stored first and removed then: if there is no room for it, it is still where it was.
    store_whole(call, to, whole)?;
    call.section.remove(from);
    Ok(())
}

pub(super) fn renamenx(call: &mut Call<'_, '_, '_>) -> Result {
    if !call.section.exists(&call.keys[0]) {
        return Err(NO_SUCH_KEY);
    }
    let is_free = !call.section.exists(&call.keys[1]);
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
    if !call.section.prepare_presence(&to) {
        call.session.wanted = call.section.wanted();
        return Ok(());
    }
    let found = read_whole(call, &from);
    let Some(whole) = found.filter(|_| replace || !call.section.exists(&to)) else {
        call.reply.int(0);
        return Ok(());
    };
    store_whole(call, &to, whole)?;
    call.reply.int(1);
    Ok(())
}
