//! What the keys of a client that alone writes them may hold: nothing, which a cache may always come to, or one of the entries
//! that some order of what was acknowledged, and of what may or may not have been done, leaves behind.
//!
//! A reply narrows them down: an entry under which the command would have answered something else was not there.

use std::collections::{BTreeMap, BTreeSet};

use larder_tests::resp::Value;

use super::command::{Command, Key, name_of};
use super::moment::{Moment, SLACK, Span};

/// One that a key may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    /// The latest moment at which it may end.
    pub(crate) until: Option<Moment>,
    pub(crate) tags: BTreeSet<u8>,
}

impl Entry {
    pub(crate) fn may_live_at(&self, moment: Moment) -> bool {
        self.until.is_none_or(|until| moment <= until + SLACK)
    }
}

/// A reply as it ought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Ok,
    Nil,
    Int(i64),
    Flag,
    Bulk(Vec<u8>),
    /// Milliseconds to live, so many at most; without a limit, also that there is none.
    Remaining(Option<u128>),
}

impl Told {
    fn is(&self, reply: &Value) -> bool {
        match (self, reply) {
            (Self::Ok, Value::Simple(text)) => text == b"OK",
            (Self::Nil, reply) => reply.is_null(),
            (Self::Int(number), Value::Int(told)) => number == told,
            (Self::Flag, Value::Int(told)) => (0..=1).contains(told),
            (Self::Bulk(value), Value::Bulk(told)) => value == told,
            (Self::Remaining(None), Value::Int(told)) => *told >= -1,
            (Self::Remaining(Some(most)), Value::Int(told)) => {
                u128::try_from(*told).is_ok_and(|told| told <= *most)
            }
            _ => false,
        }
    }
}

/// The entries that the keys of two databases may hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Possible {
    databases: [BTreeMap<Key, Vec<Entry>>; 2],
}

impl Possible {
    /// What a key may hold beside nothing.
    pub(crate) fn of(&self, database: usize, key: Key) -> &[Entry] {
        self.databases[database].get(&key).map_or(&[], Vec::as_slice)
    }

    /// Everything was emptied while nobody did anything.
    pub(crate) fn clear(&mut self) {
        self.databases = Default::default();
    }

    /// Either this or the other is the case.
    pub(crate) fn or(&mut self, other: &Self) {
        for (mine, others) in self.databases.iter_mut().zip(&other.databases) {
            for (&key, entries) in others {
                let known = mine.entry(key).or_default();
                for entry in entries {
                    if !known.contains(entry) {
                        known.push(entry.clone());
                    }
                }
            }
        }
    }

    fn alive(&self, database: usize, key: Key, at: Span) -> Vec<Entry> {
        self.of(database, key).iter().filter(|entry| entry.may_live_at(at.sent)).cloned().collect()
    }

    /// A command was run at some moment of a span. Without a reply, what it told does not matter. `Err` says why a reply
    /// cannot be explained; the command counts as done then.
    pub(crate) fn run(
        &mut self,
        database: usize,
        command: &Command,
        at: Span,
        reply: Option<&Value>,
    ) -> Result<(), String> {
        if let Some(key) = command.single_key() {
            return self.run_single(database, key, command, at, reply);
        }
        let is = |told: Told| reply.is_none_or(|reply| told.is(reply));
        let unexplained = || Err(format!("the reply {reply:?} cannot be explained"));
        match command {
            Command::Rename(from, to) => {
                let mut moved = self.alive(database, *from, at);
                if reply.is_some_and(Value::is_error) {
                    return Ok(());
                }
                let explained = is(Told::Ok) && (reply.is_none() || !moved.is_empty());
                self.databases[database].insert(*from, Vec::new());
                // Without a reply it may have found nothing to move.
                if reply.is_none() {
                    moved.extend(self.alive(database, *to, at));
                }
                self.databases[database].insert(*to, moved);
                if explained { Ok(()) } else { unexplained() }
            }
            Command::Copy { from, to, .. } => {
                if reply.is_some_and(|reply| Told::Int(0).is(reply)) {
                    return Ok(());
                }
                let mut copied = self.alive(database, *from, at);
                let explained = is(Told::Int(1)) && (reply.is_none() || !copied.is_empty());
                if reply.is_none() {
                    copied.extend(self.alive(database, *to, at));
                }
                self.databases[database].insert(*to, copied);
                if explained { Ok(()) } else { unexplained() }
            }
            Command::SetMany(pairs) => {
                for (key, value) in pairs {
                    let entry = Entry { value: value.clone(), until: None, tags: BTreeSet::new() };
                    self.databases[database].insert(*key, vec![entry]);
                }
                if is(Told::Ok) { Ok(()) } else { unexplained() }
            }
            Command::Remove { keys, .. } => {
                let most = keys.iter().filter(|&&key| !self.alive(database, key, at).is_empty()).count();
                for key in keys {
                    self.databases[database].remove(key);
                }
                let told = reply.map_or(Some(0), Value::int);
                if told.is_some_and(|told| told >= 0 && told <= most as i64) { Ok(()) } else { unexplained() }
            }
            Command::PurgeKeys(keys) => {
                self.databases[database].retain(|key, _| !keys.contains(key));
                if is(Told::Int(keys.len() as i64)) { Ok(()) } else { unexplained() }
            }
            Command::PurgeTag(tag) => {
                let entries = self.databases[database].values_mut();
                entries.for_each(|entries| entries.retain(|entry| !entry.tags.contains(tag)));
                if is(Told::Int(1)) { Ok(()) } else { unexplained() }
            }
            Command::PurgePrefix(prefix) => {
                self.databases[database].retain(|&key, _| !name_of(key).starts_with(prefix));
                if is(Told::Int(1)) { Ok(()) } else { unexplained() }
            }
            Command::Flush => {
                self.databases[database].clear();
                if is(Told::Ok) { Ok(()) } else { unexplained() }
            }
            Command::Swap => {
                self.databases.swap(0, 1);
                if is(Told::Ok) { Ok(()) } else { unexplained() }
            }
            _ => unreachable!("{command:?} has one key"),
        }
    }

    fn run_single(
        &mut self,
        database: usize,
        key: Key,
        command: &Command,
        at: Span,
        reply: Option<&Value>,
    ) -> Result<(), String> {
        let before = self.alive(database, key, at);
        let is = |told: Told| reply.is_none_or(|reply| told.is(reply));
        let mut after: Vec<Entry> = Vec::new();
        let mut explained = false;
        for entry in before.iter().map(Some).chain([None]) {
            let (told, then) = command.step(entry, at);
            if is(told) {
                explained = true;
                after.extend(then.filter(|then| !after.contains(then)));
                // A miss does not say that nothing is there: a disk may have been too slow.
                if entry.is_none() && command.misses_gently() {
                    after.extend(
                        before.iter().filter(|entry| !after.contains(entry)).cloned().collect::<Vec<_>>(),
                    );
                }
            }
        }
        if !explained {
            // What it left is what it leaves where nothing was, lest one fault be told again and again.
            after.extend(command.step(None, at).1);
        }
        self.databases[database].insert(key, after);
        if explained { Ok(()) } else { Err(format!("the reply {} cannot be explained", brief(reply))) }
    }
}

fn brief(reply: Option<&Value>) -> String {
    let mut text = format!("{reply:?}");
    text.truncate(text.floor_char_boundary(80));
    text
}

#[cfg(test)]
mod tests;
