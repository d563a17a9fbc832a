//! Abuse of the metrics page: it may be the liveness probe of a pod.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::http::get;
use larder_tests::poll_until;

/// More than the page serves at a time.
const MANY: usize = 100;

fn answers(agent: &Agent) -> bool {
    let live = poll_until(Duration::from_secs(30), || {
        let (status, body) = get(agent.metrics(), "/livez").ok()?;
        (status == 200 && body == "ok\n").then_some(())
    });
    live.is_some()
}

#[test]
fn silent_connections_do_not_keep_the_probe_out() {
    let agent = Agent::start();
    let silent: Vec<_> = (0..MANY).map(|_| TcpStream::connect(agent.metrics()).expect("a connect")).collect();
    assert!(answers(&agent), "{MANY} silent connections keep /livez from answering");
    drop(silent);
    // Half a request, and a request that is kept alive.
    let half: Vec<_> = (0..MANY)
        .map(|number| {
            let mut stream = TcpStream::connect(agent.metrics()).expect("a connect");
            let text = if number % 2 == 0 { "GET /metr" } else { "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" };
            stream.write_all(text.as_bytes()).expect("sent");
            stream
        })
        .collect();
    assert!(answers(&agent), "half requests keep /livez from answering");
    drop(half);
}

#[test]
fn scrapers_that_do_not_read_do_not_keep_the_probe_out() {
    let agent = Agent::start();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2_000);
    let scrapers: Vec<_> = (0..MANY)
        .map(|_| {
            let mut stream = TcpStream::connect(agent.metrics()).expect("a connect");
            stream.set_write_timeout(Some(Duration::from_millis(50))).expect("a limit");
            // As much of it as is taken.
            let _ = stream.write_all(request.as_bytes());
            stream
        })
        .collect();
    assert!(answers(&agent), "scrapers that do not read keep /livez from answering");
    assert!(agent.rss_bytes() < 200 << 20, "{} bytes", agent.rss_bytes());
    drop(scrapers);
}

#[test]
fn odd_requests_are_refused() {
    let agent = Agent::start();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    for request in [
        "\r\n\r\n",
        "PING\r\n",
        "GET\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        &long,
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(agent.metrics()).expect("a connect");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let reply = String::from_utf8_lossy(&reply);
        assert!(!reply.starts_with("HTTP/1.1 200"), "{:.40}: {reply:.200}", request);
    }
    assert_eq!(get(agent.metrics(), "/nosuch").unwrap().0, 404);
    assert_eq!(get(agent.metrics(), "/livez").unwrap(), (200, "ok\n".to_owned()));
}
