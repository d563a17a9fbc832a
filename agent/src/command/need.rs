//! What a command needs of its keys before it runs, where some of them may lie on disk.

use larder_cache::{Key, Section};

use super::arguments::Args;
use super::table::{Command, Flags};

/// What has to be at hand of a command's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it overwrites or deletes what is there.
    Nothing,
    /// Whether there is an entry.
    Presence,
    /// What it reads, which changes nothing: it may also run and be run again.
    Reading,
    /// What it changes.
    Writing,
}

/// What a command needs of its keys.
pub(super) fn need_of(command: &Command, args: Args<'_>) -> Need {
    let flags = command.flags;
    if !flags.has(Flags::WRITE) {
        return Need::Reading;
    }
    if flags.has(Flags::PRESENCE) {
        return Need::Presence;
    }
    if !flags.has(Flags::BLIND) {
        return Need::Writing;
    }
    if args.len() <= 3 { Need::Nothing } else { need_of_options(command, args) }
}

/// What the options of SET need; a value that happens to look like one costs a look at the disk and nothing else.
fn need_of_options(command: &Command, args: Args<'_>) -> Need {
    let mut need = Need::Nothing;
    if command.name.ends_with("set") && command.name != "mset" {
        for place in 3..args.len() {
            if args.is(place, "GET") || args.is(place, "KEEPTTL") {
                return Need::Writing;
            }
            if args.is(place, "NX") || args.is(place, "XX") {
                need = Need::Presence;
            }
        }
    }
    need
}

impl Need {
    /// Brings it to hand; false if something has to be fetched first.
    pub(super) fn prepare(self, section: &mut Section<'_>, keys: &[Key<'_>]) -> bool {
        let mut is_ready = true;
        for key in keys {
            is_ready &= match self {
                Self::Nothing => true,
                Self::Presence => section.prepare_presence(key),
                Self::Reading => section.prepare(key, false),
                Self::Writing => section.prepare(key, true),
            };
        }
        is_ready
    }
}
