//! A well-behaved client beside the misbehaving ones: it asks all the time, and must always be answered.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::resp::{Client, Value};

/// How long an answer may take before the prober counts as not served: far over what any load here explains.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Rest between two rounds, so that the prober itself is no load.
const REST: Duration = Duration::from_millis(1);

/// After so many rounds it comes again as a new client.
const ROUNDS_A_CONNECTION: u64 = 50;

/// A thread that pings, writes and reads until it is told to stop.
#[derive(Debug)]
pub struct Prober {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Served, String>>,
}

/// What a prober saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Served {
    /// Rounds of PING, SET and GET.
    pub rounds: u64,
    /// The longest round.
    pub worst: Duration,
}

impl Prober {
    /// Starts one that also comes back as a new client now and then.
    pub fn start(agent: &Agent) -> Self {
        Self::over(agent.socket(), true)
    }

    /// Starts one that keeps its one connection: for tests in which new ones are refused.
    pub fn start_on_one_connection(agent: &Agent) -> Self {
        Self::over(agent.socket(), false)
    }

    fn over(socket: &Path, reconnects: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, socket) = (Arc::clone(&stop), socket.to_owned());
        // Connected before this returns, so that what comes next cannot keep it out.
        let first = Client::connect(&socket).expect("a prober connects before the trouble begins");
        let thread = std::thread::spawn(move || probe(&socket, first, reconnects, &told));
        Self { stop, thread }
    }

    /// Ends it; panics when it was ever refused, dropped or given a wrong answer.
    pub fn finish(self) -> Served {
        self.stop.store(true, Relaxed);
        match self.thread.join() {
            Ok(Ok(served)) => served,
            Ok(Err(what)) => panic!("a well-behaved client was not served: {what}"),
            Err(_) => panic!("the prober itself panicked"),
        }
    }
}

fn probe(socket: &Path, first: Client, reconnects: bool, told: &AtomicBool) -> Result<Served, String> {
    let mut served = Served::default();
    let mut client = first;
    client.set_read_limit(Some(ANSWER_LIMIT)).map_err(|error| error.to_string())?;
    // One round at least, however soon it is told: what was never asked shows nothing.
    while served.rounds == 0 || !told.load(Relaxed) {
        let started = Instant::now();
        if reconnects && served.rounds % ROUNDS_A_CONNECTION == ROUNDS_A_CONNECTION - 1 {
            client = Client::connect(socket).map_err(|error| format!("a new connection: {error}"))?;
            client.set_read_limit(Some(ANSWER_LIMIT)).map_err(|error| error.to_string())?;
        }
        let number = served.rounds.to_string();
        round(&mut client, &number)
            .map_err(|what| format!("round {number} after {:?}: {what}", started.elapsed()))?;
        served.rounds += 1;
        served.worst = served.worst.max(started.elapsed());
        std::thread::sleep(REST);
    }
    Ok(served)
}

fn round(client: &mut Client, number: &str) -> Result<(), String> {
    let mut ask =
        |words: &[&str]| client.command(words).map_err(|error| format!("no answer to {}: {error}", words[0]));
    let pong = ask(&["PING"])?;
    if pong != Value::Simple(b"PONG".to_vec()) {
        return Err(format!("PING: {pong:?}"));
    }
    let stored = ask(&["SET", "prober", number])?;
    if stored != Value::Simple(b"OK".to_vec()) {
        return Err(format!("SET: {stored:?}"));
    }
    // It may have been evicted, or another prober's; it may not be something else.
    let found = ask(&["GET", "prober"])?;
    let is_number = found.text().is_some_and(|text| text.parse::<u64>().is_ok());
    if found.is_null() || is_number { Ok(()) } else { Err(format!("GET: {found:?}")) }
}
