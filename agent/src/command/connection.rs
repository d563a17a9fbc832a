//! Commands about the connection itself: `PING`, `ECHO`, `SELECT`, `QUIT`, `RESET`.

use std::sync::atomic::Ordering::Relaxed;

use larder_cache::Database;

use super::failure::{Failure, NO_SUCH_DATABASE, wrong_arity};
use super::outcome::{Call, Result};
use crate::resp::Protocol;
use crate::server::session::Replies;

const NOT_AN_I32: Failure =
    Failure::new("ERR value is out of range, value must between -2147483648 and 2147483647");

pub(super) fn ping(call: &mut Call<'_, '_, '_>) -> Result {
    match call.args.len() {
        1 => call.reply.simple("PONG"),
        2 => call.reply.bulk(call.args.at(1)),
        _ => return Err(wrong_arity("ping")),
    }
    Ok(())
}

pub(super) fn echo(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.bulk(call.args.at(1));
    Ok(())
}

/// The database that the argument at a place names.
pub(super) fn database(call: &Call<'_, '_, '_>, place: usize) -> std::result::Result<Database, Failure> {
    let number = i32::try_from(call.args.int(place)?).map_err(|_| NOT_AN_I32)?;
    Database::try_from(number)
        .ok()
        .filter(|&number| number < call.node.cache.databases())
        .ok_or(NO_SUCH_DATABASE)
}

pub(super) fn select(call: &mut Call<'_, '_, '_>) -> Result {
    let database = database(call, 1)?;
    call.session.database = database;
    call.session.client.database.store(database, Relaxed);
    call.reply.ok();
    Ok(())
}

pub(super) fn quit(call: &mut Call<'_, '_, '_>) -> Result {
    call.session.closing = true;
    call.reply.ok();
    Ok(())
}

pub(super) fn reset(call: &mut Call<'_, '_, '_>) -> Result {
    super::transaction::abandon(call.node, call.session);
    let session = &mut *call.session;
    session.database = 0;
    session.protocol = Protocol::Two;
    session.owes_password = call.node.settings.owes_password(session.client.uid);
    session.no_touch = false;
    session.replies = Replies::On;
    session.client.database.store(0, Relaxed);
    session.client.protocol.store(2, Relaxed);
    session.client.no_evict.store(false, Relaxed);
    session.client.no_touch.store(false, Relaxed);
    session.client.names.lock().name = Box::default();
    call.reply.simple("RESET");
    Ok(())
}
