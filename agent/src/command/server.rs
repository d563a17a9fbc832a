//! Small questions about the server: `TIME`, `ROLE`, `LASTSAVE`, `WAIT`, `MODULE`.

use super::failure::Failure;
use super::hello::lacks_subcommand;
use super::outcome::{Call, Result};
use crate::resp::number::parse_i64;

pub(super) fn time(call: &mut Call<'_, '_, '_>) -> Result {
    let micros = larder_cache::clock::wall_nanos() / 1000;
    let mut digits = itoa::Buffer::new();
    call.reply.array(2);
    call.reply.bulk(digits.format(micros / 1_000_000).as_bytes());
    call.reply.bulk(digits.format(micros % 1_000_000).as_bytes());
    Ok(())
}

pub(super) fn role(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.array(3);
    call.reply.bulk(b"master");
    call.reply.int(0);
    call.reply.array(0);
    Ok(())
}

pub(super) fn lastsave(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.int(call.node.started_unix_s);
    Ok(())
}

pub(super) fn wait(call: &mut Call<'_, '_, '_>) -> Result {
    call.args.int(1)?;
    let timeout =
        parse_i64(call.args.at(2)).ok_or(Failure::new("ERR timeout is not an integer or out of range"))?;
    if timeout < 0 {
        return Err(Failure::new("ERR timeout is negative"));
    }
    call.reply.int(0);
    Ok(())
}

pub(super) fn module(call: &mut Call<'_, '_, '_>) -> Result {
    Err(lacks_subcommand(call))
}

pub(super) fn module_list(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.array(0);
    Ok(())
}

pub(super) fn module_help(call: &mut Call<'_, '_, '_>) -> Result {
    super::command_info::help_of(call, "module");
    Ok(())
}
