//! Values and passwords stay where they belong: in no log, no metric, and nothing that another client is shown.

use std::collections::BTreeMap;

use larder_tests::agent::Agent;
use larder_tests::http::Metrics;
use larder_tests::resp::Value;
use rustix::process::Signal;

use super::access::password_file;
use super::ok;

const PASSWORD: &str = "Pa55w0rd-XYZZY";
const WRONG: &str = "Wr0ng-PLUGH-guess";
const VALUE: &str = "VALUE-c0ffee-1337";

/// Commands that carry a value in every place where one can be.
const WITH_VALUES: &[&str] = &[
    "SET k VALUE-c0ffee-1337",
    "SET k VALUE-c0ffee-1337 EX VALUE-c0ffee-1337",
    "SET k VALUE-c0ffee-1337 VALUE-c0ffee-1337",
    "SETEX k 100 VALUE-c0ffee-1337",
    "SETEX k 0 VALUE-c0ffee-1337",
    "PSETEX k 100000 VALUE-c0ffee-1337",
    "SETNX n VALUE-c0ffee-1337",
    "GETSET k VALUE-c0ffee-1337",
    "MSET k VALUE-c0ffee-1337 l VALUE-c0ffee-1337",
    "MSETNX m VALUE-c0ffee-1337",
    "APPEND k VALUE-c0ffee-1337",
    "SETRANGE k 3 VALUE-c0ffee-1337",
    "INCRBY k VALUE-c0ffee-1337",
    "INCR k",
    "ECHO VALUE-c0ffee-1337",
    "PING VALUE-c0ffee-1337",
    "GET k",
    "MGET k l",
    "HSET h f VALUE-c0ffee-1337",
    "LPUSH l VALUE-c0ffee-1337",
    "PUBLISH c VALUE-c0ffee-1337",
    "NOSUCH VALUE-c0ffee-1337",
    "EVAL return(1) 0 VALUE-c0ffee-1337",
    "CONFIG SET VALUE-c0ffee-1337 VALUE-c0ffee-1337",
    "OBJECT HELP VALUE-c0ffee-1337",
];

#[test]
fn nothing_is_told_to_others() {
    for format in ["text", "json"] {
        let (_directory, file) = password_file(PASSWORD);
        let mut agent = Agent::builder()
            .args(&["--password-file", &file, "--log-level", "trace", "--log", format])
            .start();
        let mut writer = agent.client();
        assert!(writer.command(&["AUTH", WRONG]).unwrap().is_error());
        assert!(writer.command(&["HELLO", "3", "AUTH", "default", WRONG]).unwrap().is_error());
        assert!(writer.command(&["AUTH", WRONG, PASSWORD]).unwrap().is_error());
        assert_eq!(writer.command(&["AUTH", PASSWORD]).unwrap(), ok());
        assert_eq!(writer.call("CONFIG SET slowlog-log-slower-than 0"), ok());
        assert_eq!(writer.call("CONFIG SET slowlog-max-len 1000"), ok());
        assert!(!writer.command(&["HELLO", "2", "AUTH", "default", PASSWORD]).unwrap().is_error());
        for line in WITH_VALUES {
            writer.call(line);
        }
        writer.call("MULTI");
        for line in WITH_VALUES {
            writer.call(line);
        }
        writer.call("EXEC");
        // Broken bytes with a value in them, from clients of their own.
        for bytes in [
            format!("*2\r\n$3\r\nGET\r\n:{VALUE}\r\n"),
            format!("*{VALUE}\r\n"),
            format!("GET \"{VALUE}\r\n"),
        ] {
            let mut broken = agent.client();
            broken.command(&["AUTH", PASSWORD]).unwrap();
            broken.send_raw(bytes.as_bytes()).unwrap();
            while broken.read().is_ok() {}
        }

        let mut other = agent.client();
        assert_eq!(other.command(&["AUTH", PASSWORD]).unwrap(), ok());
        let mut seen = BTreeMap::new();
        for line in [
            "SLOWLOG GET -1",
            "CLIENT LIST",
            "CLIENT INFO",
            "INFO everything",
            "CONFIG GET *",
            "COMMAND DOCS",
            "LATENCY HISTOGRAM",
            "MEMORY STATS",
            "KEYS *",
            "GET k VALUE",
            "INCR nosuch",
            "OBJECT FREQ k",
        ] {
            seen.insert(line.to_owned(), format!("{:?}", other.call(line)));
        }
        let slow = other.call("SLOWLOG GET -1").items().map_or(0, <[Value]>::len);
        assert!(slow > WITH_VALUES.len(), "the slow log saw only {slow} commands: nothing was tested");
        seen.insert("/metrics".to_owned(), Metrics::of(&agent).page);
        // A reload and a drain log as well.
        agent.signal(Signal::HUP);
        assert_eq!(agent.terminate().code(), Some(0));
        seen.insert("the log".to_owned(), agent.log());
        for (place, text) in seen {
            for secret in [PASSWORD, WRONG, VALUE] {
                assert!(!text.contains(secret), "{place} tells {secret}:\n{text:.3000}");
            }
        }
    }
}

#[test]
fn print_config_tells_the_file_and_not_the_password() {
    let (_directory, file) = password_file(PASSWORD);
    let ended = larder_tests::once::run_agent(&["--print-config", "--password-file", &file]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.contains(&file));
    assert!(!ended.stdout.contains(PASSWORD) && !ended.stderr.contains(PASSWORD));
    // Neither may a command line hold it.
    assert!(larder_tests::once::run_agent(&["--password", PASSWORD]).code != Some(0));
}

#[test]
fn a_clients_fault_is_no_error_of_ours() {
    let mut agent = Agent::builder().args(&["--log-level", "warn"]).start();
    let mut client = agent.client();
    for line in WITH_VALUES {
        client.call(line);
    }
    client.send_raw(b"*1\r\n:1\r\n").unwrap();
    while client.read().is_ok() {}
    drop(agent.client());
    assert_eq!(agent.terminate().code(), Some(0));
    assert!(!agent.log().contains("ERROR"), "{}", agent.log());
}
