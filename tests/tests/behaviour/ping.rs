//! `larder-agent ping`, the probe: 0 or 1, within a second.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use larder_tests::agent::{Agent, free_port};
use larder_tests::once::{Ended, agent_command, run_agent, run_to_end};
use rustix::process::Signal;
use tempfile::TempDir;

/// What a probe may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Pings; the best of three, since a loaded machine may keep a process waiting for longer than it runs.
fn ping(arguments: &[&str]) -> Ended {
    let mut tries: Vec<_> = (0..3).map(|_| run_agent(&[&["ping"], arguments].concat())).collect();
    tries.sort_by_key(|ended| ended.took);
    let ended = tries.swap_remove(0);
    assert!(ended.took < LIMIT, "it took {:?}: {}", ended.took, ended.stderr);
    ended
}

fn socket_of(agent: &Agent) -> &str {
    agent.socket().to_str().expect("text")
}

#[test]
fn a_live_agent_answers() {
    let agent = Agent::start();
    let ended = ping(&["--socket", socket_of(&agent)]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn no_agent_does_not() {
    let mut agent = Agent::start();
    let socket = socket_of(&agent).to_owned();
    agent.kill();
    for socket in [socket.as_str(), "/nowhere/larder.sock", "/etc/passwd"] {
        let ended = ping(&["--socket", socket]);
        assert_eq!(ended.code, Some(1), "{socket}");
        assert!(ended.stderr.contains(socket), "{}", ended.stderr);
    }
}

#[test]
fn a_stopped_agent_does_not_within_the_second() {
    let mut agent = Agent::start();
    agent.signal(Signal::STOP);
    let ended = ping(&["--socket", socket_of(&agent)]);
    agent.signal(Signal::CONT);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no answer"), "{}", ended.stderr);
    assert_eq!(ping(&["--socket", socket_of(&agent)]).code, Some(0));
}

#[test]
fn the_password_is_read_from_the_same_settings() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "open sesame\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    let agent = Agent::builder().args(&["--password-file", file]).start();
    let socket = socket_of(&agent);
    assert_eq!(ping(&["--socket", socket, "--password-file", file]).code, Some(0));
    let without = ping(&["--socket", socket]);
    assert_eq!(without.code, Some(1));
    assert!(without.stderr.contains("NOAUTH"), "{}", without.stderr);
    let wrong = directory.path().join("wrong");
    std::fs::write(&wrong, "close sesame").unwrap();
    let ended = ping(&["--socket", socket, "--password-file", wrong.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(!ended.stderr.contains("sesame"), "the password is told: {}", ended.stderr);
    // The environment and the file of settings serve as well.
    let by_variable = run_to_end(
        agent_command(&[]).arg("ping").envs([("LARDER_SOCKET", socket), ("LARDER_PASSWORD_FILE", file)]),
    );
    assert_eq!(by_variable.code, Some(0), "{}", by_variable.stderr);
    let yaml = directory.path().join("larder.yaml");
    std::fs::write(&yaml, format!("socket: {socket}\npassword_file: {file}\nmemory: 64MiB\n")).unwrap();
    assert_eq!(ping(&["--config", yaml.to_str().unwrap()]).code, Some(0));
}

#[test]
fn an_allowed_user_needs_no_password() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "open sesame").unwrap();
    let agent = Agent::builder()
        .args(&["--password-file", file.to_str().unwrap(), "--allow-uid", "65534", "--socket-mode", "0666"])
        .start();
    std::fs::set_permissions(agent.directory(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let as_user = |uid: &str| {
        let uid = format!("--reuid={uid}");
        run_to_end(agent_command(&["setpriv", &uid]).args(["ping", "--socket", socket_of(&agent)])).code
    };
    assert_eq!(as_user("65534"), Some(0));
    assert_eq!(as_user("65533"), Some(1));
}

#[test]
fn tcp_serves_where_the_socket_does_not() {
    let agent = Agent::builder().tcp().start();
    let address = agent.tcp().to_string();
    assert_eq!(ping(&["--socket", "/nowhere/larder.sock", "--tcp", &address]).code, Some(0));
    let nobody = free_port().to_string();
    assert_eq!(ping(&["--socket", "/nowhere/larder.sock", "--tcp", &nobody]).code, Some(1));
}
