//! The differential test: Larder's replies to random commands against those of Redis 7.0 and Valkey 9.
//!
//! `LARDER_DIFF_CASES` is the number of cases, `LARDER_DIFF_SEED` the seed that a failure prints (`RUN`, or
//! `RUN:CASE` for that case alone), `LARDER_DIFF_SUBJECT_SOCKET` the socket of a server to test instead of an agent
//! that the test starts, `LARDER_DIFF_MAX` after how many differences to stop.

#![allow(clippy::print_stdout, reason = "a difference is reported on the test's own output")]

use std::time::{Instant, UNIX_EPOCH};

use larder_tests::differential::{Options, Report, Seed, Subject, explore, options_not_generated};

/// Half a minute on two cores.
const CASES: u64 = 4000;

/// While some wait for keys to expire, the others work.
const JOBS: usize = 8;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// A new seed for every run, so that each tries something else; printed, so that any can be run again.
fn seed() -> Seed {
    let given = std::env::var("LARDER_DIFF_SEED").ok();
    let given =
        given.map(|text| Seed::parse(&text).unwrap_or_else(|| panic!("LARDER_DIFF_SEED={text} is no seed")));
    given.unwrap_or_else(|| {
        let now = UNIX_EPOCH.elapsed().expect("it is after 1970").as_nanos();
        Seed { run: u64::try_from(now % 1_000_000_007).expect("small"), case: None }
    })
}

fn run(subject: Subject, cases: u64, jobs: usize, seed: Seed) -> Report {
    let differences_max = usize::try_from(number("LARDER_DIFF_MAX").unwrap_or(10)).expect("a small number");
    println!("LARDER_DIFF_SEED={seed}, {cases} cases");
    let started = Instant::now();
    let report = explore(&Options { subject, seed, cases, jobs, differences_max });
    println!(
        "{} cases, {} steps, {} commands and options covered, {} cases given up, {} differences not repeatable, {:.1?}",
        report.cases,
        report.steps,
        report.coverage.size(),
        report.given_up,
        report.not_repeatable,
        started.elapsed()
    );
    for difference in &report.differences {
        println!("\n{difference}");
    }
    report
}

#[test]
fn larder_answers_as_redis_or_valkey_does() {
    let socket = std::env::var_os("LARDER_DIFF_SUBJECT_SOCKET");
    let subject = socket.map_or(Subject::Agent, |socket| Subject::Socket(socket.into()));
    // Cases empty the server: on the one that is given they must take turns.
    let jobs = if matches!(subject, Subject::Socket(_)) { 1 } else { JOBS };
    let seed = seed();
    let report = run(subject, number("LARDER_DIFF_CASES").unwrap_or(CASES), jobs, seed);
    // Of a single case nothing more can be asked.
    let missing = if seed.case.is_none() { report.missing } else { Vec::new() };
    println!("not covered: {}\n{}", missing.len(), missing.join("\n"));
    assert!(report.differences.is_empty(), "{} differences, printed above", report.differences.len());
    assert!(missing.is_empty(), "{} commands, options or errors not covered, printed above", missing.len());
    assert!(
        report.given_up * 20 <= report.cases,
        "the machine is too slow: {} cases given up",
        report.given_up
    );
}

/// The same where nothing stays in memory from one step to the next.
#[test]
fn from_disk_larder_answers_as_redis_or_valkey_does() {
    let cases = number("LARDER_DIFF_CASES").unwrap_or(CASES) / 4;
    let report = run(Subject::AgentOverDisk, cases, JOBS, seed());
    assert!(report.differences.is_empty(), "{} differences, printed above", report.differences.len());
}

/// The test's own test: what is no difference is not taken for one.
#[test]
fn redis_itself_answers_as_redis() {
    let report = run(Subject::Redis(&[]), 300, 2, seed());
    assert!(report.differences.is_empty(), "{} differences, printed above", report.differences.len());
}

/// The test's own test: a server without one command is found out, and shown in as few steps as that takes.
#[test]
fn a_server_that_errs_is_found_out() {
    let report =
        run(Subject::Redis(&["--rename-command", "SETNX", "NOSUCH"]), 400, 2, Seed { run: 1, case: None });
    let shortest = report.differences.iter().min_by_key(|difference| difference.case.steps.len());
    let shortest = shortest.expect("a difference");
    assert_eq!((shortest.name, shortest.case.steps.len()), ("SETNX", 1), "{shortest}");
}

/// Redis tells the options of its commands itself.
#[test]
fn the_grammar_has_every_option_of_redis() {
    let missing = options_not_generated();
    assert!(missing.is_empty(), "not generated: {missing:?}");
}
