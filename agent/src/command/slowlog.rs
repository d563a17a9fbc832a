//! `SLOWLOG`: the latest slow commands.

use std::sync::atomic::Ordering::Relaxed;

use super::arguments::Args;
use super::failure::{Failure, subcommand_syntax};
use super::hello::lacks_subcommand;
use super::outcome::{Call, Result};
use super::table::Command;
use crate::resp::number::parse_i64;
use crate::server::node::Node;
use crate::server::session::Session;
use crate::server::slowlog::{Slow, redact};

/// How many entries GET returns unless told.
const ENTRIES: i64 = 10;

/// Notes a slow command. Only its name and keys are told; AUTH and HELLO are left out altogether.
pub(super) fn note(node: &Node, session: &Session, command: &Command, args: Args<'_>, micros: u64) {
    if matches!(command.name, "auth" | "hello") {
        return;
    }
    let keys: Vec<usize> = command.keys.places(args.len()).collect();
    let first_argument = command.name.split('|').count();
    let is_told = |place: usize| place < first_argument || keys.contains(&place);
    node.slowlog.add(
        Slow {
            id: 0,
            unix_s: (larder_cache::clock::wall_nanos() / 1_000_000_000) as i64,
            micros,
            arguments: redact(args.from(0), is_told),
            address: session.client.address.clone(),
            name: session.client.names.lock().name.to_string(),
        },
        node.settings.slowlog_max_len.load(Relaxed) as usize,
    );
}

pub(super) fn container(call: &mut Call<'_, '_, '_>) -> Result {
    Err(lacks_subcommand(call))
}

pub(super) fn get(call: &mut Call<'_, '_, '_>) -> Result {
    let count = match call.args.len() {
        2 => ENTRIES,
        3 => parse_i64(call.args.at(2))
            .filter(|count| *count >= -1)
            .ok_or(Failure::new("ERR count should be greater than or equal to -1"))?,
        _ => return Err(subcommand_syntax("SLOWLOG", call.args.at(1))),
    };
    let entries = call.node.slowlog.latest(if count < 0 { usize::MAX } else { count as usize });
    call.reply.array(entries.len());
    for slow in entries {
        call.reply.array(6);
        call.reply.int(slow.id as i64);
        call.reply.int(slow.unix_s);
        call.reply.int(slow.micros as i64);
        call.reply.array(slow.arguments.len());
        slow.arguments.iter().for_each(|argument| call.reply.bulk(argument));
        call.reply.bulk(slow.address.as_bytes());
        call.reply.bulk(slow.name.as_bytes());
    }
    Ok(())
}

pub(super) fn len(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.int(call.node.slowlog.len() as i64);
    Ok(())
}

pub(super) fn reset(call: &mut Call<'_, '_, '_>) -> Result {
    call.node.slowlog.clear();
    call.reply.ok();
    Ok(())
}

pub(super) fn help(call: &mut Call<'_, '_, '_>) -> Result {
    super::command_info::help_of(call, "slowlog");
    Ok(())
}
