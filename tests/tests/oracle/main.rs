//! The oracle: no restart, crash or fault ever brings back a value that was deleted, overwritten, expired or invalidated, and a
//! restart is warm nevertheless.
//!
//! Several kinds of clients work on the real agent, which is killed at random moments and started again over the same
//! directory. Every value that any of them reads must be explainable by what was acknowledged before. A miss always is: a cache
//! may lose. Where the agent has no disk tier each restart is empty, and nothing is asked of its warmth.
//!
//! In some runs the disk fails while they work: files are damaged between lives, a limit forbids writes, or a device of the tests' own
//! fails in one way or another.
//!
//! `LARDER_ORACLE_SEED` is the seed that a failure prints: it repeats what the clients do and when the agent ends, as far as
//! the machine's own timing lets it. `LARDER_ORACLE_CYCLES` is the number of lives; `LARDER_TESTS_ALL=1` makes it many.

#![allow(
    clippy::print_stdout,
    reason = "figures that are reported and not asserted go to the test's own output"
)]

mod at_rest;
mod clients;
mod clock;
mod command;
mod commands;
mod findings;
mod journal_stalled;
mod life;
mod moment;
mod pipelines;
mod possible;
mod random;
mod register;
mod stalled;
mod starts;
mod subject;
mod trouble;
mod warm;
mod world;

use std::time::UNIX_EPOCH;

use subject::has_disk;
use trouble::Trouble;
use world::{Lie, Plan, World};

/// Some seconds.
const CYCLES: u64 = 14;
/// Minutes.
const CYCLES_ALL: u64 = 1200;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// A new one for every run, printed, so that any can be run again.
fn seed() -> u64 {
    let fresh = || UNIX_EPOCH.elapsed().expect("it is after 1970").subsec_nanos().into();
    let seed = number("LARDER_ORACLE_SEED").unwrap_or_else(fresh);
    println!("LARDER_ORACLE_SEED={seed}");
    seed
}

fn cycles() -> u64 {
    let is_long = std::env::var_os("LARDER_TESTS_ALL").is_some_and(|value| value == "1");
    number("LARDER_ORACLE_CYCLES").unwrap_or(if is_long { CYCLES_ALL } else { CYCLES })
}

fn run(plan: Plan) -> World {
    run_world(World::new(plan))
}

fn run_world(mut world: World) -> World {
    let plan = world.plan;
    world.run();
    println!("{plan:?}\n{}", world.report());
    world
}

#[test]
fn no_end_of_the_agent_brings_back_what_is_gone() {
    let world = run(Plan { seed: seed(), cycles: cycles(), damage: false, lie: None });
    assert_eq!(world.violations(), 0, "printed above");
    assert!(world.refused > 0, "no invalidation overtook a fill: the test does not test them");
    if has_disk() {
        let residents = &world.residents;
        assert!(residents.after_termination.is_at_least(99), "{:?}", residents.after_termination);
        assert!(residents.after_kill.is_at_least(95), "{:?}", residents.after_kill);
    }
}

#[test]
fn nor_do_damaged_files() {
    if !has_disk() {
        return println!("not run: the agent has no disk tier");
    }
    let world = run(Plan { seed: seed(), cycles: cycles().div_ceil(2), damage: true, lie: None });
    assert_eq!(world.violations(), 0, "printed above");
}

#[test]
fn nor_do_writes_that_a_limit_forbids() {
    if !has_disk() {
        return println!("not run: the agent has no disk tier");
    }
    let plan = Plan { seed: seed(), cycles: cycles(), damage: false, lie: None };
    let world = run_world(World::troubled(plan, Trouble::file_limit()));
    assert_eq!(world.violations(), 0, "printed above");
}

#[test]
fn nor_does_a_disk_that_fails() {
    if !has_disk() {
        return println!("not run: the agent has no disk tier");
    }
    let plan = Plan { seed: seed(), cycles: cycles() * 2, damage: false, lie: None };
    let Some(trouble) = Trouble::device() else { return };
    let world = run_world(World::troubled(plan, trouble));
    assert_eq!(world.violations(), 0, "printed above");
    let fired = world.trouble.as_ref().map(Trouble::fired).unwrap_or_default();
    assert!(fired.values().filter(|&&count| count > 0).count() * 2 > trouble::ways(), "{fired:?}");
}

#[test]
fn nor_do_steps_of_the_wall_clock() {
    let plan = Plan { seed: seed(), cycles: cycles(), damage: false, lie: None };
    let Some(trouble) = Trouble::clock() else { return };
    let world = run_world(World::troubled(plan, trouble));
    assert_eq!(world.violations(), 0, "printed above");
    let fired = world.trouble.as_ref().map(Trouble::fired).unwrap_or_default();
    assert!(fired["steps seen by the agent"] >= plan.cycles / 2, "{fired:?}");
    assert_eq!(fired["steps that the agent did not see"], 0);
    if has_disk() {
        let residents = &world.residents;
        assert!(residents.after_kill.is_at_least(95), "{:?}", residents.after_kill);
    }
}

/// The test's own test: what is put back behind the checker's back is found, whoever's it was.
#[test]
fn a_value_that_is_put_back_is_found() {
    for lie in [Lie::Owned, Lie::Shared, Lie::Fills, Lie::Versions] {
        let world = run(Plan { seed: seed(), cycles: 3, damage: false, lie: Some(lie) });
        assert!(world.lies > 0, "nothing was put back: {lie:?}");
        assert!(world.violations_of(lie) > 0, "{} lies to {lie:?} were not found", world.lies);
        assert_eq!(world.violations_of(lie), world.violations(), "nobody else was lied to");
    }
}

/// The same for a restart that forgets what was done last.
#[test]
fn a_restart_that_forgets_is_found() {
    let world = run(Plan { seed: seed(), cycles: 6, damage: false, lie: Some(Lie::Restart) });
    for lie in [Lie::Owned, Lie::Shared, Lie::Fills, Lie::Versions] {
        assert!(world.violations_of(lie) > 0, "{} values put back were not found: {lie:?}", world.lies);
    }
}
