//! Asking for times to live: -2 for no key, -1 for a key without one.

use larder_cache::clock::Millis;

use super::outcome::{Call, Result};

fn answer(call: &mut Call<'_, '_, '_>, number: impl Fn(&Call<'_, '_, '_>, Millis) -> i64) -> Result {
    let deadline = call.section.peek(&call.keys[0]).map(|view| view.deadline);
    let number = match deadline {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => number(call, deadline),
    };
    call.reply.int(number);
    Ok(())
}

fn left_ms(call: &Call<'_, '_, '_>, deadline: Millis) -> i64 {
    deadline.0.saturating_sub(call.now().0) as i64
}

pub(super) fn ttl(call: &mut Call<'_, '_, '_>) -> Result {
    answer(call, |call, deadline| (left_ms(call, deadline) + 500) / 1000)
}

pub(super) fn pttl(call: &mut Call<'_, '_, '_>) -> Result {
    answer(call, left_ms)
}

pub(super) fn expiretime(call: &mut Call<'_, '_, '_>) -> Result {
    answer(call, |call, deadline| (call.node.wall.unix_ms(deadline) + 500) / 1000)
}

pub(super) fn pexpiretime(call: &mut Call<'_, '_, '_>) -> Result {
    answer(call, |call, deadline| call.node.wall.unix_ms(deadline))
}
