//! The loop: all clients at once, through many lives of one agent, each ended at a random moment.

use std::collections::{BTreeMap, VecDeque};
use std::thread::{scope, sleep};
use std::time::Duration;

use larder_tests::resp::Value;

use super::clients::fills::Fills;
use super::clients::liar::Snapshot;
use super::clients::owner::Owner;
use super::clients::residents::Residents;
use super::clients::shared::{self, Shared};
use super::clients::versions::Versions;
use super::clients::{ballast, fills, liar, versions};
use super::findings::{Findings, Tally};
use super::life::Life;
use super::moment::now;
use super::random::Random;
use super::subject::{End, Subject, has_disk};
use super::trouble::Trouble;

/// The databases of those that own theirs.
const OWNED: [[u32; 2]; 3] = [[4, 5], [6, 7], [8, 9]];
/// Lives that are told of where there were violations.
const LIVES: usize = 12;
/// After so many violations a run ends.
const ENOUGH: u64 = 20;
const SHARERS: u64 = 3;
const LOADERS: u64 = 2;

/// What a run does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) cycles: u64,
    /// Files are damaged between some lives.
    pub(crate) damage: bool,
    /// Whose keys a liar lies in.
    pub(crate) lie: Option<Lie>,
}

/// Where the checker is lied to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lie {
    Owned,
    Shared,
    Fills,
    Versions,
    /// In all of them, by a restart that brings back what was there at some moment of the life before.
    Restart,
}

/// All that is known of an agent's contents.
pub(crate) struct World {
    pub(crate) plan: Plan,
    random: Random,
    subject: Subject,
    owners: Vec<Owner>,
    shared: Shared,
    fills: Fills,
    versions: Versions,
    pub(crate) residents: Residents,
    pub(crate) kills: u64,
    pub(crate) emptied: u64,
    pub(crate) damaged: u64,
    pub(crate) lies: u64,
    /// Fills that an invalidation had overtaken.
    pub(crate) refused: i64,
    /// Fills whose miss the agent had forgotten.
    pub(crate) unmatched: i64,
    /// What was done to the agent in the last lives.
    lives: VecDeque<String>,
    /// Starts that found nothing they believed, by reason.
    pub(crate) cold: BTreeMap<String, u64>,
    /// What goes wrong, if anything does.
    pub(crate) trouble: Option<Trouble>,
    remembered: Snapshot,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        Self::over(plan, Subject::new(), None)
    }

    /// One in whose lives something goes wrong with the disk or the clock.
    pub(crate) fn troubled(plan: Plan, trouble: Trouble) -> Self {
        let mut subject =
            if trouble.spares_the_disk() { Subject::new() } else { Subject::over(trouble.directory()) };
        subject.environment = trouble.environment();
        Self::over(plan, subject, Some(trouble))
    }

    fn over(plan: Plan, subject: Subject, trouble: Option<Trouble>) -> Self {
        Self {
            plan,
            random: Random::of(plan.seed, 0, 0),
            subject,
            lives: VecDeque::new(),
            cold: BTreeMap::new(),
            trouble,
            owners: OWNED.map(Owner::new).into(),
            shared: Shared::new(),
            fills: Fills::new(),
            versions: Versions::new(),
            residents: Residents::new(),
            kills: 0,
            emptied: 0,
            damaged: 0,
            lies: 0,
            refused: 0,
            unmatched: 0,
            remembered: Snapshot::new(),
        }
    }

    /// Runs all cycles, or until what cannot be explained is more than need be shown.
    pub(crate) fn run(&mut self) {
        for number in 1..=self.plan.cycles {
            self.cycle(number);
            if self.plan.lie.is_none() && self.violations() > ENOUGH {
                break;
            }
        }
    }

    pub(crate) fn findings(&self) -> impl Iterator<Item = &Findings> {
        let owners = self.owners.iter().map(|owner| &owner.findings);
        let others = [&self.shared.findings, &self.fills.findings, &self.versions.findings];
        owners.chain(others).chain([&self.residents.findings])
    }

    pub(crate) fn violations(&self) -> u64 {
        self.findings().map(|findings| findings.violations).sum()
    }

    /// What was found of the kind that was lied to.
    pub(crate) fn violations_of(&self, lie: Lie) -> u64 {
        match lie {
            Lie::Owned => self.owners.iter().map(|owner| owner.findings.violations).sum(),
            Lie::Shared => self.shared.findings.violations,
            Lie::Fills => self.fills.findings.violations,
            Lie::Versions => self.versions.findings.violations,
            Lie::Restart => self.violations(),
        }
    }

    pub(crate) fn report(&self) -> String {
        let mut tally = Tally::default();
        self.findings().for_each(|findings| tally += findings.tally);
        let percent = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
        let (clean, unclean) = (self.residents.after_termination, self.residents.after_kill);
        let mut text = format!(
            "{} cycles ({} killed, {} emptied whole, {} damaged), {} operations, {} not acknowledged, {} reads \
             checked, {} hits, {} of them after a restart; warm after SIGTERM: {} of {} ({:.1} %), after SIGKILL: \
             {} of {} ({:.1} %); least of one life {:?} and {:?}; cold starts {:?}; {} version counters lost; {} fills refused, {} unmatched; \
             {} violations",
            self.plan.cycles,
            self.kills,
            self.emptied,
            self.damaged,
            tally.operations,
            tally.unacknowledged,
            tally.reads,
            tally.hits,
            tally.hits_after_restart,
            clean.hits,
            clean.due,
            percent(clean.hits, clean.due),
            unclean.hits,
            unclean.due,
            percent(unclean.hits, unclean.due),
            clean.least,
            unclean.least,
            self.cold,
            self.versions.lost,
            self.refused,
            self.unmatched,
            self.violations(),
        );
        if let Some(trouble) = &self.trouble {
            text.push_str(&format!("\ntroubles fired: {:?}", trouble.fired()));
        }
        if self.violations() > 0 {
            self.lives.iter().for_each(|line| text.push_str(&format!("\n{line}")));
        }
        for shown in self.findings().flat_map(Findings::shown) {
            text.push_str("\n\n");
            text.push_str(shown);
        }
        text
    }

    fn cycle(&mut self, number: u64) {
        let workers = 1 + self.random.below(2);
        let agent = self.subject.start(workers);
        liar::put_back(&mut agent.client(), &self.remembered);
        let cold = self.subject.cold();
        let mut line = format!("{:.6?}: life {number}, {workers} workers, cold {cold:?}", now());
        if let Some(reason) = cold {
            *self.cold.entry(reason).or_default() += 1;
        }
        self.lies += self.remembered.len() as u64;
        let end = match self.random.below(8) {
            0 | 1 => End::Terminate,
            2 => End::KillWhileTerminating(Duration::from_micros(self.random.below(20_000))),
            _ => End::Kill,
        };
        let lasts = Duration::from_millis(if self.random.one_in(6) && self.plan.lie.is_none() {
            self.random.below(60)
        } else {
            150 + self.random.below(450)
        });
        let empties = self.random.one_in(10);
        // What is to be found after a clean end must not have been evicted before it.
        let is_troubled = self.trouble.as_ref().is_some_and(|trouble| !trouble.spares_the_disk());
        let has_ballast = has_disk() && (end != End::Terminate || is_troubled);
        let life = Life::new(self.subject.socket(), number, self.plan.seed);
        self.live(&life, lasts, end, has_ballast, empties);
        line.push_str(&format!(", emptied {empties}, {end:?}"));
        self.kills += u64::from(end != End::Terminate || empties);
        self.residents.ended(Some(end).filter(|_| !empties));
        if let Some(trouble) = &mut self.trouble {
            trouble.end(&mut self.random);
            if is_troubled {
                self.residents.ended(None);
            }
        }
        if self.plan.damage
            && self.random.one_in(2)
            && let Some(what) = self.subject.damage(&mut self.random)
        {
            line.push_str(&format!(", {what}"));
            self.damaged += 1;
            self.residents.ended(None);
        }
        if self.lives.len() == LIVES {
            self.lives.pop_front();
        }
        self.lives.push_back(line);
    }

    /// One life with all its clients, until its end.
    fn live(&mut self, life: &Life, lasts: Duration, end: End, has_ballast: bool, empties: bool) {
        let (subject, fills, plan) = (&mut self.subject, &self.fills, self.plan);
        let (owners, versions, residents) = (&mut self.owners, &mut self.versions, &mut self.residents);
        let (refused, unmatched) = (&mut self.refused, &mut self.unmatched);
        let (trouble, random) = (&mut self.trouble, &mut self.random);
        let (sharers, fillers, (lies, remembered), is_unsure) = scope(|threads| {
            for owner in owners.iter_mut() {
                threads.spawn(|| owner.live(life));
            }
            threads.spawn(|| versions.live(life));
            threads.spawn(|| residents.live(life));
            if has_ballast {
                threads.spawn(|| ballast::live(life));
            }
            let sharers: Vec<_> =
                (0..SHARERS).map(|number| threads.spawn(move || shared::live(life, number))).collect();
            let mut fillers: Vec<_> =
                (0..LOADERS).map(|number| threads.spawn(move || fills.load(life, number))).collect();
            fillers.push(threads.spawn(|| fills.purge(life, 0)));
            let liar = plan.lie.map(|lie| threads.spawn(move || lie_to(lie, life, lasts)));
            // Something lies on disk by then, of this life or an earlier one.
            let well = trouble.as_ref().map_or(lasts, |_| lasts.mul_f64(random.below(100) as f64 / 100.0));
            sleep(well);
            if let Some(trouble) = trouble {
                trouble.begin(subject.agent(), random);
            }
            sleep(lasts - well);
            let info = subject.agent().client().call("LARDER.INFO");
            let count = |name: &str| info.get(name).and_then(Value::int).unwrap_or_default();
            *refused += count("fills_refused");
            *unmatched += count("fills_unmatched");
            // A lie is a value that nobody has missed.
            let is_unsure = plan.lie.is_none() && count("fills_unmatched") > 0;
            if empties {
                life.halt();
            } else {
                life.die();
                subject.end(end);
                life.halt();
            }
            let join = "a client does not panic";
            let sharers: Vec<_> = sharers.into_iter().map(|thread| thread.join().expect(join)).collect();
            let fillers: Vec<_> = fillers.into_iter().map(|thread| thread.join().expect(join)).collect();
            let liar = liar.map(|thread| thread.join().expect(join)).unwrap_or_default();
            (sharers, fillers, liar, is_unsure)
        });
        self.lies += lies;
        self.remembered = remembered;
        self.shared.settle(sharers);
        self.fills.settle(fillers, is_unsure);
        if empties {
            self.empty();
        }
    }

    /// Empties everything while nobody does anything, and kills the agent right after it said so.
    fn empty(&mut self) {
        let command = if self.random.one_in(2) { "FLUSHALL" } else { "LARDER.PURGE ALL" };
        let reply = self.subject.agent().client().call(command);
        assert!(!reply.is_error(), "{command}: {reply:?}");
        self.subject.end(End::Kill);
        self.emptied += 1;
        self.owners.iter_mut().for_each(Owner::emptied);
        self.shared.emptied();
        self.fills.emptied();
        self.versions.emptied();
        self.residents.emptied();
    }
}

/// Lies until the life's end; returns how often, or what is to be put back in the next.
fn lie_to(lie: Lie, life: &Life, lasts: Duration) -> (u64, Snapshot) {
    let owned = || (OWNED[0][0], Owner::names());
    let shared = || (shared::DATABASE, Shared::names());
    let fills = || (fills::DATABASE, Fills::names());
    let versions = || (versions::DATABASE, Versions::names());
    let (database, names) = match lie {
        Lie::Owned => owned(),
        Lie::Shared => shared(),
        Lie::Fills => fills(),
        Lie::Versions => versions(),
        Lie::Restart => {
            sleep(lasts / 2);
            return (0, liar::remember(life, &[owned(), shared(), fills(), versions()]));
        }
    };
    (liar::live(life, database, &names), Snapshot::new())
}
