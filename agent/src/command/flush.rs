//! `FLUSHDB`, `FLUSHALL`, `SWAPDB`: at once for every client, whatever was held; memory is freed in the background.

use super::failure::{Failure, NO_SUCH_DATABASE, SYNTAX};
use super::outcome::{Call, Result};
use crate::resp::number::parse_i64;

/// ASYNC and SYNC are the same here.
fn check_mode(call: &Call<'_, '_, '_>) -> Result {
    match call.args.len() {
        1 => Ok(()),
        2 if call.args.is(1, "ASYNC") || call.args.is(1, "SYNC") => Ok(()),
        _ => Err(SYNTAX),
    }
}

pub(super) fn flushdb(call: &mut Call<'_, '_, '_>) -> Result {
    check_mode(call)?;
    call.section.flush(call.session.database);
    call.node.reclaim.notify_one();
    call.reply.ok();
    Ok(())
}

pub(super) fn flushall(call: &mut Call<'_, '_, '_>) -> Result {
    check_mode(call)?;
    (0..call.node.cache.databases()).for_each(|database| call.section.flush(database));
    call.node.reclaim.notify_one();
    call.reply.ok();
    Ok(())
}

pub(super) fn swapdb(call: &mut Call<'_, '_, '_>) -> Result {
    let number = |place: usize, ordinal: &str| {
        parse_i64(call.args.at(place))
            .and_then(|number| i32::try_from(number).ok())
            .ok_or_else(|| Failure::with(format!("ERR invalid {ordinal} DB index")))
    };
    let (one, other) = (number(1, "first")?, number(2, "second")?);
    let checked = |number: i32| {
        u16::try_from(number).ok().filter(|&n| n < call.node.cache.databases()).ok_or(NO_SUCH_DATABASE)
    };
    let (one, other) = (checked(one)?, checked(other)?);
    call.section.swap(one, other);
    call.reply.ok();
    Ok(())
}
