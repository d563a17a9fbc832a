//! Times to live: `EXPIRE` and its kin, `PERSIST`, and how every command reads a time.

use larder_cache::clock::{DEADLINE_MAX, Millis};

use super::failure::{Failure, invalid_expire, shown};
use super::outcome::{Call, Result};
use crate::resp::number::parse_i64;

/// What a time to live is given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl Unit {
    fn is_seconds(self) -> bool {
        matches!(self, Self::Seconds | Self::UnixSeconds)
    }

    fn is_absolute(self) -> bool {
        matches!(self, Self::UnixSeconds | Self::UnixMilliseconds)
    }

    /// The unit that an option of SET or GETEX names.
    pub(super) fn of_option(option: &[u8]) -> Option<Self> {
        let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
        match () {
            () if is("EX") => Some(Self::Seconds),
            () if is("PX") => Some(Self::Milliseconds),
            () if is("EXAT") => Some(Self::UnixSeconds),
            () if is("PXAT") => Some(Self::UnixMilliseconds),
            () => None,
        }
    }
}

impl Call<'_, '_, '_> {
    /// Milliseconds that the argument means, before it is related to the present.
    fn scaled(&self, text: &[u8], unit: Unit, command: &str) -> std::result::Result<i64, Failure> {
        let number = parse_i64(text).ok_or(super::failure::NOT_AN_INTEGER)?;
        if unit.is_seconds() {
            number.checked_mul(1000).ok_or_else(|| invalid_expire(command))
        } else {
            Ok(number)
        }
    }

    /// The deadline that a number means, past ones included; an error if Redis could not express it.
    fn deadline(&self, ms: i64, unit: Unit, command: &str) -> std::result::Result<Millis, Failure> {
        if unit.is_absolute() {
            return Ok(self.node.wall.deadline(ms));
        }
        let present = self.node.wall.unix_ms(self.now());
        ms.checked_add(present).ok_or_else(|| invalid_expire(command))?;
        let boot = i128::from(self.now().0) + i128::from(ms);
        Ok(Millis(boot.clamp(0, i128::from(DEADLINE_MAX.0)) as u64))
    }

    /// The deadline of a value that is being stored: the time has to be positive.
    pub(super) fn deadline_to_store(
        &self,
        text: &[u8],
        unit: Unit,
        command: &str,
    ) -> std::result::Result<Millis, Failure> {
        let number = parse_i64(text).ok_or(super::failure::NOT_AN_INTEGER)?;
        if number <= 0 {
            return Err(invalid_expire(command));
        }
        let ms = self.scaled(text, unit, command)?;
        self.deadline(ms, unit, command)
    }
}

/// When EXPIRE may change what is there.
#[derive(Clone, Copy, Debug, Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn read(call: &Call<'_, '_, '_>) -> std::result::Result<Self, Failure> {
        let mut found = Self::default();
        for place in 3..call.args.len() {
            match () {
                () if call.args.is(place, "NX") => found.nx = true,
                () if call.args.is(place, "XX") => found.xx = true,
                () if call.args.is(place, "GT") => found.gt = true,
                () if call.args.is(place, "LT") => found.lt = true,
                () => {
                    let option = shown(call.args.at(place));
                    return Err(Failure::with(format!("ERR Unsupported option {option}")));
                }
            }
        }
        if found.nx && (found.xx || found.gt || found.lt) {
            return Err(Failure::new("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if found.gt && found.lt {
            return Err(Failure::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(found)
    }

    /// Whether a key with this deadline may get that one; no deadline counts as the latest of all.
    fn allow(self, old: Option<Millis>, new: Millis) -> bool {
        !(self.nx && old.is_some()
            || self.xx && old.is_none()
            || self.gt && old.is_none_or(|old| new <= old)
            || self.lt && old.is_some_and(|old| new >= old))
    }
}

fn expire_in(call: &mut Call<'_, '_, '_>, unit: Unit, name: &str) -> Result {
    let conditions = Conditions::read(call)?;
    let ms = call.scaled(call.args.at(2), unit, name)?;
    let deadline = call.deadline(ms, unit, name)?;
    let key = &call.keys[0];
    let Some(view) = call.section.peek(key) else {
        call.reply.int(0);
        return Ok(());
    };
    if !conditions.allow(view.deadline, deadline) {
        call.reply.int(0);
    } else if deadline <= call.section.now() {
        call.section.remove(key);
        call.reply.int(1);
    } else {
        call.section.set_deadline(key, Some(deadline));
        call.reply.int(1);
    }
    Ok(())
}

pub(super) fn expire(call: &mut Call<'_, '_, '_>) -> Result {
    expire_in(call, Unit::Seconds, "expire")
}

pub(super) fn pexpire(call: &mut Call<'_, '_, '_>) -> Result {
    expire_in(call, Unit::Milliseconds, "pexpire")
}

pub(super) fn expireat(call: &mut Call<'_, '_, '_>) -> Result {
    expire_in(call, Unit::UnixSeconds, "expireat")
}

pub(super) fn pexpireat(call: &mut Call<'_, '_, '_>) -> Result {
    expire_in(call, Unit::UnixMilliseconds, "pexpireat")
}

pub(super) fn persist(call: &mut Call<'_, '_, '_>) -> Result {
    let key = &call.keys[0];
    let expires = call.section.peek(key).is_some_and(|view| view.deadline.is_some());
    if expires {
        call.section.set_deadline(key, None);
    }
    call.reply.flag(expires);
    Ok(())
}
