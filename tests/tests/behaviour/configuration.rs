//! Flags, environment and file, through the real binary: precedence, exit codes, what is shown.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::http::{Metrics, get};
use larder_tests::once::{Ended, agent_command, run_agent, run_to_end};
use larder_tests::poll_until;
use tempfile::TempDir;

use super::{bulk, pong};

fn with(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    run_to_end(agent_command(&[]).args(arguments).envs(environment.iter().copied()))
}

fn yaml(text: &str) -> (TempDir, String) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("larder.yaml");
    std::fs::write(&path, text).expect("a file");
    let path = path.to_str().expect("text").to_owned();
    (directory, path)
}

/// The line of `--print-config` for a key.
fn printed(ended: &Ended, key: &str) -> String {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let line = ended.stdout.lines().find(|line| line.starts_with(&format!("{key}:")));
    line.unwrap_or_else(|| panic!("no {key} in\n{}", ended.stdout)).to_owned()
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
    let (_directory, file) = yaml("databases: 3\nworkers: 2\nmax_clients: 77\n");
    let environment = [("LARDER_DATABASES", "4"), ("LARDER_WORKERS", "3")];
    let ended = with(&["--print-config", "--config", &file, "--databases", "5"], &environment);
    for (key, value, origin) in [
        ("databases", "5", "flag"),
        ("workers", "3", "LARDER_WORKERS"),
        ("max_clients", "77", "larder.yaml"),
        ("socket_mode", "0660", "default"),
    ] {
        let line = printed(&ended, key);
        assert!(line.contains(value) && line.contains(origin), "{key}: {value} by {origin}? {line}");
    }
    // And so it runs, not only shows.
    let agent = Agent::builder()
        .args(&["--config", &file, "--databases", "5"])
        .env("LARDER_DATABASES", "4")
        .env("LARDER_WORKERS", "3")
        .start();
    let mut client = agent.client();
    assert_eq!(client.call("CONFIG GET databases").get("databases"), Some(&bulk("5")));
    assert_eq!(client.call("CONFIG GET maxclients").get("maxclients"), Some(&bulk("77")));
    assert_eq!(client.call("SELECT 4"), super::ok());
    assert!(client.call("SELECT 5").is_error());
    assert_eq!(Metrics::of(&agent).value("larder_workers"), 3.0);
}

#[test]
fn what_is_printed_is_a_file_that_gives_the_same() {
    let (_directory, file) =
        yaml("memory: 96MiB\nlog: json\nidle_timeout: 90s\ndisk: /tmp/some\nseal: off\n");
    let first = with(&["--print-config", "--config", &file, "--socket", "/tmp/some.sock"], &[]);
    let (_other, again) = yaml(&first.stdout);
    let second = with(&["--print-config", "--config", &again], &[]);
    for key in ["socket", "memory", "log", "idle_timeout", "max_value", "tcp", "disk", "disk_size", "seal"] {
        let value = |ended: &Ended| printed(ended, key).split(" #").next().map(|line| line.trim().to_owned());
        assert_eq!(value(&first), value(&second));
    }
}

#[test]
fn the_default_socket_follows_the_environment() {
    let directory = TempDir::new().unwrap();
    let runtime = directory.path().to_str().unwrap();
    let agent = Agent::builder()
        .bare()
        .env("XDG_RUNTIME_DIR", runtime)
        .env("LARDER_METRICS", "off")
        .socket(directory.path().join("larder/larder.sock"))
        .start();
    assert_eq!(agent.client().call("PING"), pong());
    let mut command = agent_command(&[]);
    let none = run_to_end(command.env_remove("XDG_RUNTIME_DIR").arg("--print-config"));
    assert!(printed(&none, "socket").contains("/run/larder/larder.sock"));
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = run_agent(&["--help"]);
    assert_eq!(help.code, Some(0));
    for code in ["0 ", "1 ", "64", "78"] {
        assert!(
            help.stdout.lines().any(|line| line.trim_start().starts_with(code)),
            "{code} is not documented"
        );
    }
    assert_eq!(run_agent(&["--version"]).code, Some(0));
    for usage in [&["--no-such-flag"][..], &["--socket"], &["no-such-subcommand"]] {
        assert_eq!(run_agent(usage).code, Some(64), "{usage:?}");
    }
    for configuration in [
        &["--memory", "much"][..],
        &["--memory", "1MiB"],
        &["--workers", "0"],
        &["--databases", "0"],
        &["--socket-mode", "0999"],
        &["--maxmemory-policy", "fifo"],
        &["--config", "/nowhere/larder.yaml"],
        &["--password-file", "/nowhere/password"],
        &["--max-value", "1GiB"],
        &["--disk-size", "1MiB"],
        &["--disk-size", "2GiB", "--volume-limit", "1GiB"],
        &["--disk-timeout", "0"],
        &["--seal", "perhaps"],
        &["--disk", "/nowhere/disk", "--at-rest-key", "/nowhere/keys"],
        &["--tcp", "nowhere"],
    ] {
        for what in [&[][..], &["--check-config"], &["--print-config"]] {
            let ended = run_agent(&[what, configuration].concat());
            assert_eq!(ended.code, Some(78), "{what:?} {configuration:?}: {}", ended.stderr);
            assert!(!ended.stderr.trim().is_empty());
        }
    }
    assert_eq!(run_agent(&["--check-config"]).code, Some(0));
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_line() {
    let (_directory, file) = yaml("databases: 3\nsoket: /tmp/x\n");
    let ended = run_agent(&["--check-config", "--config", &file]);
    assert_eq!(ended.code, Some(78));
    for part in [file.as_str(), "2", "soket", "did you mean", "socket"] {
        assert!(ended.stderr.contains(part), "`{part}` is missing: {}", ended.stderr);
    }
}

#[test]
fn variables_of_kubernetes_are_ignored_and_others_warned_of() {
    let kubernetes = [
        ("LARDER_PORT", "tcp://10.0.0.1:80"),
        ("LARDER_SERVICE_HOST", "10.0.0.1"),
        ("LARDER_SERVICE_PORT", "80"),
        ("LARDER_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    let quiet = with(&["--check-config"], &kubernetes);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    let warned = with(&["--check-config"], &[("LARDER_SOKET", "/tmp/x")]);
    assert_eq!(warned.code, Some(0));
    assert!(warned.stderr.contains("LARDER_SOKET"), "{}", warned.stderr);
}

#[test]
fn a_metrics_port_that_is_taken_is_a_warning_and_a_metric() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let agent = Agent::builder().args(&["--metrics", &address]).start();
    let mut client = agent.client();
    assert_eq!(client.call("PING"), pong());
    let warning =
        agent.log().lines().find(|line| line.contains("WARN") && line.contains("metrics")).map(str::to_owned);
    assert!(warning.is_some_and(|line| line.contains(&address)), "{}", agent.log());
    // There is no page to show the metric on, so INFO has it too.
    let failures = |agent: &Agent| {
        let info = agent.client().call("INFO stats").text().expect("a text");
        let line =
            info.lines().find_map(|line| line.strip_prefix("metrics_open_failures:")).map(str::to_owned);
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or_else(|| panic!("no count in\n{info}"))
    };
    assert!(failures(&agent) > 0);
    assert_eq!(failures(&Agent::start()), 0);
    // Freed, the port is taken after all, and the page tells what it took.
    drop(taken);
    let page = poll_until(Duration::from_secs(40), || get(address.parse().ok()?, "/metrics").ok());
    let (_, page) = page.unwrap_or_else(|| panic!("the page does not come up:\n{}", agent.log()));
    let sample = page.lines().find_map(|line| line.strip_prefix("larder_metrics_open_failures_total "));
    assert!(sample.and_then(|count| count.parse::<f64>().ok()).is_some_and(|count| count >= 1.0), "{page}");
    assert_eq!(client.call("PING"), pong());
}

#[test]
fn a_free_metrics_port_is_told_and_off_is_off() {
    let agent = Agent::builder().args(&["--metrics", "127.0.0.1:0", "--log", "json"]).start();
    assert_eq!(get(agent.metrics(), "/livez").unwrap(), (200, "ok\n".to_owned()));
    assert!(agent.log().lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{}", agent.log());
    let off = Agent::builder().args(&["--metrics", "off"]).start();
    assert_eq!(off.client().call("PING"), pong());
    assert!(!off.log().contains("127.0.0.1"), "{}", off.log());
}
