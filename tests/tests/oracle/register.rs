//! The history of a key that several clients write at once, each value once only.
//!
//! A value may be read as long as some order of the operations ends with it, in which each takes effect between when it was
//! sent and when it was answered. One that was never answered may have taken effect before its process ended, or not at all.

use std::collections::BTreeMap;

use super::moment::{Moment, SLACK, Span};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) id: u64,
    pub(crate) sent: Moment,
    /// When it had taken effect, if it ever did.
    pub(crate) ended: Moment,
    pub(crate) acknowledged: bool,
    pub(crate) until: Option<Moment>,
}

/// Operations on a key: all of the present life, and of earlier ones what may still be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Register {
    writes: Vec<Write>,
    /// Acknowledged ones. (One that was not says nothing: it may not have happened.)
    removals: Vec<Span>,
    /// When a value was first seen in this life: it had been written by then.
    seen: BTreeMap<u64, Moment>,
}

impl Register {
    pub(crate) fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    pub(crate) fn removed(&mut self, at: Span) {
        self.removals.push(at);
    }

    /// A value was read: for all reads of a life, before any is judged.
    pub(crate) fn saw(&mut self, id: u64, at: Span) {
        let first = self.seen.entry(id).or_insert(at.answered);
        *first = at.answered.min(*first);
    }

    /// When a write had taken effect; what is only seen counts until the process ends, since it may end before it is written down.
    fn effective(&self, write: &Write) -> Option<Moment> {
        let seen = self.seen.get(&write.id).copied();
        let acknowledged = write.acknowledged.then_some(write.ended);
        [seen, acknowledged].into_iter().flatten().min()
    }

    /// What had certainly ended a value before a moment.
    fn ended_before(&self, write: &Write, moment: Moment) -> Option<String> {
        let ended = self.effective(write).map_or(write.ended, |effective| effective.min(write.ended));
        let overwriting = self.writes.iter().find(|other| {
            other.id != write.id
                && other.sent > ended
                && self.effective(other).is_some_and(|effective| effective < moment)
        });
        if let Some(other) = overwriting {
            return Some(format!("it had been overwritten by {:x}", other.id));
        }
        let removal = self.removals.iter().find(|removal| removal.sent > ended && removal.answered < moment);
        removal.map(|at| format!("it had been removed between {:.6?} and {:.6?}", at.sent, at.answered))
    }

    /// Whether reading this value can be explained; says why not.
    pub(crate) fn judge(&self, id: u64, at: Span) -> Result<(), String> {
        let Some(write) = self.writes.iter().find(|write| write.id == id) else {
            return Err(format!(
                "{id:x} was never written, or had been overwritten or removed in an earlier life"
            ));
        };
        if at.answered < write.sent {
            return Err(format!("{id:x} had not been written yet"));
        }
        if write.until.is_some_and(|until| until + SLACK < at.sent) {
            return Err(format!("{id:x} had expired by {:.6?}", write.until.unwrap_or_default()));
        }
        self.ended_before(write, at.sent).map_or(Ok(()), |what| Err(format!("{id:x}: {what}")))
    }

    /// The life is over: keeps what may be read in the next.
    pub(crate) fn settle(&mut self, now: Moment) {
        for write in &mut self.writes {
            if let Some(&seen) = self.seen.get(&write.id) {
                write.ended = write.ended.min(seen);
            }
        }
        self.seen.clear();
        let expired = |write: &Write| write.until.is_some_and(|until| until + SLACK < now);
        let left: Vec<Write> = self
            .writes
            .iter()
            .filter(|write| !expired(write) && self.ended_before(write, now).is_none())
            .copied()
            .collect();
        // A removal only ends what had been written before it, none of which is left.
        self.removals.clear();
        self.writes = left;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn span(sent: u64, answered: u64) -> Span {
        Span { sent: Duration::from_secs(sent), answered: Duration::from_secs(answered) }
    }

    fn write(id: u64, sent: u64, ended: u64, acknowledged: bool) -> Write {
        let at = span(sent, ended);
        Write { id, sent: at.sent, ended: at.answered, acknowledged, until: None }
    }

    fn register(writes: &[Write]) -> Register {
        Register { writes: writes.to_vec(), ..Register::default() }
    }

    #[test]
    fn of_writes_at_the_same_time_any_may_be_the_last() {
        let register = register(&[write(1, 1, 5, true), write(2, 2, 4, true)]);
        assert!(register.judge(1, span(6, 7)).is_ok());
        assert!(register.judge(2, span(6, 7)).is_ok());
    }

    #[test]
    fn what_was_overwritten_or_removed_is_not_to_be_read() {
        let mut register = register(&[write(1, 1, 2, true), write(2, 3, 4, true)]);
        assert!(register.judge(1, span(3, 5)).is_ok(), "while it is overwritten");
        assert!(register.judge(1, span(5, 6)).is_err());
        assert!(register.judge(2, span(5, 6)).is_ok());
        register.removed(span(7, 8));
        assert!(register.judge(2, span(7, 9)).is_ok());
        assert!(register.judge(2, span(9, 10)).is_err());
        register.settle(Duration::from_secs(20));
        assert!(register.writes.is_empty());
        assert!(register.judge(2, span(21, 22)).is_err());
        assert!(register.judge(3, span(21, 22)).is_err(), "never written");
    }

    #[test]
    fn what_was_not_acknowledged_may_have_happened_or_not() {
        let mut register = register(&[write(1, 1, 2, true), write(2, 3, 6, false)]);
        register.settle(Duration::from_secs(6));
        assert!(register.judge(1, span(7, 8)).is_ok());
        assert!(register.judge(2, span(7, 8)).is_ok());
        // Sent before the end of the second: it may have been first.
        register.write(write(3, 5, 9, true));
        assert!(register.judge(2, span(10, 11)).is_ok());
        assert!(register.judge(1, span(10, 11)).is_err());
    }

    #[test]
    fn what_was_seen_had_happened_but_not_for_the_next_life() {
        let mut register = register(&[write(1, 1, 2, true), write(2, 3, 9, false)]);
        register.saw(2, span(4, 5));
        assert!(register.judge(1, span(4, 5)).is_ok());
        assert!(register.judge(1, span(6, 7)).is_err());
        register.settle(Duration::from_secs(9));
        assert!(register.judge(1, span(10, 11)).is_ok());
        // It was there before this removal began.
        register.removed(span(6, 8));
        assert!(register.judge(2, span(10, 11)).is_err());
    }

    #[test]
    fn what_has_expired_is_not_to_be_read() {
        let until = Some(Duration::from_secs(3));
        let register = register(&[Write { until, ..write(1, 1, 2, true) }]);
        assert!(register.judge(1, span(3, 4)).is_ok());
        assert!(register.judge(1, span(4, 5)).is_err());
    }
}
