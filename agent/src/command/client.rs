//! `CLIENT`: who is connected, and what a connection says of itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::arguments::before_nul;
use super::failure::{Failure, NOT_AN_INTEGER, SYNTAX, shown, subcommand_syntax};
use super::hello::lacks_subcommand;
use super::outcome::{Call, Result};
use crate::resp::number::parse_i64;
use crate::server::clients::Client;
use crate::server::session::Replies;

pub(super) fn container(call: &mut Call<'_, '_, '_>) -> Result {
    Err(lacks_subcommand(call))
}

pub(super) fn id(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.int(call.session.client.id as i64);
    Ok(())
}

pub(super) fn getname(call: &mut Call<'_, '_, '_>) -> Result {
    let name = call.session.client.names.lock().name.clone();
    if name.is_empty() {
        call.reply.null();
    } else {
        call.reply.bulk(name.as_bytes());
    }
    Ok(())
}

/// Bytes of the longest name, of a connection or of its library.
const NAME_MAX: usize = 1024;

/// Text that stands in CLIENT LIST: no spaces, no line ends, not too long. Fails with what is given, or for the length.
fn checked(
    text: &[u8],
    what: &str,
    refused: impl FnOnce() -> Failure,
) -> std::result::Result<Box<str>, Failure> {
    if text.len() > NAME_MAX {
        return Err(Failure::with(format!("ERR {what} cannot be longer than {NAME_MAX} bytes")));
    }
    match std::str::from_utf8(text) {
        Ok(plain) if plain.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(plain.into()),
        _ => Err(refused()),
    }
}

/// A connection's name.
pub(super) fn checked_name(name: &[u8]) -> std::result::Result<Box<str>, Failure> {
    checked(name, "Client names", || {
        Failure::new("ERR Client names cannot contain spaces, newlines or special characters.")
    })
}

pub(super) fn setname(call: &mut Call<'_, '_, '_>) -> Result {
    let name = checked_name(call.args.at(2))?;
    call.session.client.names.lock().name = name;
    call.reply.ok();
    Ok(())
}

pub(super) fn setinfo(call: &mut Call<'_, '_, '_>) -> Result {
    let attribute = shown(call.args.at(2));
    let is_version = call.args.is(2, "lib-ver");
    if !is_version && !call.args.is(2, "lib-name") {
        return Err(Failure::with(format!("ERR Unrecognized option '{attribute}'")));
    }
    let value = checked(before_nul(call.args.at(3)), &attribute, || {
        Failure::with(format!("ERR {attribute} cannot contain spaces, newlines or special characters."))
    })?;
    let mut names = call.session.client.names.lock();
    *if is_version { &mut names.version } else { &mut names.library } = value;
    drop(names);
    call.reply.ok();
    Ok(())
}

/// The word ON or OFF.
fn on_off(call: &Call<'_, '_, '_>, place: usize) -> std::result::Result<bool, Failure> {
    match () {
        () if call.args.is(place, "ON") => Ok(true),
        () if call.args.is(place, "OFF") => Ok(false),
        () => Err(SYNTAX),
    }
}

pub(super) fn no_evict(call: &mut Call<'_, '_, '_>) -> Result {
    let on = on_off(call, 2)?;
    call.session.client.no_evict.store(on, Relaxed);
    call.reply.ok();
    Ok(())
}

pub(super) fn no_touch(call: &mut Call<'_, '_, '_>) -> Result {
    let on = on_off(call, 2)?;
    call.session.no_touch = on;
    call.session.client.no_touch.store(on, Relaxed);
    call.reply.ok();
    Ok(())
}

pub(super) fn reply(call: &mut Call<'_, '_, '_>) -> Result {
    if call.in_transaction {
        // EXEC has promised a reply for each command: one that is left out would put all that follow in the wrong place.
        return Err(Failure::new("ERR CLIENT REPLY is not allowed inside a transaction"));
    }
    match () {
        () if call.args.is(2, "ON") => {
            call.session.replies = Replies::On;
            call.reply.ok();
        }
        () if call.args.is(2, "OFF") => call.session.replies = Replies::Off,
        () if call.args.is(2, "SKIP") => {
            if call.session.replies != Replies::Off {
                call.session.replies = Replies::SkipNext;
            }
        }
        () => return Err(SYNTAX),
    }
    Ok(())
}

pub(super) fn info(call: &mut Call<'_, '_, '_>) -> Result {
    let line = call.session.client.line(call.now().0) + "\n";
    call.reply.verbatim(&line);
    Ok(())
}

fn client_id(text: &[u8]) -> std::result::Result<u64, Failure> {
    parse_i64(text)
        .filter(|id| *id > 0)
        .map(|id| id as u64)
        .ok_or(Failure::new("ERR client-id should be greater than 0"))
}

/// Whether a TYPE is one that connections here have.
fn is_normal(kind: &[u8]) -> std::result::Result<bool, Failure> {
    const OTHERS: [&str; 5] = ["master", "primary", "replica", "slave", "pubsub"];
    let is = |word: &str| kind.eq_ignore_ascii_case(word.as_bytes());
    match () {
        () if is("normal") => Ok(true),
        () if OTHERS.into_iter().any(is) => Ok(false),
        () => Err(Failure::with(format!("ERR Unknown client type '{}'", shown(kind)))),
    }
}

pub(super) fn list(call: &mut Call<'_, '_, '_>) -> Result {
    let mut all = call.node.clients.all();
    match call.args.len() {
        2 => {}
        4 if call.args.is(2, "TYPE") => {
            if !is_normal(call.args.at(3))? {
                all.clear();
            }
        }
        3.. if call.args.is(2, "ID") && call.args.len() > 3 => {
            let wanted = call
                .args
                .from(3)
                .map(|text| parse_i64(text).ok_or(Failure::new("ERR Invalid client ID")))
                .collect::<std::result::Result<HashSet<_>, _>>()?;
            all.retain(|client| wanted.contains(&(client.id as i64)));
        }
        _ => return Err(SYNTAX),
    }
    let now = call.now().0;
    let text: String = all.iter().map(|client| client.line(now) + "\n").collect();
    call.reply.verbatim(&text);
    Ok(())
}

/// Which connections CLIENT KILL means.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    normal: Option<bool>,
    age_min_s: Option<u64>,
    spares_me: bool,
}

impl<'a> Filter<'a> {
    fn read(call: &Call<'a, '_, '_>) -> std::result::Result<Self, Failure> {
        let args = call.args;
        let mut filter = Self { spares_me: true, ..Self::default() };
        for place in (2..args.len()).step_by(2) {
            let Some(value) = args.get(place + 1) else { return Err(SYNTAX) };
            match () {
                () if args.is(place, "ID") => filter.id = Some(client_id(value)?),
                () if args.is(place, "ADDR") => filter.address = Some(value),
                () if args.is(place, "LADDR") => filter.local_address = Some(value),
                () if args.is(place, "TYPE") => filter.normal = Some(is_normal(value)?),
                // The only user there is, whom everybody is.
                () if args.is(place, "USER") => {
                    if value != b"default" {
                        return Err(Failure::with(format!("ERR No such user '{}'", shown(value))));
                    }
                }
                () if args.is(place, "SKIPME") => {
                    filter.spares_me = match () {
                        () if args.is(place + 1, "yes") => true,
                        () if args.is(place + 1, "no") => false,
                        () => return Err(SYNTAX),
                    };
                }
                () if args.is(place, "MAXAGE") => {
                    let age = parse_i64(value).filter(|age| *age > 0).ok_or(NOT_AN_INTEGER)?;
                    filter.age_min_s = Some(age as u64);
                }
                () => return Err(SYNTAX),
            }
        }
        Ok(filter)
    }

    fn means(&self, client: &Client, me: u64, now_ms: u64) -> bool {
        !(self.spares_me && client.id == me)
            && self.id.is_none_or(|id| id == client.id)
            && self.address.is_none_or(|address| address == client.address.as_bytes())
            && self.local_address.is_none_or(|address| address == client.local_address.as_bytes())
            && self.normal.is_none_or(|normal| normal)
            && self.age_min_s.is_none_or(|age| now_ms.saturating_sub(client.connected_ms) / 1000 >= age)
    }
}

fn end(call: &mut Call<'_, '_, '_>, client: &Arc<Client>) {
    if client.id == call.session.client.id {
        call.session.closing = true;
    } else {
        client.kill();
    }
}

pub(super) fn kill(call: &mut Call<'_, '_, '_>) -> Result {
    let all = call.node.clients.all();
    if call.args.len() == 3 {
        let found = all.iter().find(|client| client.address.as_bytes() == call.args.at(2));
        let client = found.ok_or(Failure::new("ERR No such client"))?;
        end(call, client);
        call.reply.ok();
        return Ok(());
    }
    let filter = Filter::read(call)?;
    let (me, now) = (call.session.client.id, call.now().0);
    let meant: Vec<_> = all.iter().filter(|client| filter.means(client, me, now)).collect();
    meant.iter().for_each(|client| end(call, client));
    call.reply.int(meant.len() as i64);
    Ok(())
}

pub(super) fn pause(call: &mut Call<'_, '_, '_>) -> Result {
    let all = match call.args.len() {
        3 => true,
        4 if call.args.is(3, "ALL") => true,
        4 if call.args.is(3, "WRITE") => false,
        4 => return Err(Failure::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(subcommand_syntax("CLIENT", call.args.at(1))),
    };
    let ms =
        parse_i64(call.args.at(2)).ok_or(Failure::new("ERR timeout is not an integer or out of range"))?;
    if ms < 0 {
        return Err(Failure::new("ERR timeout is negative"));
    }
    call.node.pause.begin(call.now().0.saturating_add(ms as u64), all);
    call.reply.ok();
    Ok(())
}

pub(super) fn unpause(call: &mut Call<'_, '_, '_>) -> Result {
    call.node.pause.end();
    call.reply.ok();
    Ok(())
}

pub(super) fn unblock(call: &mut Call<'_, '_, '_>) -> Result {
    if call.args.len() > 4 {
        return Err(subcommand_syntax("CLIENT", call.args.at(1)));
    }
    if call.args.len() == 4 && !call.args.is(3, "TIMEOUT") && !call.args.is(3, "ERROR") {
        return Err(Failure::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
    }
    call.args.int(2)?;
    // No command here ever blocks.
    call.reply.int(0);
    Ok(())
}

pub(super) fn help(call: &mut Call<'_, '_, '_>) -> Result {
    super::command_info::help_of(call, "client");
    Ok(())
}
