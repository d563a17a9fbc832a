//! `OBJECT`: how a value is kept, in the terms of Redis.

use super::failure::Failure;
use super::hello::lacks_subcommand;
use super::outcome::{Call, Result};
use crate::resp::number::parse_i64;

/// Longest string that Redis keeps in one piece with its header.
const EMBEDDED_MAX: usize = 44;

pub(super) fn container(call: &mut Call<'_, '_, '_>) -> Result {
    Err(lacks_subcommand(call))
}

pub(super) fn encoding(call: &mut Call<'_, '_, '_>) -> Result {
    match call.section.peek(&call.keys[0]) {
        None => call.reply.null(),
        Some(view) => {
            let name: &[u8] = match view.value.len() {
                1..=20 if parse_i64(&view.value).is_some() => b"int",
                0..=EMBEDDED_MAX => b"embstr",
                _ => b"raw",
            };
            call.reply.bulk(name);
        }
    }
    Ok(())
}

pub(super) fn refcount(call: &mut Call<'_, '_, '_>) -> Result {
    match call.section.peek(&call.keys[0]) {
        None => call.reply.null(),
        Some(_) => call.reply.int(1),
    }
    Ok(())
}

fn is_lfu(call: &Call<'_, '_, '_>) -> bool {
    call.node.settings.policy_name().ends_with("-lfu")
}

/// Reads are counted, not dated: an entry that was read lately says zero, another the age of its place in memory.
pub(super) fn idletime(call: &mut Call<'_, '_, '_>) -> Result {
    let (now, is_lfu) = (call.now().0, is_lfu(call));
    let seconds = match call.section.peek(&call.keys[0]) {
        None => {
            call.reply.null();
            return Ok(());
        }
        Some(_) if is_lfu => {
            return Err(Failure::new(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
                 policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(view) if view.reads() > 0 => 0,
        Some(view) => now.saturating_sub(view.placed_after.0) / 1000,
    };
    call.reply.int(seconds as i64);
    Ok(())
}

pub(super) fn freq(call: &mut Call<'_, '_, '_>) -> Result {
    let is_lfu = is_lfu(call);
    match call.section.peek(&call.keys[0]) {
        None => call.reply.null(),
        Some(_) if !is_lfu => {
            return Err(Failure::new(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(view) => call.reply.int(i64::from(view.reads())),
    }
    Ok(())
}

pub(super) fn help(call: &mut Call<'_, '_, '_>) -> Result {
    super::command_info::help_of(call, "object");
    Ok(())
}
