//! `DEBUG SLEEP`, `DEBUG DEMOTE` and `SHUTDOWN`, offered only where `--debug-commands` says so.

use super::failure::{Failure, SYNTAX};
use super::hello::lacks_subcommand;
use super::outcome::{Call, Result};
use crate::server::session::Wait;

/// The longest sleep: a day.
const SLEEP_MAX_S: f64 = 86_400.0;

pub(super) fn container(call: &mut Call<'_, '_, '_>) -> Result {
    Err(lacks_subcommand(call))
}

/// Keeps this connection waiting; the others go on, unlike in Redis.
pub(super) fn sleep(call: &mut Call<'_, '_, '_>) -> Result {
    let seconds = crate::resp::number::parse_f64(call.args.at(2))
        .filter(|seconds| (0.0..=SLEEP_MAX_S).contains(seconds))
        .ok_or(Failure::new("ERR DEBUG SLEEP takes seconds from 0 to 86400"))?;
    if call.in_transaction {
        return Err(Failure::new("ERR DEBUG SLEEP does not wait inside a transaction"));
    }
    call.session.wait = Some(Wait::Sleep((seconds * 1000.0) as u64));
    Ok(())
}

/// Moves memory to disk, so that a test can see what commands find there.
pub(super) fn demote(call: &mut Call<'_, '_, '_>) -> Result {
    if call.in_transaction {
        return Err(Failure::new("ERR Command not allowed inside a transaction"));
    }
    call.reply.flag(call.node.cache.demote());
    Ok(())
}

pub(super) fn shutdown(call: &mut Call<'_, '_, '_>) -> Result {
    let known = |option: &[u8]| {
        ["NOSAVE", "SAVE", "NOW", "FORCE"].iter().any(|word| option.eq_ignore_ascii_case(word.as_bytes()))
    };
    if !call.args.from(1).all(known) {
        return Err(SYNTAX);
    }
    if call.in_transaction {
        return Err(Failure::new("ERR Command not allowed inside a transaction"));
    }
    call.session.closing = true;
    call.node.stop.notify_one();
    Ok(())
}
