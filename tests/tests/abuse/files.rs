//! A full table of file descriptors: refused with words, recovered from, and no reason to spin.

use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use larder_tests::agent::Agent;
use larder_tests::http::Metrics;
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value};

use super::arena::Arena;
use super::fairness::cpu_nanos;

const SOON: Duration = Duration::from_secs(10);

fn open_files(agent: &Agent) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).expect("the agent runs").count()
}

/// Gives a running agent room for so many more files than it has now.
fn leave_files(agent: &Agent, more: usize) {
    let limit = open_files(agent) + more;
    let status = Command::new("prlimit")
        .args(["--pid", &agent.pid().to_string(), &format!("--nofile={limit}:{limit}")])
        .status()
        .expect("prlimit (util-linux) is needed");
    assert!(status.success());
}

/// Connects and reads without writing, as writing to a refused connection would tell nothing.
fn refused(agent: &Agent) -> bool {
    let mut client = agent.client();
    client.set_read_limit(Some(Duration::from_millis(100))).expect("a limit");
    client.read().is_ok_and(|reply| reply == Value::Error(b"ERR max number of clients reached".to_vec()))
}

#[test]
fn a_full_table_refuses_with_words_and_is_left_behind() {
    let mut arena = Arena::with(128 << 20, Agent::builder().tcp());
    arena.keep_one_prober_connection();
    let agent = &arena.agent;
    agent.metrics();
    leave_files(agent, 20);
    let mut clients = Vec::new();
    let full = poll_until(SOON, || {
        if refused(agent) {
            return Some(());
        }
        clients.push(agent.client());
        None
    });
    assert!(full.is_some(), "{} clients and no end", clients.len());
    for _ in 0..20 {
        let mut tcp = Client::connect_tcp(agent.tcp()).expect("a connect succeeds");
        assert_eq!(
            tcp.read().expect("a refusal"),
            Value::Error(b"ERR max number of clients reached".to_vec())
        );
        assert!(refused(agent));
    }
    // Those who are there notice nothing, and waiting for better times costs no CPU.
    let before = cpu_nanos(agent.pid());
    let started = Instant::now();
    for _ in 0..200 {
        for client in &mut clients {
            assert_eq!(client.call("PING"), Value::Simple(b"PONG".to_vec()));
        }
    }
    let calm = Duration::from_millis(500);
    std::thread::sleep(calm);
    let share = (cpu_nanos(agent.pid()) - before) as f64 / (started.elapsed()).as_nanos() as f64;
    println!("{:.0} % of a CPU with {} clients and a full table", share * 100.0, clients.len());
    assert!(share < 0.9, "it spins: {share}");
    let full_files = open_files(agent);
    // All leave; once the agent has seen that, the very next client is welcome.
    drop(clients);
    let left = poll_until(SOON, || (open_files(agent) + 10 < full_files).then_some(()));
    assert!(left.is_some(), "files of clients that left stay open");
    for number in 0..5 {
        let mut next = agent.client();
        next.set_read_limit(Some(SOON)).expect("a limit");
        let reply = next.command(&["PING"]);
        assert!(
            reply.as_ref().is_ok_and(|reply| !reply.is_error()),
            "client {number} after the crowd: {reply:?}"
        );
    }
    let counted = Metrics::of(agent).value("larder_clients_rejected_total{reason=\"files\"}");
    assert!(counted >= 40.0, "{counted}");
    arena.verdict();
}

#[test]
fn it_starts_and_serves_with_very_few() {
    // Less than it keeps for itself: it serves whom it can.
    let agent = Agent::builder().through(&["prlimit", "--nofile=40:40"]).start();
    let mut client = agent.client();
    assert_eq!(client.call("SET k v"), Value::Simple(b"OK".to_vec()));
    let others: Vec<_> = (0..100).filter_map(|_| UnixStream::connect(agent.socket()).ok()).collect();
    assert_eq!(client.call("GET k"), Value::Bulk(b"v".to_vec()));
    drop(others);
    assert_eq!(client.call("GET k"), Value::Bulk(b"v".to_vec()));
}
