//! SIGTERM: what was sent is answered, then the agent ends, whatever its clients do.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use larder_tests::agent::Agent;
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value, encode};
use rustix::process::Signal;

use super::{bulk, ok};

/// Room for a loaded machine on top of a timeout.
const SLACK: Duration = Duration::from_secs(10);

#[test]
fn what_was_sent_is_answered() {
    let mut agent = Agent::start();
    let mut clients: Vec<_> = (0..20).map(|_| agent.client()).collect();
    assert_eq!(clients[0].call("SET k v"), ok());
    // Stopped, the agent surely has not read them when the signal comes.
    agent.signal(Signal::STOP);
    let commands = encode(&["GET", "k"]).repeat(500);
    for client in &mut clients {
        client.send_raw(&commands).unwrap();
    }
    agent.signal(Signal::TERM);
    agent.signal(Signal::CONT);
    for client in &mut clients {
        for _ in 0..500 {
            assert_eq!(client.read().unwrap(), bulk("v"));
        }
        assert_eq!(client.read().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
    assert_eq!(agent.wait(SLACK).and_then(|status| status.code()), Some(0), "{}", agent.log());
}

#[test]
fn idle_clients_do_not_keep_it() {
    let mut agent = Agent::builder().tcp().start();
    let mut clients: Vec<_> = (0..50).map(|_| agent.client()).collect();
    clients.push(Client::connect_tcp(agent.tcp()).unwrap());
    clients.iter_mut().for_each(|client| assert_eq!(client.call("SET k v"), ok()));
    let started = Instant::now();
    assert_eq!(agent.terminate().code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "it waited for idle clients: {:?}",
        started.elapsed()
    );
    assert!(!agent.socket().exists());
    for mut client in clients {
        assert!(client.read().is_err());
    }
}

#[test]
fn an_interrupt_ends_it_too() {
    let mut agent = Agent::start();
    agent.signal(Signal::INT);
    assert_eq!(agent.wait(SLACK).and_then(|status| status.code()), Some(0));
}

/// A client with megabytes of answers on their way that it does not take.
fn that_does_not_read(agent: &Agent) -> Client {
    let mut client = agent.client();
    assert_eq!(client.command(&[b"SET", &b"big"[..], &vec![b'x'; 1 << 20]]).expect("a reply"), ok());
    client.send_raw(&encode(&["GET", "big"]).repeat(8)).expect("sent");
    client
}

#[test]
fn a_client_that_does_not_read_keeps_it_for_the_timeout_only() {
    let mut agent = Agent::builder().args(&["--drain-timeout", "1s", "--memory", "64MiB"]).start();
    let _client = that_does_not_read(&agent);
    let started = Instant::now();
    agent.signal(Signal::TERM);
    let status = agent.wait(Duration::from_secs(1) + SLACK);
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", agent.log());
    assert!(started.elapsed() >= Duration::from_millis(900), "it did not wait: {:?}", started.elapsed());
    assert!(agent.log().contains("drain timeout"), "{}", agent.log());
}

#[test]
fn a_client_that_reads_late_gets_everything() {
    let mut agent = Agent::builder().args(&["--memory", "64MiB"]).start();
    let mut client = that_does_not_read(&agent);
    agent.signal(Signal::TERM);
    let drains = poll_until(SLACK, || (!agent.socket().exists()).then_some(()));
    assert!(drains.is_some(), "the socket's file goes first");
    assert_eq!(agent.exited(), None, "it ended with answers unsent");
    for _ in 0..8 {
        let reply = client.read().unwrap();
        assert!(
            matches!(&reply, Value::Bulk(value) if value.len() == 1 << 20),
            "{:.80}",
            format!("{reply:?}")
        );
    }
    assert_eq!(agent.wait(SLACK).and_then(|status| status.code()), Some(0));
}

#[test]
fn a_torn_command_and_a_pause_do_not_keep_it() {
    let mut agent = Agent::builder().args(&["--drain-timeout", "2s"]).start();
    let (mut torn, mut paused) = (agent.client(), agent.client());
    torn.send_raw(b"*2\r\n$3\r\nGET\r\n$100\r\nhalf").unwrap();
    assert_eq!(agent.client().call("CLIENT PAUSE 60000"), ok());
    paused.send_raw(&encode(&["SET", "k", "v"])).unwrap();
    agent.signal(Signal::TERM);
    let status = agent.wait(Duration::from_secs(2) + SLACK);
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", agent.log());
}

#[test]
fn shutdown_is_for_tests_only() {
    let mut agent = Agent::start();
    let refused = agent.client().call("SHUTDOWN");
    assert!(refused.text().is_some_and(|text| text.starts_with("ERR unknown command")), "{refused:?}");
    assert_eq!(agent.exited(), None);
    let mut agent = Agent::builder().args(&["--debug-commands"]).start();
    agent.client().send_raw(&encode(&["SHUTDOWN", "NOSAVE"])).unwrap();
    assert_eq!(agent.wait(SLACK).and_then(|status| status.code()), Some(0));
}
