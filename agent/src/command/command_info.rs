//! `COMMAND`: the table of commands, told over the wire.

use super::failure::{Failure, PATTERN_TOO_LONG};
use super::glob;
use super::outcome::{Call, Result};
use super::table::{COMMANDS, Command, find};

/// A command or, by `container|name`, a subcommand.
fn find_any(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|&byte| byte == b'|') {
        Some(bar) => find(&name[..bar])?.subcommand(&name[bar + 1..]),
        None => find(name),
    }
}

fn describe(call: &mut Call<'_, '_, '_>, command: &Command) {
    call.reply.array(10);
    call.reply.bulk(command.name.as_bytes());
    call.reply.int(i64::from(command.arity));
    let flags = command.flags.names();
    call.reply.set(flags.len());
    flags.iter().for_each(|flag| call.reply.simple(flag));
    call.reply.int(i64::from(command.keys.first));
    call.reply.int(i64::from(command.keys.last));
    call.reply.int(i64::from(command.keys.step));
    // No categories, tips or key specifications beyond first, last and step.
    call.reply.set(0);
    call.reply.array(0);
    call.reply.array(0);
    call.reply.array(command.subcommands.len());
    command.subcommands.iter().for_each(|sub| describe(call, sub));
}

/// Commands that are offered here: those for debugging only where they were asked for.
fn offered(call: &Call<'_, '_, '_>) -> Vec<&'static Command> {
    let all = call.node.config.debug_commands;
    COMMANDS.iter().filter(|command| all || !command.flags.has(super::table::Flags::DEBUG)).collect()
}

pub(super) fn command(call: &mut Call<'_, '_, '_>) -> Result {
    let commands = offered(call);
    call.reply.array(commands.len());
    commands.into_iter().for_each(|command| describe(call, command));
    Ok(())
}

pub(super) fn count(call: &mut Call<'_, '_, '_>) -> Result {
    let count = offered(call).len();
    call.reply.int(count as i64);
    Ok(())
}

pub(super) fn info(call: &mut Call<'_, '_, '_>) -> Result {
    if call.args.len() == 2 {
        return command(call);
    }
    let names = call.args.from(2);
    call.reply.array(names.len());
    for name in names {
        match find_any(name) {
            Some(command) => describe(call, command),
            None => call.reply.null(),
        }
        // Nothing more can be added to a reply that is too long already.
        if call.reply.out.has_overflowed() {
            break;
        }
    }
    Ok(())
}

fn document(call: &mut Call<'_, '_, '_>, command: &Command) {
    let has_subcommands = !command.subcommands.is_empty();
    call.reply.bulk(command.name.as_bytes());
    call.reply.map(3 + usize::from(has_subcommands));
    for (field, text) in [("summary", command.summary), ("since", command.since), ("group", command.group)] {
        call.reply.bulk(field.as_bytes());
        call.reply.bulk(text.as_bytes());
    }
    if has_subcommands {
        call.reply.bulk(b"subcommands");
        call.reply.map(command.subcommands.len());
        command.subcommands.iter().for_each(|sub| document(call, sub));
    }
}

pub(super) fn docs(call: &mut Call<'_, '_, '_>) -> Result {
    let commands: Vec<_> =
        if call.args.len() == 2 { offered(call) } else { call.args.from(2).filter_map(find_any).collect() };
    call.reply.map(commands.len());
    for command in commands {
        document(call, command);
        if call.reply.out.has_overflowed() {
            break;
        }
    }
    Ok(())
}

pub(super) fn list(call: &mut Call<'_, '_, '_>) -> Result {
    let pattern = match call.args.len() {
        2 => None,
        5 if call.args.is(2, "FILTERBY") && call.args.is(3, "PATTERN") => Some(call.args.at(4)),
        5 if call.args.is(2, "FILTERBY") && (call.args.is(3, "MODULE") || call.args.is(3, "ACLCAT")) => {
            call.reply.array(0);
            return Ok(());
        }
        _ => return Err(super::failure::SYNTAX),
    };
    let mut names = Vec::new();
    for command in offered(call) {
        names.push(command.name);
        names.extend(command.subcommands.iter().map(|sub| sub.name));
    }
    if let Some(pattern) = pattern {
        if pattern.len() > glob::PATTERN_MAX {
            return Err(PATTERN_TOO_LONG);
        }
        let pattern = pattern.to_ascii_lowercase();
        names.retain(|name| glob::matches(&pattern, name.as_bytes()));
    }
    call.reply.array(names.len());
    names.iter().for_each(|name| call.reply.bulk(name.as_bytes()));
    Ok(())
}

pub(super) fn getkeys(call: &mut Call<'_, '_, '_>) -> Result {
    const INVALID: Failure = Failure::new("ERR Invalid command specified");
    let mut command = find(call.args.at(2)).ok_or(INVALID)?;
    if !command.subcommands.is_empty()
        && let Some(name) = call.args.get(3)
    {
        command = command.subcommand(name).ok_or(INVALID)?;
    }
    let count = call.args.len() - 2;
    if command.keys.first == 0 {
        return Err(Failure::new("ERR The command has no key arguments"));
    }
    if !command.accepts(count) {
        return Err(Failure::new("ERR Invalid number of arguments specified for command"));
    }
    let keys: Vec<_> = command.keys.places(count).map(|place| call.args.at(place + 2)).collect();
    call.reply.array(keys.len());
    keys.iter().for_each(|key| call.reply.bulk(key));
    Ok(())
}

pub(super) fn help(call: &mut Call<'_, '_, '_>) -> Result {
    help_of(call, "command");
    Ok(())
}

/// A container's subcommands, a line each.
pub(super) fn help_of(call: &mut Call<'_, '_, '_>, container: &str) {
    let subcommands = find(container.as_bytes()).map_or(&[][..], |command| command.subcommands);
    call.reply.array(subcommands.len() + 1);
    call.reply.simple(&format!("{} <subcommand> [<arg> ...]. Subcommands are:", container.to_uppercase()));
    for sub in subcommands {
        call.reply.simple(&format!("{}: {}", sub.short_name().to_uppercase(), sub.summary));
    }
}
