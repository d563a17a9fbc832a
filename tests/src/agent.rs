//! The real `larder-agent`, started as a child with a directory of its own.

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::cgroup::Cgroup;
use crate::process::{Process, poll_until, status_bytes};
use crate::resp::Client;

mod find;

pub use find::agent_binary;

/// Far more than the agent needs to start, even on a loaded machine.
const START_LIMIT: Duration = Duration::from_secs(20);

/// More than `--drain-timeout`'s default of 20 s.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What an agent is to be started with.
#[derive(Debug, Default)]
pub struct Builder {
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    socket: Option<PathBuf>,
    tcp: bool,
    bare: bool,
    cgroup: Option<PathBuf>,
    through: Vec<String>,
}

impl Builder {
    /// Adds a flag or a flag's value.
    #[must_use]
    pub fn arg(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Adds several flags.
    #[must_use]
    pub fn args(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(ToString::to_string));
        self
    }

    /// Sets an environment variable. (Variables of the test's own that begin with `LARDER_` are not passed on.)
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Uses this socket path rather than one in the agent's own directory.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Adds no flag of the harness's own, neither socket nor metrics: for tests of the flags, the environment and the
    /// configuration file. [`Builder::socket`] then tells only where it will listen.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Listens on a free loopback TCP port as well.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Starts it inside this memory cgroup, from its first instruction on.
    #[must_use]
    pub fn cgroup(mut self, cgroup: &Cgroup) -> Self {
        self.cgroup = Some(cgroup.path().to_owned());
        self
    }

    /// Starts it through another program that becomes the agent, such as `setpriv` or `prlimit` with its arguments.
    #[must_use]
    pub fn through(mut self, words: &[&str]) -> Self {
        self.through = words.iter().map(ToString::to_string).collect();
        self
    }

    /// Starts it and waits until it answers; panics with its log when it does not.
    pub fn start(self) -> Agent {
        let mut agent = self.spawn();
        agent.wait_ready();
        agent
    }

    /// Starts it and does not wait: for starts that are meant to fail, and for measuring the start itself.
    pub fn spawn(self) -> Agent {
        let directory = TempDir::with_prefix("larder-agent-").expect("a temporary directory can be made");
        let socket = self.socket.unwrap_or_else(|| directory.path().join("larder.sock"));
        let log = directory.path().join("stderr.log");
        let tcp = self.tcp.then(free_port);

        let mut words: Vec<OsString> = self.through.iter().map(OsString::from).collect();
        words.push(agent_binary().into());
        if let Some(cgroup) = &self.cgroup {
            // The shell joins the cgroup and then becomes the agent, so that nothing is charged elsewhere.
            let shell = ["sh", "-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""].map(OsString::from);
            words.splice(..0, shell.into_iter().chain([cgroup.into()]));
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if !self.bare {
            command.arg("--socket").arg(&socket);
            if !self.flags.iter().any(|flag| flag == "--metrics" || flag.starts_with("--metrics=")) {
                command.args(["--metrics", "127.0.0.1:0"]);
            }
        }
        if let Some(address) = tcp {
            command.args(["--tcp", &address.to_string()]);
        }
        command.args(&self.flags);
        let ours = std::env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.to_string_lossy().starts_with("LARDER_")) {
            command.env_remove(name);
        }
        command.envs(self.environment).current_dir(directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log).expect("the log file can be made"));
        Agent { process: Process::spawn(&mut command), socket, tcp, log, directory }
    }
}

/// A running agent; killed on drop, and its directory removed.
pub struct Agent {
    // Before the directory, so that the agent is gone when its directory is removed.
    process: Process,
    socket: PathBuf,
    tcp: Option<SocketAddr>,
    log: PathBuf,
    directory: TempDir,
}

impl Agent {
    /// Starts one with nothing but a socket and waits until it answers.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// For one that is started with more than that.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Waits until it answers a PING, if only with an error (it may want a password); panics with its log when it
    /// ends before that or does not answer.
    pub fn wait_ready(&mut self) {
        let ready = poll_until(START_LIMIT, || {
            if let Some(status) = self.process.exited() {
                panic!("larder-agent ended as it started ({status}):\n{}", self.log());
            }
            Client::connect(&self.socket).ok()?.command(&["PING"]).ok()
        });
        assert!(
            ready.is_some(),
            "larder-agent does not answer on {}:\n{}",
            self.socket.display(),
            self.log()
        );
    }

    /// The Unix socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The TCP address; panics when [`Builder::tcp`] was not asked for.
    pub fn tcp(&self) -> SocketAddr {
        self.tcp.expect("the agent was started with Builder::tcp")
    }

    /// The address of `/metrics`, as the log tells it: the first loopback address with a port in a line that speaks
    /// of metrics. Panics when there is none.
    pub fn metrics(&self) -> SocketAddr {
        let found = poll_until(START_LIMIT, || self.log().lines().find_map(metrics_address));
        found.unwrap_or_else(|| panic!("the log tells no metrics address:\n{}", self.log()))
    }

    /// The directory of its own; removed with the agent.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A new connection over the Unix socket; panics when it is refused.
    pub fn client(&self) -> Client {
        match Client::connect(&self.socket) {
            Ok(client) => client,
            Err(error) => panic!("larder-agent refuses a connection: {error}\n{}", self.log()),
        }
    }

    /// The agent's process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Resident memory now, in bytes.
    pub fn rss_bytes(&self) -> u64 {
        status_bytes(self.pid(), "VmRSS").expect("the agent runs")
    }

    /// The most resident memory it ever had, in bytes.
    pub fn vm_hwm(&self) -> u64 {
        status_bytes(self.pid(), "VmHWM").expect("the agent runs")
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The exit status, when it has ended already.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.process.exited()
    }

    /// Waits until it has ended by itself, `limit` at most.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.process.wait(limit)
    }

    /// Sends SIGTERM and waits for the end; panics with its log when it does not end within 30 s.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let status = self.process.wait(STOP_LIMIT);
        status.unwrap_or_else(|| panic!("larder-agent does not end on SIGTERM:\n{}", self.log()))
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.process.wait(STOP_LIMIT).expect("SIGKILL ends every process")
    }

    /// What it has written to its standard error output so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }
}

/// A loopback port that nothing listens on. Another process may take it before the agent does; the agent says so then.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
    listener.local_addr().expect("a bound listener has an address")
}

fn metrics_address(line: &str) -> Option<SocketAddr> {
    if !line.contains("metrics") {
        return None;
    }
    line.match_indices("127.0.0.1:").find_map(|(start, _)| {
        let rest = &line[start..];
        let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':'))).unwrap_or(rest.len());
        rest[..end]
            .trim_end_matches(['.', ':'])
            .parse()
            .ok()
            .filter(|address: &SocketAddr| address.port() != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_metrics_address_in_a_log_line() {
        let address = |line| metrics_address(line).map(|address| address.port());
        assert_eq!(address("INFO metrics on http://127.0.0.1:4321/metrics"), Some(4321));
        assert_eq!(address(r#"{"message":"metrics","address":"127.0.0.1:77"}"#), Some(77));
        assert_eq!(address("INFO metrics asked for 127.0.0.1:0, listening on 127.0.0.1:9."), Some(9));
        assert_eq!(address("INFO tcp on 127.0.0.1:4321"), None);
    }
}
