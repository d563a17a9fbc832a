//! `/metrics` and `/livez` over HTTP.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::collect;
use crate::server::node::Node;

/// Connections served at a time: scrapers and a probe.
const CONNECTIONS_MAX: usize = 16;
/// How long a request may take to arrive and its answer to be read.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting rests when it fails.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Opens the address.
///
/// # Errors
/// If it is taken, or not ours.
pub async fn open(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves requests, for as long as it is polled. When too many connections are open the oldest one has to go.
pub async fn serve(node: Arc<Node>, listener: TcpListener) {
    let mut open: VecDeque<JoinHandle<()>> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_REST).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS_MAX
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let node = Arc::clone(&node);
        open.push_back(tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&node, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a metrics connection ended early"),
                Err(_) => tracing::debug!("a metrics connection took too long"),
            }
        }));
    }
}

fn answer(node: &Node, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", collect::page(node).into())
        }
        (&Method::GET, "/livez") => (StatusCode::OK, "text/plain", Bytes::from_static(b"ok\n")),
        (_, "/metrics" | "/livez") => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", Bytes::from_static(b"only GET\n"))
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", Bytes::from_static(b"there is /metrics and /livez\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
