//! The socket's file: whose it is, who may use it, what happens when the path cannot be had.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use larder_tests::agent::Agent;
use larder_tests::once::{Ended, agent_command, run_agent, run_to_end};
use larder_tests::poll_until;
use larder_tests::resp::Client;
use rustix::process::Signal;
use tempfile::TempDir;

use super::pong;

/// A user that owns nothing.
const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

fn start_on(socket: &Path) -> Ended {
    run_agent(&["--metrics", "off", "--socket", socket.to_str().expect("text")])
}

fn refused_naming(ended: &Ended, socket: &Path, why: &str) {
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let path = socket.display().to_string();
    assert!(ended.stderr.contains(&path), "the path is not named: {}", ended.stderr);
    assert!(ended.stderr.contains(why), "not `{why}`: {}", ended.stderr);
    assert!(ended.stderr.contains("--socket"), "no way out is named: {}", ended.stderr);
}

#[test]
fn the_socket_of_a_killed_process_is_replaced() {
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("larder.sock");
    let mut first = Agent::builder().socket(&socket).start();
    first.kill();
    assert!(socket.exists(), "a killed process cannot clean up: there is nothing to test");
    let mut second = Agent::builder().socket(&socket).start();
    assert_eq!(second.client().call("PING"), pong());
    assert_eq!(second.terminate().code(), Some(0));
    assert!(!socket.exists(), "an orderly end leaves no socket");
}

#[test]
fn the_socket_of_a_live_process_is_left_alone() {
    let agent = Agent::start();
    let mut client = agent.client();
    refused_naming(&start_on(agent.socket()), agent.socket(), "a live process is already serving it");
    assert_eq!(client.call("PING"), pong());
    assert_eq!(agent.client().call("PING"), pong());
}

#[test]
fn a_stopped_process_is_live_too() {
    let mut agent = Agent::start();
    agent.signal(Signal::STOP);
    let ended = start_on(agent.socket());
    agent.signal(Signal::CONT);
    refused_naming(&ended, agent.socket(), "a live process is already serving it");
    assert_eq!(agent.client().call("PING"), pong());
}

#[test]
fn a_socket_of_others_is_not_taken_for_a_live_one() {
    // The directory is open to nobody's user, the socket in it is not.
    let directory = TempDir::new().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let socket = directory.path().join("larder.sock");
    let agent = Agent::builder().socket(&socket).args(&["--socket-mode", "0600"]).start();
    let ended = run_to_end(agent_command(&NOBODY).args(["--metrics", "off", "--socket"]).arg(&socket));
    refused_naming(&ended, &socket, "ermission denied");
    assert_eq!(agent.client().call("PING"), pong());
}

#[test]
fn a_file_that_is_no_socket_is_kept() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("precious");
    std::fs::write(&path, "precious").unwrap();
    refused_naming(&start_on(&path), &path, "is no socket");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    refused_naming(&start_on(directory.path()), directory.path(), "is no socket");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    refused_naming(&start_on(&link), &link, "is no socket");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_directory_that_cannot_be_had_is_named() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for socket in [file.join("larder.sock"), "/proc/larder/larder.sock".into(), "/proc/larder.sock".into()] {
        refused_naming(&start_on(&socket), &socket, "directory must exist and be writable");
    }
    // Root may write anywhere; a user without rights sees what a read-only directory does.
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    for socket in [directory.path().join("larder.sock"), directory.path().join("new/larder.sock")] {
        let ended = run_to_end(agent_command(&NOBODY).args(["--metrics", "off", "--socket"]).arg(&socket));
        refused_naming(&ended, &socket, "directory must exist and be writable for user 65534");
    }
}

#[test]
fn a_missing_directory_is_made() {
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("some/where/larder.sock");
    let agent = Agent::builder().socket(&socket).start();
    assert_eq!(agent.client().call("PING"), pong());
}

#[test]
fn the_mode_is_what_was_asked_for_whatever_the_umask() {
    for (flags, mode) in
        [(&[][..], 0o660), (&["--socket-mode", "0600"], 0o600), (&["--socket-mode", "666"], 0o666)]
    {
        let agent =
            Agent::builder().through(&["sh", "-c", "umask 0177; exec \"$0\" \"$@\""]).args(flags).start();
        let metadata = std::fs::metadata(agent.socket()).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.mode() & 0o7777, mode, "{flags:?}");
    }
}

#[test]
fn a_user_of_its_own_is_kept_out_or_let_in_by_the_mode() {
    let ping_as_nobody = |socket: &Path| {
        std::fs::set_permissions(socket.parent().unwrap(), std::fs::Permissions::from_mode(0o755)).unwrap();
        run_to_end(agent_command(&NOBODY).args(["ping", "--socket"]).arg(socket)).code
    };
    assert_eq!(ping_as_nobody(Agent::start().socket()), Some(1));
    let open = Agent::builder().args(&["--socket-mode", "0666"]).start();
    assert_eq!(ping_as_nobody(open.socket()), Some(0));
}

#[test]
fn anothers_socket_at_our_path_survives_our_end() {
    let mut agent = Agent::start();
    std::fs::remove_file(agent.socket()).unwrap();
    let _other = UnixListener::bind(agent.socket()).unwrap();
    assert_eq!(agent.terminate().code(), Some(0));
    assert!(agent.socket().exists(), "a socket that is not ours was removed");
}

/// Reported, not asserted: how soon after its start the agent answers.
#[test]
fn the_first_answer_comes_soon() {
    let started = Instant::now();
    let agent = Agent::builder().spawn();
    let answered = poll_until(Duration::from_secs(20), || {
        Client::connect(agent.socket()).ok()?.command(&["PING"]).ok().filter(|reply| *reply == pong())
    });
    assert!(answered.is_some(), "{}", agent.log());
    println!("first answer {:?} after exec", started.elapsed());
}
