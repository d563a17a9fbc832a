//! The agent's metrics page, fetched over HTTP and read.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::agent::Agent;

/// How long a page may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Fetches a page: status and body.
///
/// # Errors
/// If there is no connection, no answer within 20 s, or one that is no HTTP.
pub fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: larder\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
    Ok((status, body.to_owned()))
}

/// One scrape.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// The page as it came.
    pub page: String,
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Scrapes an agent; panics when it does not answer.
    pub fn of(agent: &Agent) -> Self {
        let (status, page) = get(agent.metrics(), "/metrics").expect("the metrics page answers");
        assert_eq!(status, 200, "{page}");
        let samples = page
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
                (name.to_owned(), value.parse().expect("a sample's value is a number"))
            })
            .collect();
        Self { page, samples }
    }

    /// The value of a sample, by name and labels as they are on the page; 0 when it is not there, as for a counter
    /// that has not begun.
    pub fn value(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or(0.0)
    }

    /// Whether there is such a sample.
    pub fn has(&self, sample: &str) -> bool {
        self.samples.contains_key(sample)
    }
}
