//! Generates cases, runs them, and makes every difference that it finds as small as it can.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::case::Case;
use super::compare::Mismatch;
use super::coverage::Coverage;
use super::generate;
use super::grammar::{self, Line, Presence};
use super::reply::Reply;
use super::run::{Outcome, Runner};
use super::trio::{Subject, Trio};

/// How often a case is run again on a machine that is too slow for it, before it counts as passed.
const RETRIES_MAX: usize = 8;

/// How many smaller cases are tried, and for how long, for each difference.
const SHRINKS_MAX: usize = 600;
const SHRINK_LIMIT: Duration = Duration::from_secs(30);

/// How much of a reply a report shows.
const SHOWN_CHARS_MAX: usize = 600;

/// Where the cases come from: each is made from the run's number and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The run's number.
    pub run: u64,
    /// The only case to run; else all from 0.
    pub case: Option<u64>,
}

impl Seed {
    /// As [`fmt::Display`] writes it: `RUN` or `RUN:CASE`.
    pub fn parse(text: &str) -> Option<Self> {
        let (run, case) = text.split_once(':').map_or((text, None), |(run, case)| (run, Some(case)));
        Some(Self { run: run.parse().ok()?, case: case.map(str::parse).transpose().ok()? })
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.run)?;
        self.case.map_or(Ok(()), |case| write!(f, ":{case}"))
    }
}

/// What to explore.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is compared with the peers.
    pub subject: Subject,
    /// Where the cases come from.
    pub seed: Seed,
    /// How many cases.
    pub cases: u64,
    /// How many at a time, each with servers of its own: while one waits for keys to expire, another works.
    pub jobs: usize,
    /// After how many differences to stop.
    pub differences_max: usize,
}

/// Something that the subject does like neither peer.
#[derive(Debug)]
pub struct Difference {
    /// With which the case can be run again.
    pub seed: Seed,
    /// The command, inside EXEC the queued one.
    pub name: &'static str,
    /// The smallest case that shows it.
    pub case: Case,
    /// What each step's replies were.
    trace: Vec<[Reply; 3]>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} differs (LARDER_DIFF_SEED={}):", self.name, self.seed)?;
        for (connection, _) in self.case.resp3.iter().enumerate().filter(|(_, resp3)| **resp3) {
            writeln!(f, "  [{connection}] HELLO 3")?;
        }
        for (at, step) in self.case.steps.iter().enumerate() {
            writeln!(f, "  {step:?}")?;
            let Some([subject, redis, valkey]) = self.trace.get(at) else { continue };
            if at + 1 == self.trace.len() {
                for (who, reply) in [("subject", subject), ("redis  ", redis), ("valkey ", valkey)] {
                    writeln!(f, "      {who}: {}", shortened(reply))?;
                }
            } else {
                writeln!(f, "      {}", shortened(subject))?;
            }
        }
        Ok(())
    }
}

/// A reply as text that a person still reads.
fn shortened(reply: &Reply) -> String {
    let text = format!("{reply:?}");
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{} ... ({} more bytes)", &text[..end], text.len() - end),
        None => text,
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many cases were run to their end or to a difference.
    pub cases: u64,
    /// How many steps these had.
    pub steps: u64,
    /// How many cases were given up because the machine was too slow for them.
    pub given_up: u64,
    /// How many differences were dropped because they did not show again.
    pub not_repeatable: u64,
    /// One for each command and kind of reply.
    pub differences: Vec<Difference>,
    /// What was covered.
    pub coverage: Coverage,
    /// What was not, of the grammar and of the subject's table.
    pub missing: Vec<String>,
    /// What was not, of the grammar alone.
    pub missing_of_grammar: Vec<String>,
    seen: Vec<Mismatch>,
}

/// Explores.
///
/// # Panics
/// When a server cannot be started or ends.
pub fn explore(options: &Options) -> Report {
    // Started once before all jobs, so that what is missing is said once.
    let trio = Trio::start(&options.subject);
    let report = Mutex::new(Report::default());
    let (next, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                let mut explorer = Explorer::start(options);
                explorer.work(options, &next, &enough, &report);
                report.lock().unwrap_or_else(PoisonError::into_inner).coverage.merge(&explorer.coverage);
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    let lines = grammar::table();
    report.missing = report.coverage.missing(&lines, &trio);
    report.missing_of_grammar = report.coverage.missing_of_grammar(&lines, &trio.0[0].commands);
    report
}

/// One job.
struct Explorer {
    trio: Trio,
    cases: BoxedStrategy<Case>,
    coverage: Coverage,
}

impl Explorer {
    fn start(options: &Options) -> Self {
        let trio = Trio::start(&options.subject);
        let has = |line: &Line| line.presence == Presence::Nowhere || trio.0[0].commands.contains(line.name);
        let lines: Vec<Line> = grammar::table().into_iter().filter(has).collect();
        Self {
            cases: generate::cases(&lines, |name| trio.fits_transactions(name)),
            trio,
            coverage: Coverage::default(),
        }
    }

    fn work(&mut self, options: &Options, next: &AtomicU64, enough: &AtomicBool, report: &Mutex<Report>) {
        let lock = || report.lock().unwrap_or_else(PoisonError::into_inner);
        let last = options.seed.case.map_or(options.cases, |case| case + 1);
        next.fetch_max(options.seed.case.unwrap_or(0), Ordering::Relaxed);
        while !enough.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= last {
                return;
            }
            let seed = Seed { run: options.seed.run, case: Some(number) };
            let mut tree = self.tree(seed);
            let case = tree.current();
            let tried = self.run(&case);
            {
                let mut report = lock();
                report.cases += 1;
                report.steps += case.steps.len() as u64;
                report.given_up += u64::from(matches!(tried, Tried::GivenUp));
            }
            let Tried::Differs(found) = tried else { continue };
            {
                let seen = &mut lock().seen;
                if seen.contains(&found.mismatch) {
                    continue;
                }
                seen.push(found.mismatch.clone());
            }
            let Some((case, found)) = self.smallest(tree.as_mut(), &case, found) else {
                lock().not_repeatable += 1;
                continue;
            };
            let mut report = lock();
            report.differences.push(Difference { seed, name: found.mismatch.name, case, trace: found.trace });
            if report.differences.len() >= options.differences_max {
                enough.store(true, Ordering::Relaxed);
            }
        }
    }

    fn tree(&self, seed: Seed) -> Box<dyn ValueTree<Value = Case>> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.run.to_le_bytes());
        bytes[8..16].copy_from_slice(&seed.case.unwrap_or(0).to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        Box::new(self.cases.new_tree(&mut runner).expect("no strategy of ours rejects"))
    }

    fn run(&mut self, case: &Case) -> Tried {
        for _ in 0..RETRIES_MAX {
            let mut runner = Runner::new(&mut self.trio);
            match runner.run(case, &mut self.coverage) {
                Outcome::Same => return Tried::Same,
                Outcome::TooSlow => {}
                Outcome::Differs { step, mismatch } => {
                    let trace = std::mem::take(&mut runner.replies);
                    return Tried::Differs(Found { step, mismatch, trace });
                }
            }
        }
        Tried::GivenUp
    }

    /// First whatever proptest tries, then step by step; `None` when the case does not even fail again.
    fn smallest(
        &mut self,
        tree: &mut dyn ValueTree<Value = Case>,
        case: &Case,
        found: Found,
    ) -> Option<(Case, Found)> {
        let mismatch = found.mismatch;
        let mut again = |case: &Case| match self.run(case) {
            Tried::Differs(found) if found.mismatch == mismatch => Some(found),
            _ => None,
        };
        let mut best = again(case).map(|found| (case.clone(), found))?;
        let deadline = Instant::now() + SHRINK_LIMIT;
        let mut tries = 0;
        'shrink: while tree.simplify() {
            loop {
                tries += 1;
                if tries > SHRINKS_MAX || Instant::now() > deadline {
                    break 'shrink;
                }
                let smaller = tree.current();
                if let Some(found) = again(&smaller) {
                    best = (smaller, found);
                    break;
                }
                if !tree.complicate() {
                    break 'shrink;
                }
            }
        }
        let (mut case, mut found) = best;
        case.steps.truncate(found.step + 1);
        // Until nothing more can go: what one step was needed for may have gone after it was tried.
        loop {
            let before = case.steps.len();
            for at in (0..found.step).rev() {
                let mut smaller = case.clone();
                if at + 1 < smaller.steps.len() {
                    smaller.steps.remove(at);
                }
                if let Some(again) = again(&smaller) {
                    smaller.steps.truncate(again.step + 1);
                    (case, found) = (smaller, again);
                }
            }
            if case.steps.len() == before || Instant::now() > deadline {
                break;
            }
        }
        Some((case, found))
    }
}

/// How running a case went, after running it again if need be.
enum Tried {
    Same,
    GivenUp,
    Differs(Found),
}

/// A difference as it was met.
struct Found {
    step: usize,
    mismatch: Mismatch,
    trace: Vec<[Reply; 3]>,
}
