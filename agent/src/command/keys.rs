//! Which keys there are: `EXISTS`, `TOUCH`, `TYPE`, `KEYS`, `SCAN`, `RANDOMKEY`, `DBSIZE`.

use std::hash::{BuildHasher, Hasher, RandomState};

use larder_cache::Cursor;

use super::failure::{Failure, NOT_AN_INTEGER, SYNTAX};
use super::glob;
use super::outcome::{Call, Result};
use crate::resp::Out;
use crate::server::session::{KeysWait, Wait};

/// Names that one slice of KEYS looks at: some tens of microseconds.
const KEYS_SLICE: usize = 1024;
/// The most that one SCAN looks at, whatever COUNT says: COUNT is a hint, and 10,000 take about a millisecond.
const SCAN_COUNT_MAX: i64 = 10_000;
/// Redis's default for COUNT.
const SCAN_COUNT: i64 = 10;

pub(super) fn exists(call: &mut Call<'_, '_, '_>) -> Result {
    let found = call.keys.iter().filter(|key| call.section.peek(key).is_some()).count();
    call.reply.int(found as i64);
    Ok(())
}

pub(super) fn touch(call: &mut Call<'_, '_, '_>) -> Result {
    let found = call.keys.iter().filter(|key| call.section.touch(key)).count();
    call.reply.int(found as i64);
    Ok(())
}

pub(super) fn type_of(call: &mut Call<'_, '_, '_>) -> Result {
    let exists = call.section.peek(&call.keys[0]).is_some();
    call.reply.simple(if exists { "string" } else { "none" });
    Ok(())
}

pub(super) fn dbsize(call: &mut Call<'_, '_, '_>) -> Result {
    let entries = call.section.database(call.session.database).entries;
    call.reply.int(entries as i64);
    Ok(())
}

pub(super) fn keys(call: &mut Call<'_, '_, '_>) -> Result {
    let mut wait = KeysWait {
        cursor: Cursor(0),
        database: call.session.database,
        pattern: call.args.at(1).into(),
        found: Out::default(),
        count: 0,
    };
    if !call.in_transaction {
        call.session.wait = Some(Wait::Keys(Box::new(wait)));
        return Ok(());
    }
    let database = wait.database;
    while !step(&mut wait, |cursor, wanted, show| call.section.scan(database, cursor, wanted, show)) {}
    write_names(&mut wait, &mut call.reply);
    Ok(())
}

/// Collects the names of one slice; true when there are no more.
pub fn step(
    wait: &mut KeysWait,
    mut scan: impl FnMut(Cursor, usize, &mut dyn FnMut(&[u8])) -> Cursor,
) -> bool {
    let KeysWait { cursor, pattern, found, count, .. } = wait;
    let everything = glob::is_everything(pattern);
    *cursor = scan(*cursor, KEYS_SLICE, &mut |name| {
        if everything || glob::matches(pattern, name) {
            found.bulk(name);
            *count += 1;
        }
    });
    *cursor == Cursor(0)
}

/// Replies with the names that were collected.
pub fn write_names(wait: &mut KeysWait, reply: &mut crate::resp::Reply<'_>) {
    reply.array(wait.count);
    reply.out.adopt(std::mem::take(&mut wait.found));
}

pub(super) fn scan(call: &mut Call<'_, '_, '_>) -> Result {
    let cursor = std::str::from_utf8(call.args.at(1))
        .ok()
        .and_then(|text| text.parse::<u64>().ok())
        .ok_or(Failure::new("ERR invalid cursor"))?;
    let (mut pattern, mut count, mut wants_strings) = (None, SCAN_COUNT, true);
    let mut place = 2;
    while let Some(_option) = call.args.get(place) {
        let value = call.args.get(place + 1).ok_or(SYNTAX)?;
        if call.args.is(place, "COUNT") {
            count = crate::resp::number::parse_i64(value).ok_or(NOT_AN_INTEGER)?;
            if count < 1 {
                return Err(SYNTAX);
            }
        } else if call.args.is(place, "MATCH") {
            pattern = Some(value).filter(|pattern| !glob::is_everything(pattern));
        } else if call.args.is(place, "TYPE") {
            wants_strings = value.eq_ignore_ascii_case(b"string");
        } else {
            return Err(SYNTAX);
        }
        place += 2;
    }
    let mut names = Out::default();
    let mut found = 0;
    let wanted = count.min(SCAN_COUNT_MAX) as usize;
    let database = call.session.database;
    let show = |name: &[u8]| {
        if wants_strings && pattern.is_none_or(|pattern| glob::matches(pattern, name)) {
            names.bulk(name);
            found += 1;
        }
    };
    let next = if call.in_transaction {
        call.section.scan(database, Cursor(cursor), wanted, show)
    } else {
        call.node.cache.scan(database, Cursor(cursor), wanted, call.section.now(), show)
    };
    call.reply.array(2);
    call.reply.bulk(itoa::Buffer::new().format(next.0).as_bytes());
    call.reply.array(found);
    call.reply.out.adopt(names);
    Ok(())
}

pub(super) fn randomkey(call: &mut Call<'_, '_, '_>) -> Result {
    let database = call.session.database;
    let entries = call.section.database(database).entries;
    if entries == 0 {
        call.reply.null();
        return Ok(());
    }
    let random = RandomState::new().build_hasher().finish();
    let mut picked: Option<Vec<u8>> = None;
    let mut cursor = call.section.random_cursor(random);
    // Once from a random place to the end, once from the beginning.
    for _ in 0..2 {
        loop {
            cursor = call.section.scan(database, cursor, 1, |name| {
                picked.get_or_insert_with(|| name.to_vec());
            });
            if picked.is_some() || cursor == Cursor(0) {
                break;
            }
        }
        if picked.is_some() {
            break;
        }
    }
    match picked {
        Some(name) => call.reply.bulk(&name),
        None => call.reply.null(),
    }
    Ok(())
}
