//! Which keys there are: `EXISTS`, `TOUCH`, `TYPE`, `KEYS`, `SCAN`, `RANDOMKEY`, `DBSIZE`.

use std::hash::{BuildHasher, Hasher, RandomState};

use larder_cache::{Cursor, Wanted};

use super::arguments::before_nul;
use super::failure::{Failure, NOT_AN_INTEGER, PATTERN_TOO_LONG, SYNTAX};
use super::glob::{self, Pattern};
use super::outcome::{Call, Result};
use crate::resp::Out;
use crate::server::session::{KeysWait, Wait};

/// Names that one slice of KEYS looks at, at most: some tens of microseconds.
const KEYS_SLICE: usize = 128;
/// The most that one SCAN looks at, whatever COUNT says: COUNT is a hint, and 10,000 take about a millisecond.
const SCAN_COUNT_MAX: i64 = 10_000;
/// Redis's default for COUNT.
const SCAN_COUNT: i64 = 10;
/// Names looked at, at most, between two looks at what that has cost,
const CHUNK_MAX: usize = 64;
/// steps of matching after which one name at a time is looked at,
const CHUNK_STEPS: usize = 1 << 14;
/// steps after which a slice of KEYS, or one SCAN, ends: about half a millisecond,
const SLICE_STEPS: usize = 1 << 18;
/// and bytes of a name that cost as much as a step when they are copied.
const BYTES_A_STEP: usize = 16;
/// Steps after which KEYS is given up inside a transaction, where it cannot take turns with others.
const TRANSACTION_STEPS: usize = 1 << 26;

pub(super) fn exists(call: &mut Call<'_, '_, '_>) -> Result {
    let found = call.keys.iter().filter(|key| call.section.exists(key)).count();
    call.reply.int(found as i64);
    Ok(())
}

pub(super) fn touch(call: &mut Call<'_, '_, '_>) -> Result {
    let found = call.keys.iter().filter(|key| call.section.touch(key)).count();
    call.reply.int(found as i64);
    Ok(())
}

pub(super) fn type_of(call: &mut Call<'_, '_, '_>) -> Result {
    let exists = call.section.exists(&call.keys[0]);
    call.reply.simple(if exists { "string" } else { "none" });
    Ok(())
}

pub(super) fn dbsize(call: &mut Call<'_, '_, '_>) -> Result {
    let entries = call.section.database(call.session.database).entries;
    call.reply.int(entries as i64);
    Ok(())
}

/// Looks at about `wanted` names from a cursor on, fewer if that takes long, and hands on those that match; no pattern
/// matches all. `scan` looks at so many names from a cursor on, and says whether it cannot go on now. Returns where to go on.
fn look(
    mut cursor: Cursor,
    wanted: usize,
    mut pattern: Option<&mut Pattern<'_>>,
    mut scan: impl FnMut(Cursor, usize, &mut dyn FnMut(&[u8])) -> (Cursor, bool),
    mut found: impl FnMut(&[u8]),
) -> Cursor {
    let (mut looked, mut chunk, mut steps) = (0, 1, 0);
    while looked < wanted {
        let before = steps;
        chunk = chunk.min(wanted - looked);
        let (next, has_to_wait) = scan(cursor, chunk, &mut |name| {
            steps += name.len() / BYTES_A_STEP;
            let is_match = pattern.as_deref_mut().is_none_or(|pattern| {
                let before = pattern.steps();
                let is_match = pattern.matches(name);
                steps += pattern.steps() - before;
                is_match
            });
            if is_match {
                found(name);
            }
        });
        cursor = next;
        if cursor == Cursor(0) || has_to_wait || steps >= SLICE_STEPS {
            break;
        }
        looked += chunk;
        chunk = if steps - before > CHUNK_STEPS { 1 } else { (chunk * 2).min(CHUNK_MAX) };
    }
    cursor
}

/// A pattern of a command; `None` if it matches every name.
fn pattern_of(text: &[u8]) -> std::result::Result<Option<Pattern<'_>>, Failure> {
    let pattern = Pattern::new(text).ok_or(PATTERN_TOO_LONG)?;
    Ok(Some(pattern).filter(|_| !glob::is_everything(text)))
}

pub(super) fn keys(call: &mut Call<'_, '_, '_>) -> Result {
    let text = call.args.at(1);
    pattern_of(text)?;
    let mut wait = KeysWait {
        cursor: Cursor(0),
        database: call.session.database,
        pattern: text.into(),
        found: Out::default(),
        count: 0,
    };
    if !call.in_transaction {
        call.session.wait = Some(Wait::Keys(Box::new(wait)));
        return Ok(());
    }
    wait.found.set_limit(call.node.reply_limit());
    let database = wait.database;
    let mut steps = 0;
    loop {
        let scan = |from, wanted, show: &mut dyn FnMut(&[u8])| {
            (call.section.scan(database, from, wanted, show), false)
        };
        steps += slice(&mut wait, scan);
        if wait.cursor == Cursor(0) || wait.found.has_overflowed() {
            break;
        }
        if steps > TRANSACTION_STEPS {
            return Err(Failure::new(
                "ERR KEYS takes too long for a transaction: send it by itself, or use SCAN",
            ));
        }
    }
    write_names(&mut wait, &mut call.reply);
    Ok(())
}

/// Collects the names of one slice; returns what matching them cost.
fn slice(
    wait: &mut KeysWait,
    scan: impl FnMut(Cursor, usize, &mut dyn FnMut(&[u8])) -> (Cursor, bool),
) -> usize {
    let KeysWait { cursor, pattern, found, count, .. } = wait;
    // That it is not too long was seen to before.
    let mut pattern = pattern_of(pattern).ok().flatten();
    *cursor = look(*cursor, KEYS_SLICE, pattern.as_mut(), scan, |name| {
        found.bulk(name);
        *count += 1;
    });
    pattern.map_or(0, |pattern| pattern.steps())
}

/// Collects the names of one slice; true when there are no more.
pub fn step(
    wait: &mut KeysWait,
    scan: impl FnMut(Cursor, usize, &mut dyn FnMut(&[u8])) -> (Cursor, bool),
) -> bool {
    slice(wait, scan);
    wait.cursor == Cursor(0)
}

/// Replies with the names that were collected.
pub fn write_names(wait: &mut KeysWait, reply: &mut crate::resp::Reply<'_>) {
    reply.array(wait.count);
    reply.out.adopt(std::mem::take(&mut wait.found));
}

/// A cursor as C's `strtoul` reads it: nothing is zero, a minus wraps around, and all behind a NUL is ignored.
fn cursor_of(text: &[u8]) -> Option<u64> {
    let (negative, digits) = match before_nul(text) {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    // Rust would take another sign.
    let number = std::str::from_utf8(digits)
        .ok()
        .filter(|_| digits.first().is_some_and(u8::is_ascii_digit))?
        .parse::<u64>()
        .ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}

pub(super) fn scan(call: &mut Call<'_, '_, '_>) -> Result {
    let cursor = Cursor(cursor_of(call.args.at(1)).ok_or(Failure::new("ERR invalid cursor"))?);
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
            pattern = pattern_of(value)?;
        } else if call.args.is(place, "TYPE") {
            wants_strings = value.eq_ignore_ascii_case(b"string");
        } else {
            return Err(SYNTAX);
        }
        place += 2;
    }
    let mut names = Out::default();
    names.set_limit(call.node.reply_limit());
    let mut found = 0;
    let wanted = count.min(SCAN_COUNT_MAX) as usize;
    let database = call.session.database;
    let show = |name: &[u8]| {
        if wants_strings {
            names.bulk(name);
            found += 1;
        }
    };
    let (cache, now, fetched) = (&call.node.cache, call.section.now(), &call.session.fetched);
    let mut waits_for = Wanted::default();
    let next = if call.in_transaction {
        let section = &mut *call.section;
        let scan =
            |from, wanted, show: &mut dyn FnMut(&[u8])| (section.scan(database, from, wanted, show), false);
        look(cursor, wanted, pattern.as_mut(), scan, show)
    } else {
        let scan = |from, wanted, show: &mut dyn FnMut(&[u8])| {
            let (next, waits) = cache.scan(database, from, wanted, now, fetched, show);
            let is_over = !waits.is_empty();
            waits_for = waits;
            (next, is_over)
        };
        look(cursor, wanted, pattern.as_mut(), scan, show)
    };
    // With some names found, or none on the way, there is an answer; else the disk is waited for.
    if !waits_for.is_empty() && next == cursor && found == 0 {
        call.session.wanted = waits_for;
        return Ok(());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("", Some(0)),
            ("0", Some(0)),
            ("007", Some(7)),
            ("+5", Some(5)),
            ("-1", Some(u64::MAX)),
            ("-9223372036854775809", Some(9_223_372_036_854_775_807)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("12\0x", Some(12)),
            (" 0", None),
            ("0 ", None),
            ("-", None),
            ("+", None),
            ("+-1", None),
            ("x", None),
        ] {
            assert_eq!(cursor_of(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_slice_ends_when_matching_takes_long() {
        let name = [b'a'; 4096];
        let text = [&b"*"[..], &[b'a'; 500], b"b"].concat();
        let mut pattern = Pattern::new(&text).expect("short");
        let mut looked = 0;
        let scan = |cursor: Cursor, wanted: usize, show: &mut dyn FnMut(&[u8])| {
            (0..wanted).for_each(|_| show(&name));
            looked += wanted;
            (Cursor(cursor.0 + wanted as u64), false)
        };
        let next = look(Cursor(1), KEYS_SLICE, Some(&mut pattern), scan, |_| panic!("nothing matches"));
        // Each name costs more than 65,536 steps: four of them are a slice.
        assert!((1..=4).contains(&looked), "{looked}");
        assert_eq!(next, Cursor(1 + looked as u64));
    }
}
