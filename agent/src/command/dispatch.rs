//! Dispatch: whether a command may run, under which locks, and what is counted of it.

use std::sync::atomic::Ordering::Relaxed;

use larder_cache::clock::Millis;
use larder_cache::{Barred, Database, Key, Room, Section, Stay};

use super::arguments::Args;
use super::failure::{AUTHENTICATION_REQUIRED, Failure, OUT_OF_MEMORY, wrong_arity};
use super::need::{Need, need_of};
use super::outcome::{Call, Result};
use super::table::{Command, Flags, find};
use super::{ranges, unoffered};
use crate::metrics::tally::Tally;
use crate::resp::{Out, Reply};
use crate::server::node::Node;
use crate::server::session::{Replies, Session};

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It replied.
    Done,
    /// It did not run, since room is still being made: let others go on, then offer it again.
    Busy,
    /// It did not run, since commands are paused: offer it again after so many milliseconds.
    Paused(u64),
    /// It did not run, since another worker holds its shard: offer it again when others here had their turn.
    Barred,
    /// It did not run, since the session wants something from disk: offer it again when that was fetched.
    Fetching,
}

/// Runs one command, or says why it has to be offered again.
///
/// `stay` keeps a lock between commands of a batch; it is released before anything that needs more than that one.
/// `clock` is the present in nanoseconds on the boot clock; the present after the command is returned with the verdict, so
/// that a pipeline reads the clock once a command.
pub fn execute<'c>(
    node: &'c Node,
    stay: &mut Stay<'c>,
    session: &mut Session,
    tally: &Tally,
    args: Args<'_>,
    out: &mut Out,
    clock: u64,
) -> (Verdict, u64) {
    let mark = out.mark();
    let now = Millis(clock / 1_000_000);
    let (row, command) = match admit(node, stay, session, args, now) {
        Ok(Admitted::Run(row, command)) => (row, command),
        Ok(Admitted::Again(verdict)) => return (verdict, clock),
        Err(_) if is_http(args.at(0)) => {
            tracing::warn!(
                client = session.client.id,
                "it speaks HTTP: closed, since a browser may have been misled"
            );
            tally.protocol_errors.add(1);
            session.closing = true;
            return (Verdict::Done, clock);
        }
        Err(failure) => {
            stay.release();
            if let Some(transaction) = &mut session.transaction {
                transaction.is_dirty = true;
            }
            if failure == OUT_OF_MEMORY {
                tally.out_of_memory.add(1);
            }
            if args.is(0, "exec") {
                super::transaction::abandon(node, session);
                let reason = failure.0.strip_prefix("ERR ").unwrap_or(&failure.0);
                out.error(&format!("EXECABORT Transaction discarded because of: {reason}"));
            } else {
                out.error(&failure.0);
            }
            tally.failures.add(1);
            match find(args.at(0)).and_then(Command::row) {
                Some(row) => tally.commands[row].failures.add(1),
                None => tally.unknown_commands.add(1),
            }
            settle_replies(session, out, mark);
            return (Verdict::Done, clock);
        }
    };
    session.client.last_command.store(row as u16, Relaxed);
    let result = if session.transaction.is_some() && !command.flags.has(Flags::NO_QUEUE) {
        enqueue(session, command, args, out);
        Ok(Ran::Through)
    } else {
        run(node, stay, session, command, args, out, now)
    };
    if result == Ok(Ran::Barred) {
        return (Verdict::Barred, clock);
    }
    if node.cache.has_disk() {
        if !session.wanted.is_empty() {
            out.rewind(mark);
            return (Verdict::Fetching, clock);
        }
        if !session.fetched.is_empty() {
            session.fetched.end_command();
        }
    }
    let failed = match result {
        Ok(_) => out.begins_with(mark, b'-'),
        Err(failure) => {
            out.rewind(mark);
            out.error(&failure.0);
            true
        }
    };
    session.wait_is_silent = matches!(session.replies, Replies::Off | Replies::Skip);
    settle_replies(session, out, mark);
    let after = larder_cache::clock::boot_nanos();
    let nanos = after.saturating_sub(clock);
    tally.ran(row, nanos, failed);
    let slow = node.settings.slowlog_slower_than_us.load(Relaxed);
    if slow >= 0 && nanos / 1000 >= slow as u64 {
        super::slowlog::note(node, session, command, args, nanos / 1000);
    }
    (Verdict::Done, after)
}

/// Words that only an HTTP client begins a line with. Some page may have told a browser to post commands to us.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

enum Admitted {
    /// The row that counts it, and what to run.
    Run(usize, &'static Command),
    Again(Verdict),
}

/// Whether the command exists, is well formed and may run now.
#[inline]
fn admit(
    node: &Node,
    stay: &mut Stay<'_>,
    session: &Session,
    args: Args<'_>,
    now: Millis,
) -> std::result::Result<Admitted, Failure> {
    let (row, command) = resolve(node, args)?;
    if session.owes_password && !command.flags.has(Flags::NO_AUTH) {
        return Err(AUTHENTICATION_REQUIRED);
    }
    let may_write = command.flags.has(Flags::WRITE) || command.name == "exec";
    if let Some(remaining) = node.pause.remaining_ms(now.0, may_write)
        && command.name != "client|unpause"
    {
        return Ok(Admitted::Again(Verdict::Paused(remaining)));
    }
    let queued_need = match &session.transaction {
        Some(transaction) if command.name == "exec" => transaction
            .queue
            .iter()
            .filter(|queued| queued.command.flags.has(Flags::DENYOOM))
            .map(|queued| ranges::growth(queued.command, queued.args()))
            .sum(),
        _ => 0,
    };
    if command.flags.has(Flags::DENYOOM) || queued_need > 0 {
        // What is over the longest value is refused for that, or makes its own room: nothing is evicted for it here.
        let longest = node.settings.max_value.load(Relaxed) as usize + args.len() * ranges::ENTRY_OVERHEAD;
        let bytes = Some(queued_need + ranges::growth(command, args)).filter(|bytes| *bytes <= longest);
        match stay.make_room(bytes.unwrap_or(0), now) {
            Room::Made => {}
            Room::Busy => return Ok(Admitted::Again(Verdict::Busy)),
            Room::Full => return Err(OUT_OF_MEMORY),
        }
    }
    Ok(Admitted::Run(row, command))
}

/// Finds the command or subcommand, with the row that counts it, and checks the number of arguments.
#[inline]
fn resolve(node: &Node, args: Args<'_>) -> std::result::Result<(usize, &'static Command), Failure> {
    let command = find(args.at(0))
        .filter(|command| !command.flags.has(Flags::DEBUG) || node.config.debug_commands)
        .ok_or_else(|| unoffered::command(args))?;
    let row = command.row().unwrap_or_default();
    if !command.subcommands.is_empty()
        && let Some(name) = args.get(1)
    {
        let sub = command.subcommand(name).ok_or_else(|| unoffered::subcommand(command, name))?;
        return if sub.accepts(args.len()) { Ok((row, sub)) } else { Err(wrong_arity(sub.name)) };
    }
    if command.accepts(args.len()) { Ok((row, command)) } else { Err(wrong_arity(command.name)) }
}

fn enqueue(session: &mut Session, command: &'static Command, args: Args<'_>, out: &mut Out) {
    if let Some(transaction) = &mut session.transaction {
        let queued = args.queue(command);
        transaction.bytes += queued.bytes();
        transaction.queue.push(queued);
        out.raw(b"+QUEUED\r\n");
    }
}

/// Takes the reply back from a client that does not want it.
fn settle_replies(session: &mut Session, out: &mut Out, mark: crate::resp::encode::Mark) {
    match session.replies {
        Replies::On => {}
        Replies::Off => out.rewind(mark),
        Replies::SkipNext => {
            out.rewind(mark);
            session.replies = Replies::Skip;
        }
        Replies::Skip => {
            out.rewind(mark);
            session.replies = Replies::On;
        }
    }
}

/// Whether a command was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ran {
    Through,
    /// It was not: somebody else holds its shard.
    Barred,
}

/// Runs a command in a section of its own, or of the batch's stay if one shard is all it needs.
fn run<'a, 'c>(
    node: &'c Node,
    stay: &mut Stay<'c>,
    session: &mut Session,
    command: &'static Command,
    args: Args<'a>,
    out: &mut Out,
    now: Millis,
) -> std::result::Result<Ran, Failure> {
    let spec = command.keys;
    let is_whole = command.flags.has(Flags::WHOLE);
    if spec.first != 0 && spec.first == spec.last && !is_whole {
        loop {
            let key = node.cache.key(session.database, args.at(spec.first as usize));
            // A database that was flushed between hashing and locking is hashed for again.
            let mut section = match stay.section(&key, now) {
                Ok(section) => section,
                Err(Barred::Moved) => continue,
                Err(Barred::Taken) => return Ok(Ran::Barred),
            };
            let keys = std::slice::from_ref(&key);
            let result = call_over_disk(node, session, &mut section, command, args, keys, out);
            stay.keep(section, &key);
            return result.map(|()| Ran::Through);
        }
    }
    stay.release();
    run_apart(node, session, command, args, out, now).map(|()| Ran::Through)
}

/// Runs a command of several keys, of none, or over the whole cache.
#[inline(never)]
fn run_apart<'a, 'c>(
    node: &'c Node,
    session: &mut Session,
    command: &'static Command,
    args: Args<'a>,
    out: &mut Out,
    now: Millis,
) -> Result {
    let is_whole = command.flags.has(Flags::WHOLE);
    loop {
        let keys = keys_of(node, session.database, command, args);
        let entered = match keys.as_slice() {
            _ if is_whole => Ok(node.cache.section_over_all(now)),
            [] => Ok(Section::over_nothing(&node.cache, now)),
            keys => node.cache.section(keys, now),
        };
        if let Ok(mut section) = entered {
            return call_over_disk(node, session, &mut section, command, args, &keys, out);
        }
    }
}

/// Runs a command in a section that is entered already, unless there is a disk and what it needs has to be fetched from there
/// first: then the session says so.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a call would cost every command with a single key fifty instructions"
)]
fn call_over_disk<'a, 'c>(
    node: &'c Node,
    session: &mut Session,
    section: &mut Section<'c>,
    command: &Command,
    args: Args<'a>,
    keys: &[Key<'a>],
    out: &mut Out,
) -> Result {
    let has_disk = node.cache.has_disk();
    if has_disk && !is_at_hand(session, section, command, args, keys) {
        session.wanted = section.wanted();
        return Ok(());
    }
    let result = call(node, session, section, command, args, keys, out, false);
    if has_disk && section.wants() {
        note_wanted(session, section, command);
    }
    result
}

/// Whether a command can be run with what is at hand, as far as can be told before.
#[inline]
fn is_at_hand(
    session: &Session,
    section: &mut Section<'_>,
    command: &Command,
    args: Args<'_>,
    keys: &[Key<'_>],
) -> bool {
    let flags = command.flags;
    // A single key is read and, if that fails, read again; what overwrites needs nothing, unless an option says so.
    let needs_none = if flags.has(Flags::WRITE) { flags.has(Flags::BLIND) } else { keys.len() == 1 };
    (needs_none && args.len() <= 3 && session.fetched.is_empty())
        || prepare(session, section, command, args, keys)
}

/// Has a command that could not read be offered again. One that writes had what it needs, or went on without.
#[cold]
fn note_wanted(session: &mut Session, section: &Section<'_>, command: &Command) {
    if !command.flags.has(Flags::WRITE) {
        session.wanted = section.wanted();
    }
}

/// Brings to hand what a command needs; false if something has to be fetched first.
#[inline(never)]
fn prepare(
    session: &Session,
    section: &mut Section<'_>,
    command: &Command,
    args: Args<'_>,
    keys: &[Key<'_>],
) -> bool {
    section.lend(&session.fetched);
    match need_of(command, args) {
        Need::Nothing => true,
        Need::Reading if keys.len() <= 1 => true,
        need => need.prepare(section, keys),
    }
}

/// The keys of a command, hashed for a database.
pub(super) fn keys_of<'a>(
    node: &Node,
    database: Database,
    command: &Command,
    args: Args<'a>,
) -> Vec<Key<'a>> {
    command.keys.places(args.len()).map(|place| node.cache.key(database, args.at(place))).collect()
}

/// Runs a command in a section that is entered already.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a call would cost every command with a single key fifty instructions"
)]
#[expect(clippy::too_many_arguments, reason = "the parts of a call, put together in this one place")]
pub(super) fn call<'a, 'c>(
    node: &'c Node,
    session: &mut Session,
    section: &mut Section<'c>,
    command: &Command,
    args: Args<'a>,
    keys: &[Key<'a>],
    out: &mut Out,
    in_transaction: bool,
) -> Result {
    section.remember_reads(!session.no_touch);
    section.on_behalf_of(session.actor);
    section.governs(command.flags.has(Flags::GOVERNS));
    let protocol = session.protocol;
    (command.run)(&mut Call {
        args,
        keys,
        section,
        session,
        node,
        reply: Reply { out, protocol },
        in_transaction,
    })
}
