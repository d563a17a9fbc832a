//! The faults that are injected now, and what they mean for one call.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::Errno;
use super::fault::{Fault, Kind, Op};
use super::gate::Gate;

/// Faults at once; a test needs a handful.
const RULES_MAX: usize = 256;

/// A fault with its counts.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) fault: Fault,
    turns: Mutex<Turns>,
    fired: AtomicU64,
    gate: Gate,
}

#[derive(Debug)]
struct Turns {
    seen: u64,
    left: u64,
    random: u64,
}

impl Rule {
    fn new(fault: Fault) -> Self {
        let turns = Turns { seen: 0, left: fault.times, random: fault.seed };
        Self { fault, turns: Mutex::new(turns), fired: AtomicU64::new(0), gate: Gate::default() }
    }

    /// Whether it fires at this call, which it is then counted for.
    fn fires(&self) -> bool {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.seen += 1;
        if turns.seen <= self.fault.after || turns.left == 0 {
            return false;
        }
        if self.fault.chance < 1.0 && unit(next(&mut turns.random)) >= self.fault.chance {
            return false;
        }
        turns.left -= 1;
        self.count();
        true
    }

    pub(super) fn count(&self) {
        self.fired.fetch_add(1, Relaxed);
    }

    /// Takes back a firing that changed nothing, such as a bit to be flipped in no bytes.
    pub(super) fn take_back(&self) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.left = turns.left.saturating_add(1);
        self.fired.fetch_sub(1, Relaxed);
    }

    /// Makes one bit another; `bytes` is not empty.
    pub(super) fn flip(&self, bytes: &mut [u8]) {
        let random = next(&mut self.turns.lock().unwrap_or_else(PoisonError::into_inner).random);
        let bit = random % (bytes.len() as u64 * 8);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
}

/// SplitMix64: small, seedable, and the same everywhere.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// From 0 up to 1.
fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// A fault that was injected. Dropping this does not end it.
#[derive(Clone, Debug)]
pub struct Injected {
    rule: Arc<Rule>,
    rules: Arc<Rules>,
}

impl Injected {
    /// How many calls it has changed so far; a stalled one counts from its beginning.
    pub fn fired(&self) -> u64 {
        self.rule.fired.load(Relaxed)
    }

    /// How many calls it stalls at this moment.
    pub fn stalled(&self) -> usize {
        self.rule.gate.waiting()
    }

    /// Lets go what it stalls, and stalls nothing more.
    pub fn release(&self) {
        self.rule.gate.open();
    }

    /// Ends it, releasing what it stalls.
    pub fn clear(&self) {
        self.rules.write(|rules| rules.retain(|rule| !Arc::ptr_eq(rule, &self.rule)));
        self.release();
    }
}

/// All of them, in the order in which they were injected.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: RwLock<Vec<Arc<Rule>>>,
    is_closed: AtomicBool,
}

impl Rules {
    pub(super) fn add(self: &Arc<Self>, fault: Fault) -> Injected {
        let rule = Arc::new(Rule::new(fault));
        self.write(|rules| {
            assert!(rules.len() < RULES_MAX, "more than {RULES_MAX} faults at once");
            rules.push(Arc::clone(&rule));
        });
        Injected { rule, rules: Arc::clone(self) }
    }

    pub(super) fn clear(&self) {
        self.write(|rules| rules.drain(..).for_each(|rule| rule.gate.open()));
    }

    /// Clears them for good: a call that comes later meets none.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Relaxed);
        self.clear();
    }

    fn write<T>(&self, change: impl FnOnce(&mut Vec<Arc<Rule>>) -> T) -> T {
        change(&mut self.rules.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is to be done to a call; `path` is asked for when there is any fault at all.
    pub(super) fn plan(&self, op: Op, caller: u32, path: impl FnOnce() -> Option<Box<Path>>) -> Plan {
        let mut plan = Plan { caller, ..Plan::default() };
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        if rules.is_empty() || self.is_closed.load(Relaxed) {
            return plan;
        }
        let path = path().unwrap_or_else(|| Path::new("").into());
        let name = path.to_string_lossy();
        for rule in rules.iter().filter(|rule| rule.fault.meets(op, &name)) {
            let place = match rule.fault.kind {
                // What it does depends on how much room there is: it counts itself.
                Kind::Full(_) => {
                    plan.full.get_or_insert_with(|| Arc::clone(rule));
                    continue;
                }
                Kind::Stall(_) => {
                    if rule.fires() {
                        plan.stalls.push(Arc::clone(rule));
                    }
                    continue;
                }
                Kind::Cut(_) => &mut plan.cut,
                _ => &mut plan.change,
            };
            // The others would not be seen to fire: they keep their turn.
            if place.is_none() && rule.fires() {
                *place = Some(Arc::clone(rule));
            }
        }
        plan
    }

    /// The size of the disk, where one was given.
    pub(super) fn full_bytes(&self) -> Option<u64> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.iter().find_map(|rule| match rule.fault.kind {
            Kind::Full(bytes) => Some(bytes),
            _ => None,
        })
    }
}

/// What is to be done to one call.
#[derive(Debug, Default)]
pub(super) struct Plan {
    caller: u32,
    stalls: Vec<Arc<Rule>>,
    pub(super) cut: Option<Arc<Rule>>,
    pub(super) full: Option<Arc<Rule>>,
    pub(super) change: Option<Arc<Rule>>,
}

impl Plan {
    pub(super) fn is_stalled(&self) -> bool {
        !self.stalls.is_empty()
    }

    /// Waits for as long as it is stalled.
    pub(super) fn wait(&self) {
        for rule in &self.stalls {
            if let Kind::Stall(limit) = rule.fault.kind {
                rule.gate.wait(limit, self.caller);
            }
        }
    }

    /// The error that the call is to end with before anything is done.
    pub(super) fn refusal(&self) -> Result<(), Errno> {
        match self.change.as_ref().map(|rule| rule.fault.kind) {
            Some(Kind::Fail(errno)) => Err(errno),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(fault: Fault, calls: usize) -> Vec<usize> {
        let rules = Arc::new(Rules::default());
        let injected = rules.add(fault);
        let mut at = Vec::new();
        for call in 0..calls {
            let before = injected.fired();
            let plan = rules.plan(Op::Read, 0, || Some(Path::new("a/b.seg").into()));
            assert_eq!(plan.refusal().is_err(), injected.fired() > before);
            if injected.fired() > before {
                at.push(call);
            }
        }
        at
    }

    #[test]
    fn names_turns_and_chances() {
        let fault = || Fault::fail(&[Op::Read], Errno::IO);
        assert_eq!(fired(fault(), 3), [0, 1, 2]);
        assert_eq!(fired(fault().after(2).times(2), 9), [2, 3]);
        assert_eq!(fired(fault().on("a/b").on_ending(".seg").times(1), 3), [0]);
        assert_eq!(fired(fault().on("journal"), 3), []);
        assert_eq!(fired(fault().on_ending("b"), 3), []);
        assert_eq!(fired(Fault::fail(&[Op::Write], Errno::IO), 3), []);
        let some = fired(fault().chance(0.25, 7), 4_000);
        assert!((900..1100).contains(&some.len()), "{}", some.len());
        assert_eq!(some, fired(fault().chance(0.25, 7), 4_000));
        assert_ne!(some, fired(fault().chance(0.25, 8), 4_000));
        assert_eq!(fired(fault().chance(0.0, 1), 100), []);
    }

    #[test]
    fn of_two_the_first_fires_and_the_second_keeps_its_turn() {
        let rules = Arc::new(Rules::default());
        let first = rules.add(Fault::fail(&[Op::Read], Errno::IO).times(1));
        let second = rules.add(Fault::fail(&[Op::Read], Errno::NOSPC).times(1));
        let refusals = [(); 3].map(|()| rules.plan(Op::Read, 0, || None).refusal());
        assert_eq!(refusals, [Err(Errno::IO), Err(Errno::NOSPC), Ok(())]);
        assert_eq!([first.fired(), second.fired()], [1, 1]);
    }
}
