//! Who may talk: the password on both kinds of sockets, users that need none, and TCP on loopback only.

use std::os::unix::fs::PermissionsExt;

use larder_tests::agent::{Agent, Builder};
use larder_tests::once::run_agent;
use larder_tests::resp::{Client, Value};
use tempfile::TempDir;

use super::{ok, pong};

const PASSWORD: &str = "open-sesame";

/// A password file, and the directory that keeps it alive.
pub(crate) fn password_file(password: &str) -> (TempDir, String) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("password");
    std::fs::write(&path, password).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    let path = path.to_str().expect("text").to_owned();
    (directory, path)
}

fn guarded(file: &str) -> Builder {
    Agent::builder().args(&["--password-file", file])
}

fn is_noauth(reply: &Value) -> bool {
    matches!(reply, Value::Error(text) if text.starts_with(b"NOAUTH"))
}

#[test]
fn the_password_covers_both_sockets() {
    let (_directory, file) = password_file("open-sesame\n");
    let agent = guarded(&file).tcp().start();
    for mut client in [agent.client(), Client::connect_tcp(agent.tcp()).unwrap()] {
        for line in [
            "PING",
            "GET k",
            "SET k v",
            "INFO",
            "CLIENT LIST",
            "CONFIG GET *",
            "MULTI",
            "SUBSCRIBE x",
            "HELLO",
            "HELLO 3",
        ] {
            let reply = client.call(line);
            let is_unknown = line.starts_with("SUBSCRIBE") && reply.is_error();
            assert!(is_noauth(&reply) || is_unknown, "{line}: {reply:?}");
        }
        let wrong = client.call("AUTH wrong-one");
        assert!(matches!(&wrong, Value::Error(text) if text.starts_with(b"WRONGPASS")), "{wrong:?}");
        assert!(is_noauth(&client.call("PING")));
        assert!(client.call("AUTH other-user open-sesame").is_error());
        assert_eq!(client.command(&["AUTH", PASSWORD]).unwrap(), ok());
        assert_eq!(client.call("PING"), pong());
        // RESET brings the debt back, as in Redis.
        assert_eq!(client.call("RESET"), Value::Simple(b"RESET".to_vec()));
        assert!(is_noauth(&client.call("PING")));
        assert!(
            !client
                .command(&["HELLO", "3", "AUTH", "default", PASSWORD, "SETNAME", "me"])
                .unwrap()
                .is_error()
        );
        assert_eq!(client.call("PING"), pong());
    }
}

#[test]
fn a_stranger_may_not_send_much() {
    let (_directory, file) = password_file(PASSWORD);
    let agent = guarded(&file).start();
    for (bytes, error) in [
        (&b"*11\r\n"[..], "unauthenticated multibulk length"),
        (b"*2\r\n$3\r\nGET\r\n$16385\r\n", "unauthenticated bulk length"),
    ] {
        let mut client = agent.client();
        client.send_raw(bytes).unwrap();
        let reply = client.read().unwrap();
        assert_eq!(reply, Value::Error(format!("ERR Protocol error: {error}").into_bytes()));
        assert!(client.read().is_err(), "the connection goes on");
    }
}

#[test]
fn allowed_users_need_none_on_the_socket_and_do_on_tcp() {
    let (_directory, file) = password_file(PASSWORD);
    let me = rustix::process::getuid().as_raw();
    let agent = guarded(&file).tcp().args(&["--allow-uid", &format!("65534,{me}")]).start();
    assert_eq!(agent.client().call("SET k v"), ok());
    assert!(is_noauth(&Client::connect_tcp(agent.tcp()).unwrap().call("SET k v")));
    let others = guarded(&file).args(&["--allow-uid", "65534"]).start();
    assert!(is_noauth(&others.client().call("SET k v")));
}

#[test]
fn without_a_password_auth_says_so() {
    let reply = Agent::start().client().call("AUTH something");
    let expected = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
    assert_eq!(reply, Value::Error(expected.into()));
}

#[test]
fn tcp_is_for_loopback_unless_told_and_guarded() {
    let (_directory, file) = password_file(PASSWORD);
    let check = |arguments: &[&str]| run_agent(&[&["--check-config"], arguments].concat());
    for address in ["0.0.0.0:6379", "[::]:6379", "10.1.2.3:6379"] {
        let refused = check(&["--tcp", address]);
        assert_eq!(refused.code, Some(78), "{address}");
        assert!(refused.stderr.contains("--tcp-any"), "{}", refused.stderr);
        let unguarded = check(&["--tcp", address, "--tcp-any"]);
        assert_eq!(unguarded.code, Some(78), "{address} without a password");
        assert!(unguarded.stderr.contains("--password-file"), "{}", unguarded.stderr);
        assert_eq!(check(&["--tcp", address, "--tcp-any", "--password-file", &file]).code, Some(0));
    }
    for address in ["127.0.0.1:6379", "127.9.9.9:6379", "[::1]:6379"] {
        assert_eq!(check(&["--tcp", address]).code, Some(0), "{address}");
    }
}

#[test]
fn a_tcp_address_that_is_taken_is_an_error() {
    let agent = Agent::builder().tcp().start();
    let mut other = Agent::builder().args(&["--tcp", &agent.tcp().to_string()]).spawn();
    let status = other.wait(std::time::Duration::from_secs(20));
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{}", other.log());
    assert!(
        other.log().contains(&agent.tcp().to_string()) && other.log().contains("--tcp"),
        "{}",
        other.log()
    );
    assert!(!other.socket().exists(), "the socket of an agent that did not start stays behind");
}
