//! `SET` with all its options, and the older commands that are a case of it.

use std::sync::atomic::Ordering::Relaxed;

use larder_cache::{Deadline, Key, NewTags, Stored};

use super::expire::Unit;
use super::failure::{Failure, SYNTAX, TOO_LONG};
use super::outcome::{Call, Result};

/// Options of SET.
#[derive(Default)]
struct Options {
    nx: bool,
    xx: bool,
    get: bool,
    keep_ttl: bool,
    expire: Option<(usize, Unit)>,
}

impl Options {
    /// Reads the options that stand before the argument `end`.
    fn read(call: &Call<'_, '_, '_>, end: usize) -> std::result::Result<Self, Failure> {
        let mut found = Self::default();
        let mut place = 3;
        while let Some(option) = call.args.get(place).filter(|_| place < end) {
            let has_time = found.keep_ttl || found.expire.is_some();
            if let Some(unit) = Unit::of_option(option) {
                if has_time || place + 1 >= end {
                    return Err(SYNTAX);
                }
                place += 1;
                found.expire = Some((place, unit));
            } else if call.args.is(place, "NX") && !found.xx {
                found.nx = true;
            } else if call.args.is(place, "XX") && !found.nx {
                found.xx = true;
            } else if call.args.is(place, "GET") {
                found.get = true;
            } else if call.args.is(place, "KEEPTTL") && found.expire.is_none() {
                found.keep_ttl = true;
            } else {
                return Err(SYNTAX);
            }
            place += 1;
        }
        Ok(found)
    }
}

impl Call<'_, '_, '_> {
    /// Stores the argument at a place under a key, unless an invalidation has overtaken it. A deadline that is past leaves
    /// no entry.
    #[inline]
    pub(super) fn store(
        &mut self,
        key: &Key<'_>,
        place: usize,
        deadline: Deadline,
        tags: NewTags<'_>,
    ) -> std::result::Result<Stored, Failure> {
        check_length(self, self.args.at(place).len())?;
        match deadline {
            Deadline::At(at) if at <= self.now() => {
                self.section.remove(key);
                Ok(Stored::Kept)
            }
            deadline => Ok(self.section.fill(key, self.args.value(place), deadline, tags)?),
        }
    }
}

/// Refuses a value over `--max-value`.
#[inline]
pub(super) fn check_length(call: &Call<'_, '_, '_>, bytes: usize) -> Result {
    if bytes as u64 > call.node.settings.max_value.load(Relaxed) { Err(TOO_LONG) } else { Ok(()) }
}

pub(super) fn set(call: &mut Call<'_, '_, '_>) -> Result {
    if call.args.len() == 3 {
        call.store(&call.keys[0], 2, Deadline::None, NewTags::None)?;
        call.reply.ok();
        return Ok(());
    }
    set_with(call, call.args.len(), NewTags::None)
}

/// Stores a value with tags by the options that stand before the argument `end`.
pub(super) fn set_with(call: &mut Call<'_, '_, '_>, end: usize, tags: NewTags<'_>) -> Result {
    let options = Options::read(call, end)?;
    let deadline = match options.expire {
        Some((place, unit)) => Deadline::At(call.deadline_to_store(call.args.at(place), unit, "set")?),
        None if options.keep_ttl => Deadline::Keep,
        None => Deadline::None,
    };
    check_length(call, call.args.at(2).len())?;
    let key = &call.keys[0];
    let exists = if options.get {
        match call.section.get(key) {
            Some(view) => {
                call.reply.value(view.value);
                true
            }
            None => {
                call.reply.null();
                false
            }
        }
    } else {
        (options.nx || options.xx) && call.section.exists(key)
    };
    if (options.nx && exists) || (options.xx && !exists) {
        if !options.get {
            call.reply.null();
        }
        return Ok(());
    }
    let stored = call.store(key, 2, deadline, tags)?;
    match stored {
        _ if options.get => {}
        // Whoever asks not to overwrite asks whether its value is the one that is there.
        Stored::Refused if options.nx => call.reply.null(),
        _ => call.reply.ok(),
    }
    Ok(())
}

fn set_for(call: &mut Call<'_, '_, '_>, unit: Unit, name: &str) -> Result {
    let deadline = call.deadline_to_store(call.args.at(2), unit, name)?;
    call.store(&call.keys[0], 3, Deadline::At(deadline), NewTags::None)?;
    call.reply.ok();
    Ok(())
}

pub(super) fn setex(call: &mut Call<'_, '_, '_>) -> Result {
    set_for(call, Unit::Seconds, "setex")
}

pub(super) fn psetex(call: &mut Call<'_, '_, '_>) -> Result {
    set_for(call, Unit::Milliseconds, "psetex")
}

pub(super) fn setnx(call: &mut Call<'_, '_, '_>) -> Result {
    let is_free = !call.section.exists(&call.keys[0]);
    let is_stored = is_free && call.store(&call.keys[0], 2, Deadline::None, NewTags::None)? == Stored::Kept;
    call.reply.flag(is_stored);
    Ok(())
}

pub(super) fn getset(call: &mut Call<'_, '_, '_>) -> Result {
    check_length(call, call.args.at(2).len())?;
    super::get::get(call)?;
    call.store(&call.keys[0], 2, Deadline::None, NewTags::None)?;
    Ok(())
}

fn check_pairs(call: &Call<'_, '_, '_>, name: &str) -> Result {
    if call.args.len().is_multiple_of(2) {
        return Err(super::failure::wrong_arity(name));
    }
    (2..call.args.len()).step_by(2).try_for_each(|place| check_length(call, call.args.at(place).len()))
}

fn store_pairs(call: &mut Call<'_, '_, '_>) -> Result {
    // Room for all before the first is stored: either all are, or none.
    call.section.reserve(super::ranges::size_of(call.args))?;
    for (pair, key) in call.keys.iter().enumerate() {
        call.store(key, pair * 2 + 2, Deadline::None, NewTags::None)?;
    }
    Ok(())
}

pub(super) fn mset(call: &mut Call<'_, '_, '_>) -> Result {
    check_pairs(call, "mset")?;
    store_pairs(call)?;
    call.reply.ok();
    Ok(())
}

pub(super) fn msetnx(call: &mut Call<'_, '_, '_>) -> Result {
    check_pairs(call, "msetnx")?;
    let all_free = call.keys.iter().all(|key| !call.section.exists(key));
    if all_free {
        store_pairs(call)?;
    }
    call.reply.flag(all_free);
    Ok(())
}
