//! The subject and the two peers, and what the harness asks of each besides a case's own steps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::agent::Agent;
use crate::peer::Peer;
use crate::resp::{Client, Value};

use super::kinds;

/// What is compared with the peers.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The agent, started by the test.
    Agent,
    /// The agent over a directory, where whatever is in memory goes to disk before each step.
    AgentOverDisk,
    /// Whatever answers on this socket.
    Socket(PathBuf),
    /// A Redis of the peers' kind with more flags: for testing the test.
    Redis(&'static [&'static str]),
}

/// What each peer is given: the agent's eviction policy, and a pause that ends within 10 ms of its time rather than 100.
const FLAGS: [&str; 4] = ["--maxmemory-policy", "allkeys-lru", "--hz", "100"];

/// The settings that cases change, as every case finds them.
const SETTINGS: [(&str, &str); 4] = [
    ("maxmemory-policy", "allkeys-lru"),
    ("slowlog-log-slower-than", "10000"),
    ("slowlog-max-len", "128"),
    ("latency-monitor-threshold", "0"),
];

/// The databases that cases use.
const DATABASES: [&str; 4] = ["0", "1", "2", "15"];

/// What keeps a server running.
enum Keeper {
    Agent(Agent),
    AgentOverDisk(Agent, #[expect(dead_code, reason = "removed when it is dropped")] tempfile::TempDir),
    Peer(Peer),
    None,
}

/// One of the three servers.
pub(crate) struct Server {
    /// For reports.
    pub(crate) name: &'static str,
    socket: PathBuf,
    control: Client,
    keeper: Keeper,
    /// Its commands, in capitals, with a bar before a subcommand.
    pub(crate) commands: BTreeSet<String>,
    /// The options of each command that its own COMMAND DOCS tells, in capitals.
    pub(crate) options: BTreeMap<String, BTreeSet<String>>,
}

impl Server {
    fn new(name: &'static str, socket: &Path, keeper: Keeper) -> Self {
        let mut control = Client::connect(socket).unwrap_or_else(|error| panic!("{name} refuses: {error}"));
        let list = control.call("COMMAND LIST");
        let names = list.items().unwrap_or_else(|| panic!("COMMAND LIST of {name} gave {list:?}"));
        let commands = names.iter().filter_map(Value::text).map(|name| name.to_ascii_uppercase()).collect();
        let mut options = BTreeMap::new();
        collect_options(&control.call("COMMAND DOCS"), &mut options);
        Self { name, socket: socket.to_owned(), control, keeper, commands, options }
    }

    /// A new connection, in RESP2; `None` when it is refused.
    pub(crate) fn connect(&self) -> Option<Client> {
        Client::connect(&self.socket).ok()
    }

    /// Empties it and restores its settings.
    fn reset(&mut self) {
        let settings = SETTINGS.map(|(name, value)| format!("CONFIG SET {name} {value}"));
        let lines = ["CLIENT UNPAUSE", "FLUSHALL"].into_iter().chain(settings.iter().map(String::as_str));
        let commands: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
        // A case may have ended this connection too.
        if self.control.pipeline(&commands).is_err() {
            self.control =
                self.connect().unwrap_or_else(|| panic!("{} refuses a connection{}", self.name, self.log()));
            let replies = self.control.pipeline(&commands);
            replies.unwrap_or_else(|error| panic!("{} does not answer: {error}{}", self.name, self.log()));
        }
    }

    /// Looks at every key, so that what has expired is gone and not counted: until then DBSIZE counts what has
    /// expired and was not yet met, in Redis as well.
    pub(crate) fn settle(&mut self) {
        let mut exists = vec![b"EXISTS".to_vec()];
        exists.extend(kinds::all_keys().iter().map(|key| key.to_vec()));
        let select = |database: &str| vec![b"SELECT".to_vec(), database.as_bytes().to_vec()];
        let commands: Vec<_> =
            DATABASES.iter().flat_map(|database| [select(database), exists.clone()]).collect();
        // A connection that is gone shows in the steps of the case.
        let _ = self.control.pipeline(&commands);
    }

    /// Has what lies in memory go to disk, where there is one.
    pub(crate) fn demote(&mut self) {
        if matches!(self.keeper, Keeper::AgentOverDisk(..)) {
            let reply = self.control.pipeline(&[["DEBUG", "DEMOTE"]]);
            // A connection that is gone shows in the steps of the case.
            assert!(reply.iter().flatten().all(|reply| !reply.is_error()), "{reply:?}");
        }
    }

    /// Its log, for a panic's message.
    pub(crate) fn log(&self) -> String {
        match &self.keeper {
            Keeper::Agent(agent) | Keeper::AgentOverDisk(agent, _) => format!(":\n{}", agent.log()),
            Keeper::Peer(peer) => format!(":\n{}", peer.log()),
            Keeper::None => String::new(),
        }
    }
}

/// The three servers: the subject first, then Redis, then Valkey.
pub(crate) struct Trio(pub(crate) [Server; 3]);

impl Trio {
    /// Starts them.
    pub(crate) fn start(subject: &Subject) -> Self {
        let subject = match subject {
            Subject::Agent => {
                let agent = Agent::start();
                let socket = agent.socket().to_owned();
                Server::new("larder", &socket, Keeper::Agent(agent))
            }
            Subject::AgentOverDisk => {
                let directory = tempfile::TempDir::with_prefix("larder-diff-").expect("a directory");
                let path = directory.path().display().to_string();
                let flags =
                    ["--disk", &path, "--disk-size", "16MiB", "--debug-commands", "--disk-min-ttl", "0"];
                let agent = Agent::builder().args(&flags).start();
                assert!(!agent.log().contains("no disk tier"), "{}", agent.log());
                let socket = agent.socket().to_owned();
                Server::new("larder", &socket, Keeper::AgentOverDisk(agent, directory))
            }
            Subject::Socket(path) => Server::new("subject", path, Keeper::None),
            Subject::Redis(flags) => peer("subject", Peer::redis(&[&FLAGS, *flags].concat())),
        };
        Self([subject, peer("redis", Peer::redis(&FLAGS)), peer("valkey", Peer::valkey(&FLAGS))])
    }

    /// Whether a transaction with this command in it can be compared. It cannot when one peer lacks the command and
    /// aborts the transaction for it, as then the rest would be compared with the other peer alone; nor can a count
    /// of references, as in the peers a queued command holds some.
    pub(crate) fn fits_transactions(&self, name: &str) -> bool {
        let has = |server: &Server| server.commands.contains(name);
        has(&self.0[1]) == has(&self.0[2]) && name != "OBJECT|REFCOUNT"
    }

    /// Makes all three as they were at first.
    pub(crate) fn reset(&mut self) {
        self.0.iter_mut().for_each(Server::reset);
    }
}

fn peer(name: &'static str, peer: Peer) -> Server {
    Server::new(name, &peer.socket(), Keeper::Peer(peer))
}

/// From a reply to COMMAND DOCS, or the subcommands in it: for each command, all tokens of its arguments.
fn collect_options(docs: &Value, options: &mut BTreeMap<String, BTreeSet<String>>) {
    for pair in docs.items().unwrap_or_default().chunks_exact(2) {
        let name = pair[0].text().unwrap_or_default().to_ascii_uppercase();
        let mut tokens = BTreeSet::new();
        collect_tokens(pair[1].get("arguments"), &mut tokens);
        options.insert(name, tokens);
        if let Some(subcommands) = pair[1].get("subcommands") {
            collect_options(subcommands, options);
        }
    }
}

fn collect_tokens(arguments: Option<&Value>, tokens: &mut BTreeSet<String>) {
    for argument in arguments.and_then(Value::items).unwrap_or_default() {
        let token = argument.get("token").and_then(Value::text).unwrap_or_default();
        if !token.is_empty() {
            tokens.insert(token.to_ascii_uppercase());
        }
        collect_tokens(argument.get("arguments"), tokens);
    }
}
