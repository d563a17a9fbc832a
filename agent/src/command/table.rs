//! The table of commands: dispatch, `COMMAND`, the documentation and the tests read this and nothing else.

mod rows;

use std::ops::BitOr;
use std::sync::LazyLock;

use super::outcome::{Call, Result};
pub use rows::COMMANDS;

/// What a verb's file offers.
pub type Run = for<'a, 's, 'c> fn(&mut Call<'a, 's, 'c>) -> Result;

/// One command or subcommand.
#[derive(Debug)]
pub struct Command {
    /// Lower case; a subcommand's is `container|name`.
    pub name: &'static str,
    /// Arguments, the name included; negative means at least so many.
    pub arity: i32,
    /// What it is like.
    pub flags: Flags,
    /// Which arguments are keys.
    pub keys: KeySpec,
    /// What family it belongs to, as Redis sorts them.
    pub group: &'static str,
    /// The version of Redis that had it first.
    pub since: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// How it runs.
    pub run: Run,
    /// Its subcommands, if it is a container.
    pub subcommands: &'static [Command],
}

/// First and last argument that is a key (from the end if negative) and the step between keys; zero for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// Place of the first key.
    pub first: i32,
    /// Place of the last key.
    pub last: i32,
    /// Distance from one key to the next.
    pub step: i32,
}

/// No argument is a key.
pub const NO_KEYS: KeySpec = KeySpec { first: 0, last: 0, step: 0 };

impl KeySpec {
    /// The places of the keys among `count` arguments.
    pub fn places(self, count: usize) -> impl Iterator<Item = usize> + Clone {
        let last = if self.last < 0 { count as i64 + i64::from(self.last) } else { i64::from(self.last) };
        let last = last.min(count as i64 - 1).max(-1);
        let first = if self.first == 0 { last + 1 } else { i64::from(self.first) };
        (first.max(0)..=last).step_by(self.step.max(1) as usize).map(|place| place as usize)
    }
}

/// Properties of a command, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(u16);

impl Flags {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// May change data.
    pub const WRITE: Self = Self(1);
    /// Reads data and changes none.
    pub const READONLY: Self = Self(1 << 1);
    /// Refused when memory is full and nothing may be evicted.
    pub const DENYOOM: Self = Self(1 << 2);
    /// Takes constant or logarithmic time.
    pub const FAST: Self = Self(1 << 3);
    /// For operators.
    pub const ADMIN: Self = Self(1 << 4);
    /// Allowed before a password was given.
    pub const NO_AUTH: Self = Self(1 << 5);
    /// Works on the whole cache, so it runs under every lock.
    pub const WHOLE: Self = Self(1 << 6);
    /// Runs at once inside a transaction instead of being queued.
    pub const NO_QUEUE: Self = Self(1 << 7);
    /// Only offered where `--debug-commands` says so.
    pub const DEBUG: Self = Self(1 << 8);
    /// Writes without asking what is there, whatever its options do not ask.
    pub const BLIND: Self = Self(1 << 9);
    /// Writes by whether something is there, not by what it is.
    pub const PRESENCE: Self = Self(1 << 10);
    /// What it writes governs other entries, as a version counter does.
    pub const GOVERNS: Self = Self(1 << 11);

    /// Whether all of these flags are set.
    #[inline]
    #[must_use]
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names that `COMMAND` gives them.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        const NAMES: [(Flags, &str); 6] = [
            (Flags::WRITE, "write"),
            (Flags::READONLY, "readonly"),
            (Flags::DENYOOM, "denyoom"),
            (Flags::FAST, "fast"),
            (Flags::ADMIN, "admin"),
            (Flags::NO_AUTH, "no_auth"),
        ];
        NAMES.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, name)| *name).collect()
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl Command {
    /// Whether so many arguments, the name included, are acceptable.
    #[inline]
    #[must_use]
    pub fn accepts(&self, count: usize) -> bool {
        let count = count as i64;
        if self.arity >= 0 { count == i64::from(self.arity) } else { count >= -i64::from(self.arity) }
    }

    /// The name without its container's.
    #[must_use]
    pub fn short_name(&self) -> &'static str {
        self.name.split('|').next_back().unwrap_or(self.name)
    }

    /// The subcommand of this name, in any case.
    #[must_use]
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Self> {
        self.subcommands.iter().find(|sub| sub.short_name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The row's place in [`COMMANDS`]; a subcommand has none.
    #[inline]
    #[must_use]
    pub fn row(&'static self) -> Option<usize> {
        let offset = std::ptr::from_ref(self).addr().wrapping_sub(COMMANDS.as_ptr().addr());
        let row = offset / size_of::<Self>();
        (row < COMMANDS.len()).then_some(row)
    }
}

const BUCKETS: usize = 1024;
/// Longest name of a command.
const NAME_MAX: usize = 16;

/// A command under its name as one number, so that a look-up compares no bytes.
type Bucket = Option<(u128, &'static Command)>;

/// A bucket for each command's name; names that share one stand in the next free ones.
static BY_NAME: LazyLock<Box<[Bucket]>> = LazyLock::new(|| {
    let mut buckets: Box<[Bucket]> = vec![None; BUCKETS].into_boxed_slice();
    for command in COMMANDS {
        let name = fold(command.name.as_bytes()).expect("names are short");
        let mut bucket = bucket(name);
        while buckets[bucket].is_some() {
            bucket = (bucket + 1) % BUCKETS;
        }
        buckets[bucket] = Some((name, command));
    }
    buckets
});

/// A name as a number, with the bit that tells letters' cases apart set; `None` if it is too long for a command.
///
/// Other bytes lose that bit as well; the one confusion among names is DEL for an underscore, and does no harm.
#[inline]
fn fold(name: &[u8]) -> Option<u128> {
    const CASE: u128 = 0x2020_2020_2020_2020_2020_2020_2020_2020;
    let word = |from: usize| name[from..from + 8].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (low, high) = match name.len() {
        0 => return None,
        len @ 1..=7 => (name.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)), len as u64),
        8 => (word(0), 8),
        // The two words overlap, which loses nothing.
        len @ 9..=NAME_MAX => (word(0), word(len - 8)),
        _ => return None,
    };
    Some((u128::from(high) << 64 | u128::from(low)) | CASE)
}

#[inline]
fn bucket(name: u128) -> usize {
    let mixed = (name as u64 ^ (name >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 54) as usize
}

/// Finds a command by its name in any case.
#[inline]
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static Command> {
    let folded = fold(name)?;
    let mut bucket = bucket(folded);
    loop {
        let (known, command) = BY_NAME[bucket]?;
        if known == folded && command.name.len() == name.len() {
            return Some(command);
        }
        bucket = (bucket + 1) % BUCKETS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case() {
        for (row, command) in COMMANDS.iter().enumerate() {
            let found = find(command.name.to_uppercase().as_bytes()).expect(command.name);
            assert_eq!(found.name, command.name);
            assert_eq!(found.row(), Some(row));
            for sub in command.subcommands {
                assert!(sub.name.starts_with(&format!("{}|", command.name)), "{}", sub.name);
                assert_eq!(sub.row(), None);
            }
        }
        assert!(find(b"no-such-command").is_none());
    }

    #[test]
    fn key_places_follow_the_specification() {
        let places =
            |first, last, step, count| KeySpec { first, last, step }.places(count).collect::<Vec<_>>();
        assert_eq!(places(1, 1, 1, 3), [1]);
        assert_eq!(places(1, -1, 2, 5), [1, 3]);
        assert_eq!(places(2, -1, 1, 4), [2, 3]);
        assert_eq!(places(1, -1, 1, 1), [0usize; 0]);
        assert_eq!(places(0, 0, 0, 3), [0usize; 0]);
    }
}
