//! A client that invalidates by version keys: a counter is part of the names of the entries that it governs, and raising it
//! makes them unreachable.
//!
//! If the counter is lost and counts anew, the names of old come again; the entries under them must not. Each use of a number
//! has an epoch of its own, which its values tell.

use larder_tests::resp::{Client, Value};

use crate::findings::Findings;
use crate::life::{Life, words};
use crate::moment::{Span, now};
use crate::random::Random;

pub(crate) const DATABASE: u32 = 2;
const GROUPS: usize = 6;
const KEYS: usize = 5;

fn counter_of(group: usize) -> String {
    format!("version:{group}")
}

/// A group of entries and what its counter may hold beside nothing: numbers, each with the epoch of its present use.
#[derive(Clone, Debug, Default)]
struct Group {
    possible: Vec<(i64, u64)>,
    epoch: u64,
}

impl Group {
    /// The counter was read as this; `None` when that cannot be explained.
    fn read(&mut self, number: i64) -> Option<()> {
        let explained = self.possible.iter().any(|&(possible, _)| possible == number);
        if explained {
            self.possible.retain(|&(possible, _)| possible == number);
        } else {
            self.epoch += 1;
            self.possible = vec![(number, self.epoch)];
        }
        explained.then_some(())
    }

    /// The counter was raised, and answered this if it answered.
    fn raised(&mut self, answer: Option<i64>) -> Option<()> {
        self.epoch += 1;
        let from_nothing = [(1, self.epoch)];
        let raised = self.possible.iter().map(|&(number, _)| (number + 1, self.epoch)).chain(from_nothing);
        let mut raised: Vec<_> = raised.collect();
        raised.dedup();
        let Some(answer) = answer else {
            self.possible.extend(raised);
            return Some(());
        };
        let explained = raised.iter().any(|&(number, _)| number == answer);
        self.possible = vec![(answer, self.epoch)];
        explained.then_some(())
    }

    /// Whether a value of this epoch may be read under this number.
    fn governs(&self, number: i64, epoch: u64) -> bool {
        self.possible.contains(&(number, epoch))
    }
}

#[derive(Debug)]
pub(crate) struct Versions {
    groups: Vec<Group>,
    /// Counters that were not found any more.
    pub(crate) lost: u64,
    pub(crate) findings: Findings,
}

impl Versions {
    pub(crate) fn new() -> Self {
        let findings = Findings::new(format!("version keys of database {DATABASE}"));
        Self { groups: vec![Group::default(); GROUPS], lost: 0, findings }
    }

    /// The names of the counters.
    pub(crate) fn names() -> Vec<String> {
        (0..GROUPS).map(counter_of).collect()
    }

    /// Everything was emptied while nobody did anything. (Epochs go on, so that no value of before counts.)
    pub(crate) fn emptied(&mut self) {
        self.groups.iter_mut().for_each(|group| group.possible.clear());
        (0..GROUPS).for_each(|group| self.findings.note(&counter_of(group), "everything emptied"));
    }

    pub(crate) fn live(&mut self, life: &Life) {
        let mut random = Random::of(life.seed, life.number, 400);
        let Some(mut client) = life.connect(DATABASE, &mut self.findings) else { return };
        let hits = self.findings.tally.hits;
        for group in 0..GROUPS {
            if self.read(&mut client, life, group).is_none() {
                return;
            }
        }
        self.findings.tally.hits_after_restart += self.findings.tally.hits - hits;
        while life.goes_on() {
            let group = random.place(GROUPS);
            let went_on = if random.one_in(8) {
                self.raise(&mut client, life, group).map(|_| ())
            } else {
                self.read(&mut client, life, group)
            };
            if went_on.is_none() {
                return;
            }
        }
    }

    /// One command and its reply; `None` when the connection is lost.
    fn ask(
        &mut self,
        client: &mut Client,
        life: &Life,
        group: usize,
        command: Vec<Vec<u8>>,
    ) -> Option<Value> {
        let mut told = None;
        let line = crate::findings::brief(&command);
        let began = now();
        life.exchange(client, &[command], &mut self.findings, |_, _, at, reply| {
            told = Some((at, reply.clone()));
        });
        let at = told.as_ref().map_or(Span { sent: began, answered: now() }, |(at, _)| *at);
        let reply = told.map(|(_, reply)| reply);
        self.findings.tally.unacknowledged += u64::from(reply.is_none());
        let note = format!("{:.6?} to {:.6?}: {line} -> {reply:?}", at.sent, at.answered);
        self.findings.note(&counter_of(group), note);
        reply
    }

    fn raise(&mut self, client: &mut Client, life: &Life, group: usize) -> Option<i64> {
        let counter = counter_of(group);
        let reply = self.ask(client, life, group, words(&["INCR", &counter]));
        let number = reply.as_ref().and_then(Value::int);
        if self.groups[group].raised(number).is_none() {
            self.findings.violation(&counter, format_args!("{number:?} cannot be explained"));
        }
        number
    }

    /// What an application does: asks for the version, then for the entries, and loads what it misses.
    fn read(&mut self, client: &mut Client, life: &Life, group: usize) -> Option<()> {
        let counter = counter_of(group);
        let found = self.ask(client, life, group, words(&["GET", &counter]))?;
        let number = match found.text().and_then(|text| text.parse::<i64>().ok()) {
            Some(number) => {
                if self.groups[group].read(number).is_none() {
                    self.findings
                        .violation(&counter, format_args!("the version {number} cannot be explained"));
                }
                number
            }
            None => {
                self.lost += u64::from(!self.groups[group].possible.is_empty());
                self.raise(client, life, group)?
            }
        };
        let names: Vec<String> = (0..KEYS).map(|key| format!("v{number}:{group}:{key}")).collect();
        let command: Vec<&str> = ["MGET"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let values = self.ask(client, life, group, words(&command))?;
        // What the source holds is of the number's present use; a raise that was not answered may not have happened.
        let group_now = &self.groups[group];
        let present = group_now.possible.iter().find(|&&(possible, _)| possible == number);
        let epoch = present.map_or(group_now.epoch, |&(_, epoch)| epoch);
        for (name, value) in names.iter().zip(values.items().unwrap_or_default()) {
            self.findings.tally.reads += 1;
            if value.is_null() {
                self.ask(client, life, group, words(&["SET", name, &format!("{name} {epoch}")]))?;
                continue;
            }
            self.findings.tally.hits += 1;
            let text = value.text().unwrap_or_default();
            let told = text.strip_prefix(name.as_str()).and_then(|rest| rest.trim().parse().ok());
            if !told.is_some_and(|told| self.groups[group].governs(number, told)) {
                self.findings.violation(
                    &counter,
                    format_args!(
                        "{name} holds {text:?}, of another use of {number}: {:?}",
                        self.groups[group]
                    ),
                );
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_used_again_is_another() {
        let mut group = Group::default();
        assert!(group.raised(Some(1)).is_some());
        assert!(group.governs(1, 1));
        assert!(group.raised(Some(2)).is_some());
        assert!(!group.governs(1, 1) && group.governs(2, 2));
        // Lost, and counted anew.
        assert!(group.raised(Some(1)).is_some());
        assert!(!group.governs(1, 1) && group.governs(1, 3));
        assert!(group.raised(Some(7)).is_none());
    }

    #[test]
    fn a_raise_that_was_not_answered_may_have_happened() {
        let mut group = Group::default();
        group.raised(Some(1));
        group.raised(Some(2));
        group.raised(None);
        let mut other = group.clone();
        assert!(group.read(2).is_some() && group.governs(2, 2));
        assert!(group.read(3).is_none(), "it had not happened");
        assert!(other.read(3).is_some() && other.governs(3, 3));
        assert!(other.read(1).is_none());
    }
}
