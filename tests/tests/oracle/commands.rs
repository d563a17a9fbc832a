//! Every command that writes, on entries in memory, on disk and in both, and then a kill: what it replaced is not there again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use larder_tests::agent::Agent;
use larder_tests::resp::{Client, Value};

use super::subject::{End, Subject, has_disk};

mod table;

use table::{CASES, Case, WHOLE};

/// Where the entries lie when the command comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Memory,
    Disk,
    Both,
}

/// Later than the deadlines that cases give.
const LATE: Duration = Duration::from_millis(1_100);

/// Puts a case's own prefix in the place of each `@`.
fn line(number: usize, text: &str) -> String {
    text.replace('@', &format!("case{number}:"))
}

fn client(agent: &Agent, case: &Case) -> Client {
    let mut client = agent.client();
    client.call(&format!("SELECT {}", case.database));
    client
}

fn run_lines(client: &mut Client, number: usize, lines: &[&str]) -> Value {
    let mut last = Value::Null;
    for text in lines {
        last = client.call(&line(number, text));
    }
    last
}

/// Whether a command found what it was to change.
fn found(reply: &Value) -> bool {
    !(reply.is_error() || reply.is_null() || *reply == Value::Int(0))
}

/// Runs cases in one agent, ends it, and looks at what is there then.
fn run(cases: &[Case], tier: Tier, end: End) {
    let mut subject = Subject::new();
    subject.start(1);
    let each = || cases.iter().enumerate();
    for (number, case) in each() {
        run_lines(&mut client(subject.agent(), case), number, case.before);
    }
    if tier != Tier::Memory {
        subject.end(End::Terminate);
        subject.start(1);
    }
    if tier == Tier::Both {
        for (number, case) in each() {
            let mut client = client(subject.agent(), case);
            let reads = case.expected.iter().map(|(key, _)| format!("GET {key}"));
            reads.for_each(|read| (0..3).for_each(|_| drop(client.call(&line(number, &read)))));
        }
    }
    let replies: Vec<Value> = each()
        .map(|(number, case)| run_lines(&mut client(subject.agent(), case), number, case.command))
        .collect();
    let began = Instant::now();
    subject.end(end);
    subject.start(1);
    let is_there = has_disk() || tier == Tier::Memory;
    for (number, case) in each() {
        let reply = &replies[number];
        assert!(found(reply) || !is_there, "{:?} on {tier:?} found nothing: {reply:?}", case.command);
        run_lines(&mut client(subject.agent(), case), number, case.after);
    }
    std::thread::sleep(LATE.saturating_sub(began.elapsed()));
    for (number, case) in each().filter(|(number, _)| found(&replies[*number])) {
        let mut client = client(subject.agent(), case);
        for (key, values) in case.expected {
            let value = client.call(&line(number, &format!("GET {key}")));
            let is_explained =
                value.is_null() || value.text().is_some_and(|text| values.contains(&text.as_str()));
            assert!(
                is_explained,
                "{:?} on {tier:?}, then {end:?}: {key} holds {value:?}, may hold {values:?}",
                case.command
            );
        }
    }
    subject.end(End::Kill);
}

fn run_all(tier: Tier) {
    std::thread::scope(|threads| {
        for end in [End::Kill, End::Terminate] {
            threads.spawn(move || {
                run(CASES, tier, end);
                WHOLE.iter().for_each(|case| run(std::slice::from_ref(case), tier, end));
            });
        }
    });
}

#[test]
fn what_a_command_replaced_in_memory_does_not_come_back() {
    run_all(Tier::Memory);
}

#[test]
fn what_a_command_replaced_on_disk_does_not_come_back() {
    run_all(Tier::Disk);
}

#[test]
fn what_a_command_replaced_in_both_tiers_does_not_come_back() {
    run_all(Tier::Both);
}

#[test]
fn every_command_that_writes_has_a_case() {
    let mut subject = Subject::new();
    let mut client = subject.start(1).client();
    let names = client.call("COMMAND LIST");
    let names: Vec<String> = names.items().expect("a list").iter().filter_map(Value::text).collect();
    let info = client.call(&format!("COMMAND INFO {}", names.join(" ")));
    let writes = info.items().expect("a list").iter().filter_map(|command| {
        let parts = command.items()?;
        let writes = parts[2].items()?.iter().any(|flag| flag.text().as_deref() == Some("write"));
        writes.then(|| parts[0].text()).flatten()
    });
    let writes: BTreeSet<String> = writes.collect();
    let verb = |text: &&str| text.split(' ').next().unwrap_or_default().to_ascii_lowercase();
    let cases = CASES.iter().chain(WHOLE);
    let covered: BTreeSet<String> = cases.filter_map(|case| case.command.last().map(verb)).collect();
    assert!(writes.len() > 20, "{writes:?}");
    let missing: Vec<_> = writes.difference(&covered).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
