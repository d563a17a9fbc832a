//! SIGHUP: what may change while running changes, what may not is told, and a mistake changes nothing.

use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::poll_until;
use larder_tests::resp::Value;
use rustix::process::Signal;
use tempfile::TempDir;

use super::{bulk, ok, pong};

const LIMIT: Duration = Duration::from_secs(10);

/// Sends SIGHUP and waits until the log says that it was dealt with.
fn hang_up(agent: &mut Agent) {
    let told = |agent: &Agent| agent.log().matches("reread").count();
    let before = told(agent);
    agent.signal(Signal::HUP);
    let after = poll_until(LIMIT, || (told(agent) > before).then_some(()));
    assert!(after.is_some(), "SIGHUP is not dealt with:\n{}", agent.log());
}

fn setting(agent: &Agent, name: &str) -> String {
    let reply = agent.client().command(&["CONFIG", "GET", name]).expect("a reply");
    reply.get(name).and_then(Value::text).unwrap_or_else(|| panic!("{name}: {reply:?}"))
}

struct Fixture {
    agent: Agent,
    directory: TempDir,
}

impl Fixture {
    fn new(settings: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let file = directory.path().join("larder.yaml");
        std::fs::write(&file, settings).expect("a file");
        let agent = Agent::builder().args(&["--config", file.to_str().expect("text")]).start();
        Self { agent, directory }
    }

    fn change(&mut self, settings: &str) {
        std::fs::write(self.directory.path().join("larder.yaml"), settings).expect("a file");
        hang_up(&mut self.agent);
    }
}

#[test]
fn memory_policy_and_limits_change() {
    let mut fixture = Fixture::new("memory: 64MiB\n");
    let mut client = fixture.agent.client();
    assert_eq!(client.call("SET kept value"), ok());
    assert_eq!(setting(&fixture.agent, "maxmemory-policy"), "allkeys-lru");
    fixture.change(
        "memory: 48MiB\nmaxmemory_policy: noeviction\nmax_clients: 50\nidle_timeout: 600s\nmax_value: 1MiB\n",
    );
    for (name, value) in [
        ("maxmemory", (48 << 20).to_string()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("maxclients", "50".to_owned()),
        ("timeout", "600".to_owned()),
        ("proto-max-bulk-len", (1 << 20).to_string()),
    ] {
        assert_eq!(setting(&fixture.agent, name), value, "{name}");
    }
    // Clients and what they stored stay.
    assert_eq!(client.call("GET kept"), bulk("value"));
    assert!(client.command(&[b"SET", &b"big"[..], &vec![b'x'; 2 << 20]]).unwrap().is_error());
}

#[test]
fn less_memory_is_given_back_without_a_write() {
    let mut fixture = Fixture::new("memory: 128MiB\n");
    let mut client = fixture.agent.client();
    let value = vec![b'x'; 10_000];
    for number in 0..8000 {
        assert_eq!(client.command(&[b"SET", number.to_string().as_bytes(), &value]).unwrap(), ok());
    }
    let used = |agent: &Agent| larder_tests::http::Metrics::of(agent).value("larder_cache_memory_used_bytes");
    assert!(used(&fixture.agent) > f64::from(64 << 20));
    fixture.change("memory: 32MiB\n");
    // The reason to lower it may be that the container's limit was lowered: nobody may write for a long time.
    let given_back = poll_until(LIMIT, || (used(&fixture.agent) <= f64::from(32 << 20)).then_some(()));
    assert!(given_back.is_some(), "still {} bytes", used(&fixture.agent));
    assert_eq!(client.call("PING"), pong());
}

#[test]
fn the_password_changes_for_new_clients() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "first").unwrap();
    let mut agent = Agent::builder().args(&["--password-file", file.to_str().unwrap()]).start();
    let mut old = agent.client();
    assert_eq!(old.call("AUTH first"), ok());
    std::fs::write(&file, "second").unwrap();
    hang_up(&mut agent);
    let mut new = agent.client();
    assert!(new.call("AUTH first").is_error());
    assert_eq!(new.call("AUTH second"), ok());
    assert_eq!(old.call("PING"), pong());
    // A file that went away is a mistake: nothing changes, least of all is the door opened.
    std::fs::remove_file(&file).unwrap();
    hang_up(&mut agent);
    assert!(agent.log().contains("not reread"), "{}", agent.log());
    let mut stranger = agent.client();
    assert!(stranger.call("PING").is_error());
    assert_eq!(stranger.call("AUTH second"), ok());
}

#[test]
fn users_come_and_go() {
    let directory = TempDir::new().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, "secret").unwrap();
    let settings = format!("password_file: {}\n", password.display());
    let mut fixture = Fixture::new(&settings);
    assert!(fixture.agent.client().call("PING").is_error());
    let me = rustix::process::getuid().as_raw();
    fixture.change(&format!("{settings}allow_uid: [{me}]\n"));
    assert_eq!(fixture.agent.client().call("PING"), pong());
    fixture.change(&settings);
    assert!(fixture.agent.client().call("PING").is_error());
}

#[test]
fn what_needs_a_restart_is_told_and_a_mistake_changes_nothing() {
    let mut fixture = Fixture::new("databases: 16\nmax_clients: 100\n");
    fixture.change("databases: 4\nworkers: 3\nmax_clients: 90\n");
    let log = fixture.agent.log();
    let told = log.lines().find(|line| line.contains("restart")).unwrap_or_default().to_owned();
    assert!(told.contains("databases") && told.contains("workers") && !told.contains("max"), "{log}");
    assert_eq!(setting(&fixture.agent, "databases"), "16");
    assert_eq!(setting(&fixture.agent, "maxclients"), "90");
    fixture.change("max_clients: 80\nno_such_key: 1\n");
    assert_eq!(setting(&fixture.agent, "maxclients"), "90");
    assert!(fixture.agent.log().contains("no_such_key"), "{}", fixture.agent.log());
    assert_eq!(fixture.agent.client().call("PING"), pong());
}
