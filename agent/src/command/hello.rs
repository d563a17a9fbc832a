//! `HELLO` and `AUTH`: who both sides are, and which protocol they speak.

use std::sync::atomic::Ordering::Relaxed;

use super::failure::{Failure, shown, wrong_arity};
use super::outcome::{Call, Result};
use crate::resp::Protocol;
use crate::resp::number::parse_i64;

/// The version of Redis whose behaviour clients may rely on.
pub(super) const REDIS_VERSION: &str = "7.4.0";

const WRONG_PASSWORD: Failure = Failure::new("WRONGPASS invalid username-password pair or user is disabled.");

fn authenticate(call: &mut Call<'_, '_, '_>, user: &[u8], password: &[u8]) -> Result {
    if user != b"default" || !call.node.settings.password_matches(password) {
        call.node.control.wrong_passwords.add_shared(1);
        return Err(WRONG_PASSWORD);
    }
    call.session.owes_password = false;
    Ok(())
}

pub(super) fn auth(call: &mut Call<'_, '_, '_>) -> Result {
    match call.args.len() {
        2 if !call.node.settings.has_password() => {
            return Err(Failure::new(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => authenticate(call, b"default", call.args.at(1))?,
        3 => authenticate(call, call.args.at(1), call.args.at(2))?,
        _ => return Err(super::failure::SYNTAX),
    }
    call.reply.ok();
    Ok(())
}

pub(super) fn hello(call: &mut Call<'_, '_, '_>) -> Result {
    let mut protocol = call.session.protocol;
    let mut place = 1;
    if let Some(version) = call.args.get(1) {
        protocol = match parse_i64(version) {
            Some(2) => Protocol::Two,
            Some(3) => Protocol::Three,
            Some(_) => return Err(Failure::new("NOPROTO unsupported protocol version")),
            None => return Err(Failure::new("ERR Protocol version is not an integer or out of range")),
        };
        place = 2;
    }
    let mut name = None;
    let mut credentials = None;
    while let Some(option) = call.args.get(place) {
        if call.args.is(place, "AUTH") && call.args.get(place + 2).is_some() {
            credentials = Some((call.args.at(place + 1), call.args.at(place + 2)));
            place += 3;
        } else if call.args.is(place, "SETNAME") && call.args.get(place + 1).is_some() {
            name = Some(super::client::checked_name(call.args.at(place + 1))?);
            place += 2;
        } else {
            return Err(Failure::with(format!("ERR Syntax error in HELLO option '{}'", shown(option))));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(call, user, password)?;
    }
    if call.session.owes_password {
        return Err(Failure::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        call.session.client.names.lock().name = name;
    }
    call.session.protocol = protocol;
    call.session.client.protocol.store(if protocol == Protocol::Three { 3 } else { 2 }, Relaxed);
    call.reply.protocol = protocol;
    introduce(call);
    Ok(())
}

fn introduce(call: &mut Call<'_, '_, '_>) {
    let id = call.session.client.id as i64;
    let reply = &mut call.reply;
    // Some clients read this by place, not by name: our own field stands last.
    reply.map(8);
    for (field, text) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(text.as_bytes());
    }
    reply.bulk(b"proto");
    reply.int(if reply.protocol == Protocol::Three { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(id);
    for (field, text) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(field.as_bytes());
        reply.bulk(text.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    reply.bulk(b"larder_version");
    reply.bulk(env!("CARGO_PKG_VERSION").as_bytes());
}

/// The error of a container that was called without a subcommand.
pub(super) fn lacks_subcommand(call: &Call<'_, '_, '_>) -> Failure {
    wrong_arity(&shown(call.args.at(0)).to_ascii_lowercase())
}
